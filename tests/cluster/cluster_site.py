"""Three real nodes over one PostgreSQL and one NATS, stations that find a node by themselves, and callers at all of them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from cluster_stream import Follower
from cluster_wire import Wire
from kills_load import free_port
from kills_memory import LIVE, Heard, Memory

from csms import OPEN, QUICK, Csms, in_seconds
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions, World
from nats_server import NatsServer, running_nats
from postgres import Postgres, running_postgres

NODES = 3
STATIONS = 300 if os.environ.get("EVHOLD_SOAK") else 60
EVSES = 2
CALLERS = 2
TOKENS = ("AABBCCDD", "DDCCBBAA", "0BADCAFE")
PATIENCE_S = 90.0
PAUSE_S = 0.1
SEED = int(os.environ.get("EVHOLD_CLUSTER_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)


class Node(Csms):
    """One of them, with its wires to the database and to NATS."""

    database_wire: Wire
    nats_wire: Wire
    #: Whether a load balancer would send anybody there.
    healthy = True


class Site:
    """All of it: so many nodes and stations, over servers of its own, or over these."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = NODES,
        stations: int = STATIONS,
        callers: int = CALLERS,
        pause_s: float = 0.1,
        servers: tuple[Postgres, NatsServer] | None = None,
    ) -> None:
        self.folder = folder
        self.size = nodes, stations
        self.callers = callers
        #: Of drivers at most; callers have half as much again.
        self.pause_s = pause_s
        self.given = servers
        self.rng = random.Random(SEED)
        self.counts: Counter[str] = Counter()
        self.nodes: list[Node] = []
        self.stations: list[SimulatedStation] = []
        self.followers: list[Follower] = []
        self._servers = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._going = False
        #: What the last look found wanting.
        self.left: object = None

    async def start(self) -> None:
        """All are there, and every station is online at every node."""
        if self.given is None:
            postgres = await asyncio.to_thread(self._servers.enter_context, running_postgres())
            self.given = postgres, await asyncio.to_thread(self._servers.enter_context, running_nats())
        self.postgres, self.nats = self.given
        self.url = self.postgres.create()
        nodes, stations = self.size
        for number in range(nodes):
            self.nodes.append(await self._node(number))
        await asyncio.gather(*(node.start() for node in self.nodes))
        self.addresses = [(node.api, node.stations) for node in self.nodes]
        self.followers = [Follower(node.api) for node in self.nodes]
        for follower in self.followers:
            follower.start()
        world = World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))
        for number in range(stations):
            options = StationOptions(
                station_id=f"ST.{number}",
                evses=EVSES,
                backoff_s=0.1,
                backoff_limit_s=0.4,
                call_timeout_s=10.0,
                attempts=1_000,
                remember=10_000_000,
            )
            station = SimulatedStation(self.nodes[number % nodes].stations, options, world=world)
            self.stations.append(await station.__aenter__())
        self.memory = Memory([Heard(station) for station in self.stations])
        self._tasks.append(asyncio.create_task(self._balance()))
        await self.until_online()

    async def _node(self, number: int) -> Node:
        node = Node(self.folder)
        node.database_wire = await Wire(self.postgres.port).open()
        node.nats_wire = await Wire(self.nats.port).open()
        node.url = self.url.replace(f":{self.postgres.port}/", f":{node.database_wire.port}/")
        node.options = (*QUICK, *OPEN, "--nats", f"nats://127.0.0.1:{node.nats_wire.port}", "--drain", "1")
        rng = random.Random(f"{SEED} {number}")
        node.api, node.stations = f"http://127.0.0.1:{free_port(rng)}", f"ws://127.0.0.1:{free_port(rng)}/ocpp"
        return node

    async def close(self) -> None:
        """All are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for station in self.stations:
            await station.__aexit__(None, None, None)
        for follower in self.followers:
            await follower.close()
        for node in self.nodes:
            await node.close()
            await node.database_wire.close()
            await node.nats_wire.close()
        await asyncio.to_thread(self._servers.close)

    # Nodes that die and come back

    async def restart(self, node: Node) -> None:
        """It is back at its addresses."""
        node.api, node.stations = self.addresses[self.nodes.index(node)]
        await node.start()
        assert node.api, "\n".join(node.output[-30:])
        node.healthy = True

    def signal(self, node: Node, number: signal.Signals) -> None:
        """It has it."""
        assert node.process is not None
        node.process.send_signal(number)

    async def _balance(self) -> None:
        """What a load balancer does: who has lost its node is sent to one that is healthy."""
        while True:
            for station in self.stations:
                if not station.is_connected:
                    node = self.rng.choice([one for one in self.nodes if one.healthy])
                    station.url = f"{self.addresses[self.nodes.index(node)][1]}/{station.id}"
            await asyncio.sleep(PAUSE_S)

    # Callers and drivers

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Callers at every node, and drivers at the stations; at the end they have finished."""
        self._going = True
        async with asyncio.TaskGroup() as group:
            for node in self.nodes:
                for _ in range(self.callers):
                    group.create_task(self._call(node))
            for lane in range(self.callers):
                group.create_task(self._drive(lane))
            try:
                yield
            finally:
                self._going = False

    async def request(self, node: Node, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer; None when the node was not able to give one."""
        api = self.addresses[self.nodes.index(node)][0]
        try:
            answer = await node.http.request(method, f"{api}/api/v1{path}", timeout=15, **more)
        except httpx.HTTPError:
            self.counts["requests cut off"] += 1
            await asyncio.sleep(PAUSE_S)
            return None
        assert answer.status_code != 500, answer.text + "\n".join(node.output[-40:])
        self.counts["requests answered"] += 1
        self.counts[f"answers {answer.status_code}"] += 1
        return answer

    async def _call(self, node: Node) -> None:
        while self._going:
            await self.rng.choice((self._reserve, self._reserve, self._reserve, self._cancel))(node)
            await asyncio.sleep(self.rng.uniform(0, 1.5 * self.pause_s))

    async def _reserve(self, node: Node) -> None:
        """A POST under a key, at another node when this one does not answer: there is one reservation all the same."""
        seconds = 3 if self.rng.random() < 0.3 else 600
        body = {
            "stationId": self.rng.choice(self.stations).id,
            "idToken": {"idToken": self.rng.choice(TOKENS), "type": "ISO14443"},
            "expiryDateTime": in_seconds(seconds),
            **({"evseId": self.rng.randint(1, EVSES)} if self.rng.random() < 0.8 else {}),
        }
        headers = {"Idempotency-Key": str(uuid.UUID(int=self.rng.getrandbits(128)))}
        answer = await self.request(node, "POST", "/reservations", json=body, headers=headers)
        if answer is None:
            other = self.rng.choice(self.nodes)
            answer = await self.request(other, "POST", "/reservations", json=body, headers=headers)
        if answer is not None and answer.status_code in (201, 202):
            self.counts["reservations"] += 1
            self.memory.told(answer.json())

    async def _cancel(self, node: Node) -> None:
        live = [number for number, body in self.memory.bodies.items() if body["status"] in LIVE]
        if not live:
            return
        answer = await self.request(node, "DELETE", f"/reservations/{self.rng.choice(live[-20:])}")
        if answer is not None and answer.status_code in (200, 202):
            self.memory.told(answer.json())
            if answer.status_code == 200:
                self.memory.ended.add(answer.json()["id"])
                self.counts["cancels"] += 1

    async def _drive(self, lane: int) -> None:
        """Cars come and go; now and then one with a reserved token."""
        while self._going:
            station = self.rng.choice(self.stations[lane :: self.callers])
            evse_id = self.rng.randint(1, EVSES)
            held = [one.token.id_token for one in station.state.reservations.values() if one.evse_id == evse_id]
            if not station.is_online:
                await asyncio.sleep(PAUSE_S)
                continue
            # A node that is away keeps a driver waiting; the others go on.
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await station.plug_in(evse_id)
                    await station.present(evse_id, self.rng.choice(held or TOKENS))
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await station.unplug(evse_id)
            await asyncio.sleep(self.rng.uniform(0, self.pause_s))

    async def _drive_away(self) -> None:
        """Who was let in while the line was bad, and had no cable in by then, charges and leaves."""
        for station in self.stations:
            for evse in station.state.evses.values():
                if evse.token is not None and evse.plugged is None:
                    self.counts["late drivers"] += 1
                    await station.plug_in(evse.id)
                if evse.plugged is not None:
                    await station.unplug(evse.id)

    # What must be true

    async def until_online(self) -> None:
        """Every node says of every station that it is online, and every station agrees."""

        async def look() -> bool:
            for node in self.nodes:
                answer = await self.request(node, "GET", "/stations")
                if answer is None or answer.status_code != 200 or not all(one["online"] for one in answer.json()):
                    return False
                if len(answer.json()) != len(self.stations):
                    return False
            return all(station.is_online for station in self.stations)

        await self._until(look, "a station is not online everywhere")

    async def stored(self, node: Node, query: str = "") -> dict[int, dict[str, Any]] | None:
        """Every reservation that this node shows, by id; None: it can't."""
        found: dict[int, dict[str, Any]] = {}
        path = f"/reservations?limit=200{query}"
        while path:
            answer = await self.request(node, "GET", path)
            if answer is None or answer.status_code != 200:
                return None
            found |= {body["id"]: body for body in answer.json()}
            path = answer.links["next"]["url"].removeprefix("/api/v1") if "next" in answer.links else ""
        return found

    async def check(self, *, title: str) -> None:
        """Nothing acknowledged is lost, nothing is booked twice, all is settled, and every node told every event once."""
        began = time.monotonic()
        await self.until_online()
        await self._drive_away()
        await self._until(self._is_settled, "a reservation was left Pending or Unconfirmed")
        await self._until(self._is_agreed, "stations and nodes do not agree")
        for heard in self.memory.heard:
            heard.listen()
        for node in self.nodes:
            stored = await self.stored(node)
            assert stored is not None
            self.memory.check_reservations(stored)
            self.memory.check_uses(stored)
        await self._check_statuses()
        await self._check_database()
        for node in self.nodes:
            traces = [number for number, line in enumerate(node.output) if "Traceback" in line]
            assert not traces, "\n".join(node.output[max(0, traces[0] - 5) : traces[0] + 60])
        self._print(title, settled_s=time.monotonic() - began)

    async def _is_settled(self) -> bool:
        open_ = await self.stored(self.nodes[0], "&status=Pending&status=Unconfirmed")
        self.left = open_
        return open_ == {}

    async def _is_agreed(self) -> bool:
        active = await self.stored(self.nodes[0], "&status=Active")
        held = {(station.id, number) for station in self.stations for number in station.state.reservations}
        if active is None:
            return False
        known = {(body["stationId"], number) for number, body in active.items()}
        self.left = {"held": held - known, "active": known - held}
        return not any(self.left.values())

    async def _check_statuses(self) -> None:
        answer = await self.request(self.nodes[0], "GET", "/stations")
        assert answer is not None
        for shown in answer.json():
            connectors = {
                (evse["id"], one["id"]): (datetime.fromisoformat(one["since"]), one["status"])
                for evse in shown["evses"]
                for one in evse["connectors"]
            }
            self.memory.check_statuses(shown["id"], connectors)

    async def _check_database(self) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            rows = await connection.fetch("SELECT station_id, transaction_id, seen FROM transactions")
            seen = {(row["station_id"], row["transaction_id"]): json.loads(row["seen"]) for row in rows}
            for heard in self.memory.heard:
                for transaction_id, seq_no in heard.events:
                    ranges = seen.get((heard.station.id, transaction_id), [])
                    assert any(low <= seq_no <= high for low, high in ranges), (transaction_id, seq_no, ranges)
                    self.counts["acknowledged TransactionEvents, checked"] += 1
            doubles = await connection.fetch(
                "SELECT station_id, evse_id FROM reservations WHERE status = 'Active' AND evse_id IS NOT NULL"
                " GROUP BY 1, 2 HAVING count(*) > 1"
            )
            assert not doubles, doubles
            await self._until(lambda: self._is_told(connection), "an event was not told by every node")
        finally:
            await connection.close()
        for follower in self.followers:
            assert len(set(follower.ids)) == len(follower.ids), "an event was told twice"
            assert follower.gaps == 0

    async def _is_told(self, connection: asyncpg.Connection) -> bool:
        rows = await connection.fetch(
            "SELECT seq FROM outbox WHERE seq > 0 AND (name LIKE 'reservation.%' OR name LIKE 'station.%'"
            " OR name = 'connector.status')"
        )
        all_ = {row["seq"] for row in rows}
        self.counts["events"] = len(all_)
        return all(all_ <= set(follower.ids) for follower in self.followers)

    async def _until(self, look: Any, reproach: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not await look():
            if time.monotonic() > end:
                await self._tell_lives()
                raise AssertionError(
                    f"{reproach}: {self.left}\n" + "\n".join("\n".join(node.output[-15:]) for node in self.nodes)
                )
            await asyncio.sleep(PAUSE_S)

    async def _tell_lives(self) -> None:
        """The histories of what was found wanting."""
        left = self.left if isinstance(self.left, dict) else {}
        numbers = [number for number in left if isinstance(number, int)]
        numbers += [number for pairs in left.values() if isinstance(pairs, set) for _, number in pairs]
        for number in numbers[:3]:
            for path in ("", "/history"):
                answer = await self.request(self.nodes[0], "GET", f"/reservations/{number}{path}")
                print(answer.text if answer is not None else "unknown")

    def _print(self, title: str, *, settled_s: float) -> None:
        statuses = sum(one.told_statuses for one in self.memory.heard)
        events = sum(len(one.events) for one in self.memory.heard)
        parts = [f"{self.counts[name]} {name}" for name in ("reservations", "cancels", "requests answered", "events")]
        print(
            f"cluster: {title}: {', '.join(parts)}, {statuses} statuses, {events} TransactionEvents,"
            f" settled in {settled_s:.1f} s (seed {SEED})"
        )
