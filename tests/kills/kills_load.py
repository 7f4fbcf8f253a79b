"""A server that dies and comes back, its stations, and everybody who keeps them busy."""

from __future__ import annotations

import asyncio
import random
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from kills_memory import LIVE, Heard, Memory

from csms import Csms, in_seconds
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import Misbehaviour, StationOptions, World

STATIONS, EVSES, CALLERS = 4, 4, 5
#: Every other station thinks a while, so that many a kill meets an order in flight.
SLOW = Misbehaviour(answer_delay={"ReserveNow": 0.15, "CancelReservation": 0.1})
TOKENS = ("AABBCCDD", "DDCCBBAA", "0BADCAFE")
PATIENCE_S = 20.0
LOOK_EVERY_S = 0.05


class Load:
    """Callers and drivers, each a task; ``memory`` keeps what they were told.

    Args:
        csms: A running server; it comes back at the same addresses.
        stations: Online.
        rng: Where all chance comes from.
    """

    def __init__(self, csms: Csms, stations: list[SimulatedStation], *, rng: random.Random) -> None:
        self.csms = csms
        self.stations = stations
        self.rng = rng
        self.memory = Memory([Heard(station) for station in stations])
        self.up = asyncio.Event()
        self.up.set()
        self._addresses = csms.api, csms.stations
        self._going = True

    # Dying and coming back

    async def kill(self, *, after_s: float) -> None:
        """The server was killed, that many seconds from now."""
        await asyncio.sleep(after_s)  # the moment of death is the test's chance, not a condition that is waited for
        self.up.clear()
        await self.csms.kill()
        self.memory.counts["kills"] += 1

    async def start(self) -> None:
        """The server is back, and knows all that was acknowledged."""
        self.csms.api, self.csms.stations = self._addresses
        await self.csms.start()
        assert self.csms.api, "\n".join(self.csms.output[-30:])
        self.up.set()

    async def die_at_start(self, *, after_s: float) -> None:
        """The server was killed while it started."""
        self.csms.api, self.csms.stations = self._addresses
        starting = asyncio.create_task(self.csms.start())
        await asyncio.sleep(0)
        while self.csms.process is None or self.csms.process.returncode is not None:
            await asyncio.sleep(0)
        await self.kill(after_s=after_s)
        await starting

    # The API

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer; None when the server died over it."""
        await self.up.wait()
        try:
            answer = await self.csms.http.request(method, f"{self._addresses[0]}/api/v1{path}", **more)
        except httpx.TransportError:
            self.memory.counts["requests cut off"] += 1
            return None
        assert answer.status_code != 500, answer.text
        self.memory.counts["requests answered"] += 1
        return answer

    async def stored(self, query: str = "") -> dict[int, dict[str, Any]]:
        """Every reservation that the API shows, by id."""
        found: dict[int, dict[str, Any]] = {}
        url = f"{self.csms.api}/api/v1/reservations?limit=200{query}"
        while url:
            answer = await self.csms.http.get(url)
            assert answer.status_code == 200, answer.text
            found |= {body["id"]: body for body in answer.json()}
            url = str(httpx.URL(self.csms.api).join(answer.links["next"]["url"])) if "next" in answer.links else ""
        return found

    async def check(self) -> None:
        """All that was acknowledged up to now is there."""
        memory = self.memory.acknowledged()
        for heard in memory.heard:
            heard.listen()
        memory.check_events(self.csms.database)
        memory.check_reservations(await self.stored())
        for station in self.stations:
            shown = await self.csms.station(station.id)
            connectors = {
                (evse["id"], one["id"]): (datetime.fromisoformat(one["since"]), one["status"])
                for evse in shown["evses"]
                for one in evse["connectors"]
            }
            memory.check_statuses(station.id, connectors)

    async def until_settled(self, among: set[int] | None = None) -> None:
        """None of these, or of all, is Pending or Unconfirmed."""

        async def look() -> bool:
            open_ = await self.stored("&status=Pending&status=Unconfirmed")
            return not (open_.keys() if among is None else open_.keys() & among)

        await until(look, "a reservation was left Pending or Unconfirmed")

    async def until_agreed(self) -> None:
        """Each station holds exactly what is called Active there."""

        async def look() -> bool:
            active = await self.stored("&status=Active")
            held = {(station.id, number) for station in self.stations for number in station.state.reservations}
            return held == {(body["stationId"], number) for number, body in active.items()}

        await until(look, "stations and server do not agree")

    # Who keeps it busy

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All are busy; at the end they have finished, and cars and cables are gone."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._call())
            for station in self.stations:
                group.create_task(self._drive(station))
            yield
            self._going = False

    async def _call(self) -> None:
        while self._going:
            ways = (self._reserve, self._reserve, self._reserve, self._cancel, self._replace)
            await self.rng.choice(ways)()
            await asyncio.sleep(self.rng.uniform(0, 0.03))

    async def _reserve(self) -> None:
        """POST until it is answered, under one key: there is one reservation, however often the server died over it."""
        seconds = 4 if self.rng.random() < 0.1 else 600
        body = {
            "stationId": self.rng.choice(self.stations).id,
            "idToken": {"idToken": self.rng.choice(TOKENS), "type": "ISO14443"},
            "expiryDateTime": in_seconds(seconds),
            **({"evseId": self.rng.randint(1, EVSES)} if self.rng.random() < 0.8 else {}),
        }
        headers = {"Idempotency-Key": str(uuid.UUID(int=self.rng.getrandbits(128)))}
        answer = None
        while answer is None:
            answer = await self.request("POST", "/reservations", json=body, headers=headers)
        if answer.status_code in (201, 202):
            self.memory.counts["reservations"] += 1
            self.memory.told(answer.json())
            again = await self.request("POST", "/reservations", json=body, headers=headers)
            if again is not None and again.status_code in (201, 202):
                assert again.json()["id"] == answer.json()["id"]

    async def _cancel(self) -> None:
        chosen = self._some()
        answer = None if chosen is None else await self.request("DELETE", f"/reservations/{chosen}")
        if answer is not None and answer.status_code in (200, 202):
            self.memory.told(answer.json())
            if answer.status_code == 200:
                self.memory.ended.add(answer.json()["id"])
                self.memory.counts["cancels"] += 1

    async def _replace(self) -> None:
        chosen = self._some()
        changes = {"expiryDateTime": in_seconds(self.rng.randint(300, 900))}
        answer = None if chosen is None else await self.request("PATCH", f"/reservations/{chosen}", json=changes)
        if answer is not None and answer.status_code in (200, 202):
            self.memory.told(answer.json())
            self.memory.counts["replacements"] += answer.status_code == 200

    def _some(self) -> int | None:
        live = [number for number, body in self.memory.bodies.items() if body["status"] in LIVE]
        return self.rng.choice(live[-8:]) if live else None

    async def _drive(self, station: SimulatedStation) -> None:
        """Cars come and go; now and then one with a reserved token."""
        while self._going:
            evse_id = self.rng.randint(1, EVSES)
            await station.plug_in(evse_id)
            held = [one.token.id_token for one in station.state.reservations.values() if one.evse_id == evse_id]
            await station.present(evse_id, self.rng.choice(held or TOKENS))
            await station.unplug(evse_id)
            await asyncio.sleep(self.rng.uniform(0, 0.05))


def free_port(rng: random.Random) -> int:
    """One that no outgoing connection is given: while the server is down, a client's own end must not take it."""
    while True:
        port = rng.randrange(15_000, 30_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


async def until(look: Callable[[], Any], reproach: str) -> None:
    """The condition holds, soon."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_S
    while not await look():
        assert loop.time() < end, reproach
        await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def stations_of(csms: Csms) -> AsyncIterator[list[SimulatedStation]]:
    """Stations that are online, quick to come back, and forget no frame."""
    world = World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))
    async with AsyncExitStack() as stack:
        stations = []
        for number in range(STATIONS):
            options = StationOptions(
                station_id=f"KILL{number}",
                evses=EVSES,
                backoff_s=0.05,
                backoff_limit_s=0.2,
                remember=10_000_000,
                misbehaviour=SLOW if number % 2 else Misbehaviour(),
            )
            stations.append(await stack.enter_async_context(SimulatedStation(csms.stations, options, world=world)))
        for station in stations:
            await station.online()
            await csms.until_online(station.id)
        yield stations
