"""What several nodes cost, measured: ``.venv/bin/python tests/cluster/cluster_figures.py`` (figures for docs/scaling.md).

Three real nodes, PostgreSQL without fsync and nats-server of its own, all on this machine, with the load that makes it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "kills"), str(TESTS / "cluster")]

import websockets  # noqa: E402
from cluster_site import Node, Site  # noqa: E402
from websockets.typing import Subprotocol  # noqa: E402

from nats_server import running_nats  # noqa: E402
from postgres import running_postgres  # noqa: E402

BLOCKS, BLOCK = 6, 25
IDLE_S, BUSY_S = 10.0, 10.0
PAUSE_S = 0.005
TALKERS = 16
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(node: Node) -> float:
    """Seconds of CPU that the process has used."""
    assert node.process is not None
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def say(text: str) -> None:
    """A line, at once."""
    print(f"figures: {text}", flush=True)


class Talker:
    """A station that says what it is told to, and takes every reservation."""

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name
        self._answered = asyncio.Event()

    async def __aenter__(self) -> Talker:
        protocols = [Subprotocol("ocpp2.0.1")]
        self.socket = await websockets.connect(f"{self.node.stations}/{self.name}", subprotocols=protocols, proxy=None)
        self._reading = asyncio.create_task(self._read())
        await self.call("BootNotification", reason="PowerUp", chargingStation={"model": "M", "vendorName": "V"})
        await self.status("Available")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await self.socket.close()

    async def call(self, action: str, **payload: Any) -> None:
        """It was answered."""
        self._answered.clear()
        await self.socket.send(json.dumps([2, action, action, payload]))
        await self._answered.wait()

    async def status(self, status: str) -> None:
        """Of its one connector."""
        stamp = datetime.now(UTC).isoformat()
        await self.call("StatusNotification", timestamp=stamp, connectorStatus=status, evseId=1, connectorId=1)

    async def _read(self) -> None:
        async for raw in self.socket:
            kind, message_id, *rest = json.loads(raw)
            if kind != 2:
                self._answered.set()
            elif rest[0] in ("ReserveNow", "CancelReservation"):
                await self.socket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
            else:
                await self.socket.send(json.dumps([4, message_id, "NotSupported", "", {}]))


async def idle(site: Site) -> None:
    """CPU and statements of a node at which nothing happens."""
    log = site.postgres.home / "log"
    begun, lines, cpu = time.monotonic(), log.read_text().count("LOG:  "), [cpu_s(one) for one in site.nodes]
    await asyncio.sleep(IDLE_S)
    took = (time.monotonic() - begun) * len(site.nodes)
    statements = (log.read_text().count("LOG:  ") - lines) / took
    used = sum(cpu_s(one) - before for one, before in zip(site.nodes, cpu, strict=True)) / took
    say(f"idle: {statements:.1f} statements and {used * 1000:.1f} ms of CPU a node and second")


async def reserve(site: Site) -> None:
    """Through the node that has the socket, and through another one, in turns."""
    owner, other, _ = site.nodes
    took: defaultdict[str, list[float]] = defaultdict(list)
    used: defaultdict[tuple[str, str], float] = defaultdict(float)
    async with Talker(owner, "OWNED") as talker:
        await owner.until_online(talker.name)
        await other.until_online(talker.name)
        for block in range(2 * BLOCKS):
            way, asked = ("owner", owner) if block % 2 else ("foreign", other)
            before = [cpu_s(one) for one in site.nodes]
            for _ in range(BLOCK):
                began = time.monotonic()
                answer = await asked.reserve(talker.name, evseId=1)
                assert answer.status_code == 201, answer.text
                took[way].append(time.monotonic() - began)
                answer = await asked.request("DELETE", f"/reservations/{answer.json()['id']}")
                assert answer.status_code == 200, answer.text
            for name, one, was in zip(("owner", "other", "third"), site.nodes, before, strict=True):
                used[way, name] += cpu_s(one) - was
    for way in ("owner", "foreign"):
        ms = sorted(1000 * one for one in took[way])
        each = {name: 1000 * used[way, name] / (BLOCKS * BLOCK) for name in ("owner", "other", "third")}
        shown = ", ".join(f"{value:.1f} at the {name}" for name, value in each.items())
        say(
            f"reserve, {way}: median {statistics.median(ms):.1f}, p90 {ms[len(ms) * 9 // 10]:.1f} ms;"
            f" CPU ms a reserve and cancel: {shown}"
        )
    ratio = statistics.median(took["foreign"]) / statistics.median(took["owner"])
    say(f"reserve, foreign to owner: {ratio:.2f}")


async def events(site: Site) -> None:
    """Statuses as fast as so many stations at each node get them answered; how they come out of all streams."""
    async with AsyncExitStack() as stack:
        talkers = [
            await stack.enter_async_context(Talker(node, f"T{number}.{index}"))
            for index, node in enumerate(site.nodes)
            for number in range(TALKERS)
        ]
        before = [len(one.ids) for one in site.followers]
        cpu, began, said = [cpu_s(one) for one in site.nodes], time.monotonic(), 0

        async def talk(talker: Talker) -> None:
            nonlocal said
            while time.monotonic() - began < BUSY_S:
                for status in ("Occupied", "Available"):
                    await talker.status(status)
                    said += 1

        await asyncio.gather(*(talk(one) for one in talkers))
        while any(len(one.ids) - was < said for one, was in zip(site.followers, before, strict=True)):
            await asyncio.sleep(PAUSE_S)
        took = time.monotonic() - began
        each = [1000 * (cpu_s(one) - was) / said for one, was in zip(site.nodes, cpu, strict=True)]
    shown = ", ".join(f"{one:.2f}" for one in each)
    say(f"events: {said / took:.0f} a second from all, out of each of three streams; CPU ms an event at each: {shown}")


async def take_over(site: Site) -> None:
    """From the kill of a node until its stations count elsewhere, or are told offline."""
    first, second, third = site.nodes
    async with Talker(third, "LOST"), Talker(third, "MOVED"):
        for name in ("LOST", "MOVED"):
            await first.until_online(name)
        began = time.monotonic()
        await third.kill()
        async with Talker(first, "MOVED"):
            while (answer := await second.reserve("MOVED", evseId=1)).status_code != 201:
                await asyncio.sleep(PAUSE_S)
            moved = time.monotonic() - began
            assert answer.json()["status"] == "Active"
            await second.until_online("LOST", online=False)
            say(
                f"kill: a station that connects at once is reserved through a third node after {moved * 1000:.0f} ms,"
                f" one that does not come back is told offline after {time.monotonic() - began:.1f} s"
            )


async def main() -> None:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres, running_nats() as nats:
        for measures in ((idle,), (reserve, events, take_over)):
            site = Site(Path(folder), stations=0, servers=(postgres, nats))
            chatty = "on" if idle in measures else "off"
            if chatty == "on":
                postgres.execute("ALTER ROLE postgres SET log_min_messages = 'log'")
                postgres.execute("ALTER ROLE postgres SET log_statement = 'all'")
            else:
                postgres.execute("ALTER ROLE postgres RESET ALL")
            try:
                await site.start()
                for measure in measures:
                    await measure(site)
            finally:
                await site.close()


if __name__ == "__main__":
    asyncio.run(main())
