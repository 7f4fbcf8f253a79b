"""The station's side of a recording, played over a raw WebSocket against a real server.

What the recorded central system ordered is ordered through the REST API; the CALL that the server then sends is compared
with the recorded one and answered as the station answered. Everything that the server sends is held against the official
schemas. CALLs that are not in the recording are answered as that station would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from replay_recording import CALL, Line, Recording, Timeline, load, parse, spell
from replay_wire import PATIENCE_S, Json, Wire

from csms import Csms

SHORT_UP_TO = timedelta(seconds=15)
SHORT = timedelta(seconds=1.5)
RESERVATION_CTRLR = ("Available", "Enabled", "NonEvseSpecific")


@dataclass
class Order:
    """What a recorded CALL of the central system became: our API's answer, and the CALL that the station saw, if any."""

    action: str
    call: Json | None = None
    response: httpx.Response | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        assert self.response is not None
        return self.response.status_code

    @property
    def body(self) -> Json:
        """The JSON of our API's answer."""
        assert self.response is not None
        body: Json = self.response.json()
        return body


@dataclass
class Played:
    """One case, played: the orders in it, and (action, what we answered) for each CALL of the station."""

    orders: list[Order] = field(default_factory=list)
    answers: list[tuple[str, Json]] = field(default_factory=list)


@dataclass
class Player:
    """One station with its recording.

    ``first``: the first case to play after the boot; that of the file when empty. ``force``: reserve by force, where the
    station is known to refuse. ``before``: what to do before the line of that number. ``ids``: our reservation id for
    each recorded one.
    """

    csms: Csms
    recording: Recording
    wire: Wire
    first: str = ""
    force: bool = False
    before: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)
    cases: dict[int, Played] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)
    _open: dict[str, str] = field(default_factory=dict)
    _answered: dict[str, Json] = field(default_factory=dict)
    _running: list[tuple[Order, asyncio.Task[httpx.Response]]] = field(default_factory=list)
    _expiry: datetime | None = None

    @property
    def station_id(self) -> str:
        """The station's id."""
        return self.recording.station_id

    # The play

    async def play(self, key: str) -> Played:
        """All cases up to this one are played, and the server has sent nothing that it should not."""
        last, first = self.recording.index_of(key), self.recording.index_of(self.first) if self.first else 1
        for index in [0, *range(first, last + 1)]:
            if index not in self.cases:
                self.cases[index] = await self._case(index)
                assert not self.wire.faults, "\n".join(self.wire.faults)
        return self.cases[last]

    async def _case(self, index: int) -> Played:
        played = Played()
        if index == 0:
            await self.wire.connect()
        for line in self.recording.cases[index].lines:
            if line.number in self.before:
                await self.before[line.number]()
            self.timeline.mark(line.at, datetime.now(UTC))
            await self._line(line, played)
        if self._open:
            # The recording has no answer to this CALL: the station died of it.
            await self.wire.close(crash=True)
            self._open.clear()
        await self._finish_orders()
        if index == 0:
            await self._until_known()
        return played

    async def _line(self, line: Line, played: Played) -> None:
        kind, message_id = line.frame[0], line.frame[1]
        if line.from_station and kind == CALL:
            action = line.frame[2]
            answer = await self.wire.say(action, self._ours(line.frame[3]))
            self._answered[message_id] = answer
            played.answers.append((action, answer))
        elif line.from_station:
            await self._answer(line.frame)
        elif kind == CALL:
            await self._finish_orders()
            played.orders.append(await self._order(line))
        else:
            same_meaning(line.frame[2], self._answered.pop(message_id))

    def _ours(self, payload: Json) -> Json:
        moved: Json = self.timeline.move_all(payload)
        if moved.get("reservationId") in self.ids:
            moved["reservationId"] = self.ids[moved["reservationId"]]
        return moved

    async def _answer(self, frame: list[Any]) -> None:
        # Not there: our API refused by itself, or the CALL was answered apart from the recording (GetVariables).
        message_id = self._open.pop(frame[1], None)
        if message_id is not None:
            await self.wire.send([frame[0], message_id, *frame[2:]])

    # Orders

    async def _order(self, line: Line) -> Order:
        """The order is on its way: its CALL has come, or our API refused it by itself."""
        action, recorded = line.frame[2], line.frame[3]
        order = Order(action)
        # GetVariables is answered from all that the station ever said: ours may name other variables.
        future = self.wire.expect(action if action != "GetVariables" else "")
        task = asyncio.create_task(self._request(action, recorded, line))
        self._running.append((order, task))
        await asyncio.wait({task, future}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        self.wire.expect_nothing()
        if future.done():
            message_id, order.call = future.result()
            self._open[line.frame[1]] = message_id
            self._same_order(action, recorded, order.call)
        else:
            assert task.done(), f"{action} of line {line.number} never came"
        return order

    async def _finish_orders(self) -> None:
        for order, task in self._running:
            order.response = await asyncio.wait_for(task, PATIENCE_S)
        self._running.clear()

    async def _request(self, action: str, recorded: Json, line: Line) -> httpx.Response:
        station = f"/stations/{self.station_id}"
        match action:
            case "GetVariables":
                return await self.csms.request("POST", f"{station}/capabilities")
            case "CancelReservation":
                ours = self.ids.get(recorded["reservationId"], recorded["reservationId"])
                return await self.csms.request("DELETE", f"/reservations/{ours}")
            case "ReserveNow":
                return await self._reserve(recorded, terms=parse(recorded["expiryDateTime"]) - line.at)
            case "ChangeAvailability":
                path = f"{station}/calls/{action}?force=true"
                return await self.csms.request("POST", path, json=recorded)
            case _:
                return await self.csms.request("POST", f"{station}/calls/{action}", json=recorded)

    async def _reserve(self, recorded: Json, *, terms: timedelta) -> httpx.Response:
        wanted = {
            name: recorded[name] for name in ("idToken", "groupIdToken", "evseId", "connectorType") if name in recorded
        }
        duration = SHORT if timedelta() < terms <= SHORT_UP_TO else terms
        self._expiry = parse(spell(datetime.now(UTC) + duration))
        wanted["expiryDateTime"] = spell(self._expiry)
        if recorded["id"] in self.ids:
            path = f"/reservations/{self.ids[recorded['id']]}"
            return await self.csms.request("PATCH", path, json={"groupIdToken": None, **wanted})
        body = {"stationId": self.station_id, **wanted, **({"force": True} if self.force else {})}
        return await self.csms.request("POST", "/reservations", json=body)

    def _same_order(self, action: str, recorded: Json, ours: Json) -> None:
        """Our CALL asks for what the recorded one asked for."""
        expected = dict(recorded)
        if action == "ReserveNow":
            expected |= {"id": self.ids.setdefault(recorded["id"], ours["id"]), "expiryDateTime": self._expiry}
            ours = ours | {"expiryDateTime": parse(ours["expiryDateTime"])}
        elif action == "CancelReservation":
            expected = {"reservationId": self.ids[recorded["reservationId"]]}
        assert expected == ours

    # What the server knows

    async def _until_known(self) -> None:
        """The server has read, by itself, what the station says of ReservationCtrlr."""
        expected = {name[0].lower() + name[1:]: self._known(name) for name in RESERVATION_CTRLR}
        await self.wire.until_asked("GetVariables")

        async def is_known() -> bool:
            return bool((await self.csms.station(self.station_id))["reservations"] == expected)

        await eventually(is_known)

    def _known(self, name: str) -> bool | None:
        value = self.wire.knows.get(("ReservationCtrlr", name), {}).get("attributeValue")
        return None if value is None else value == "true"

    async def reservation(self, recorded_id: int) -> Json:
        """The stored reservation for a recorded id."""
        return await self.csms.reservation(self.ids[recorded_id])

    async def connectors(self) -> dict[str, str]:
        """The stored status of each connector, as `1/1`."""
        known = await self.csms.connectors(self.station_id)
        return {f"{evse}/{connector}": status for (evse, connector), status in known.items()}


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    """It is so, at the latest after PATIENCE_S."""
    pause = 0.01
    async with asyncio.timeout(PATIENCE_S):
        while not await look():
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.2)


def same_meaning(recorded: Json, ours: Json) -> None:
    """Our answer says what the recorded one said: registration, and the token's status and group."""
    assert recorded.get("status") == ours.get("status")
    for name in ("status", "groupIdToken"):
        assert recorded.get("idTokenInfo", {}).get(name) == ours.get("idTokenInfo", {}).get(name)
    assert ("idTokenInfo" in recorded) == ("idTokenInfo" in ours)


def means(known: Json, status: str, **fields: object) -> None:
    """The reservation has this status and these fields."""
    expected = {"status": status, **fields}
    assert expected == {name: known[name] for name in expected}


def player(csms: Csms, name: str, *, like: str | None = None, first: str = "", force: bool = False) -> Player:
    """A player of the recording; ``like`` names another one of the same software, where its variables were asked for."""
    recording = load(name)
    wire = Wire(f"{csms.stations}/{recording.station_id}", knows=load(like or name).variables())
    return Player(csms, recording, wire, first=first, force=force)


async def register_tokens(csms: Csms) -> None:
    """The tokens of the recordings are known: TAG_A and TAG_B are of one group; the others have none."""
    group = {"idToken": "GROUP_1", "type": "Central"}
    for token in ("TAG_A", "TAG_B"):
        body = {"status": "Accepted", "groupIdToken": group}
        answer = await csms.request("PUT", f"/tokens/ISO14443/{token}", json=body)
        assert answer.status_code in (200, 201), answer.text
