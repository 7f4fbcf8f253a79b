"""`python -m bench.soak`: many stations for many minutes, coming and going, some faulty, and peers that mean harm.

Prints a line an interval and a verdict: whether memory and latency stayed flat, and whether anything of ours failed.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

import uvloop

from bench.load.clocking import percentile
from bench.load.reserving import bodies
from bench.load.rest import RestConnection, RestFailed
from bench.server import ADMIN_KEY, Server, evhold_command
from bench.soak.bad_peers import ATTACKS, attack
from bench.soak.station import Fault, Station, Tally

MIB = 1024 * 1024
#: Of all stations: how many are faulty in each way.
FAULTY = 0.01
CONNECTING_AT_ONCE = 40
#: Memory and latency of the last third may be so much above those of the middle third, and a little besides.
FLAT, SLACK_MIB, SLACK_MS = 1.10, 8.0, 20.0


@dataclass(frozen=True, slots=True)
class Size:
    """Of one soak: ``every_s`` is between two messages of a station; ``churn`` of the stations come anew in a minute."""

    stations: int
    seconds: float
    interval_s: float
    every_s: float
    churn: float
    reservations_a_second: float


@dataclass(slots=True)
class Interval:
    """What one interval came to."""

    at_s: int
    connected: int
    rss_mib: float
    server_cpu: float
    answered: int
    unanswered: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    reserved: int
    reserve_p99_ms: float
    lost: int
    refused: int


@dataclass(slots=True)
class Soak:
    """A running soak."""

    size: Size
    server: Server
    tally: Tally = field(default_factory=Tally)
    stations: dict[str, Station] = field(default_factory=dict)
    reserved: list[int] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)
    intervals: list[Interval] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        """Where stations connect."""
        host, port = self.server.stations.removeprefix("ws://").removesuffix("/ocpp").split(":")
        return host, int(port)

    async def run(self) -> None:
        """All of it, to its end."""
        names = [f"SOAK{number:05d}" for number in range(self.size.stations)]
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        begun = time.monotonic()
        await asyncio.gather(*(self._connect(name, gate) for name in names))
        print(f"soak: {len(self.stations)} stations after {time.monotonic() - begun:.1f} s", flush=True)
        host, port = self.address
        tasks = [
            asyncio.create_task(self._talk(names)),
            asyncio.create_task(self._churn(names, gate)),
            asyncio.create_task(self._reserve(names)),
            *(asyncio.create_task(attack(name, host=host, port=port, done=self.attacks)) for name in ATTACKS),
        ]
        try:
            await self._watch(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for station in self.stations.values():
                station.leave()

    async def _watch(self, tasks: list[asyncio.Task[None]]) -> None:
        begun, cpu = time.monotonic(), self.server.usage().cpu_s
        while (at := time.monotonic() - begun) < self.size.seconds:
            await asyncio.sleep(min(self.size.interval_s, self.size.seconds - at))
            for task in tasks:
                if task.done():
                    task.result()
            used, tally = self.server.usage(), self.tally
            ordered, reserved = sorted(tally.latencies), sorted(self.reserved)
            self.intervals.append(
                Interval(
                    at_s=round(time.monotonic() - begun),
                    connected=sum(one.is_open for one in self.stations.values()),
                    rss_mib=round(used.rss_bytes / MIB, 1),
                    server_cpu=round((used.cpu_s - cpu) / self.size.interval_s, 2),
                    answered=tally.answered,
                    unanswered=tally.unanswered,
                    p50_ms=round(percentile(ordered, 0.5), 2) if ordered else 0.0,
                    p99_ms=round(percentile(ordered, 0.99), 2) if ordered else 0.0,
                    max_ms=round(ordered[-1] / 1e6, 1) if ordered else 0.0,
                    reserved=len(reserved),
                    reserve_p99_ms=round(percentile(reserved, 0.99), 2) if reserved else 0.0,
                    lost=tally.lost,
                    refused=tally.refused,
                )
            )
            cpu = used.cpu_s
            self.tally.__init__()  # type: ignore[misc]  # emptied in place: the stations hold it
            self.reserved.clear()
            print(f"soak: {json.dumps(asdict(self.intervals[-1]))}", flush=True)

    async def _connect(self, name: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            old = self.stations.get(name)
            fault = old.fault if old is not None else _fault()
            station = Station(name, fault=fault, tally=self.tally)
            if await station.connect(*self.address):
                self.stations[name] = station

    async def _talk(self, names: list[str]) -> None:
        """Every station says something now and then, one after the other all the time."""
        step = 0.02
        share = step / self.size.every_s * len(names)
        due, position = 0.0, 0
        while True:
            due += share
            while due >= 1:
                station = self.stations.get(names[position % len(names)])
                if station is not None:
                    station.talk()
                position, due = position + 1, due - 1
            await asyncio.sleep(step)

    async def _churn(self, names: list[str], gate: asyncio.Semaphore) -> None:
        """Stations go, politely or not, and come again; a few connect anew without going."""
        rng, pending = random.Random(1), set[asyncio.Task[None]]()
        pause = 60 / max(1.0, self.size.churn * len(names))
        while True:
            name = rng.choice(names)
            station = self.stations.get(name)
            if station is not None and rng.random() < 0.9:
                station.leave(politely=rng.random() < 0.5)
            task = asyncio.create_task(self._connect(name, gate))
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(pause)

    async def _reserve(self, names: list[str]) -> None:
        head = f"POST /api/v1/reservations HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {ADMIN_KEY}\r\n".encode()
        head += b"Content-Type: application/json\r\n"
        requests = bodies(names)
        connections = [await RestConnection.open(self.server.api) for _ in range(4)]

        async def caller(connection: RestConnection) -> None:
            for _ in count():
                begun = time.perf_counter_ns()
                try:
                    status, _ = await connection.send(head, next(requests))
                except RestFailed:
                    connection = await RestConnection.open(self.server.api)
                    continue
                self.statuses[status] += 1
                if status == 201:
                    self.reserved.append(time.perf_counter_ns() - begun)
                await asyncio.sleep(len(connections) / self.size.reservations_a_second)

        await asyncio.gather(*(caller(one) for one in connections))


def _fault() -> Fault:
    chance = random.random()
    faulty = [one for one in Fault if one is not Fault.NONE]
    return faulty[int(chance / FAULTY)] if chance < FAULTY * len(faulty) else Fault.NONE


def verdict(soak: Soak, log: str) -> list[str]:
    """What was not as it has to be; nothing is good."""
    wrong = []
    third = len(soak.intervals) // 3
    if third:
        middle, last = soak.intervals[third : 2 * third], soak.intervals[-third:]
        rss = median(one.rss_mib for one in middle), median(one.rss_mib for one in last)
        p99 = median(one.p99_ms for one in middle), median(one.p99_ms for one in last)
        print(
            f"soak: memory {rss[0]:.1f} -> {rss[1]:.1f} MiB, p99 {p99[0]:.2f} -> {p99[1]:.2f} ms (middle and last third)"
        )
        if rss[1] > rss[0] * FLAT + SLACK_MIB:
            wrong.append("memory grows")
        if p99[1] > p99[0] * 2 + SLACK_MS:
            wrong.append("latency grows")
    faults = re.findall(r"^.*(?:Traceback|\[error|level=error|\"level\": ?\"error\").*$", log, re.MULTILINE)
    if faults:
        wrong.append(f"{len(faults)} faults of ours in the log, the first: {faults[0]}")
    if soak.statuses.keys() - {201, 202, 409, 502, 503, 504}:
        wrong.append(f"answers of the API: {dict(soak.statuses)}")
    return wrong


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--stations", type=int, default=5_000)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between two lines")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two messages of a station")
    parser.add_argument("--churn", type=float, default=0.05, help="share of the stations that come anew in a minute")
    parser.add_argument("--reservations", type=float, default=5.0, help="a second")
    given = parser.parse_args()
    size = Size(given.stations, given.minutes * 60, given.interval, given.every, given.churn, given.reservations)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="evhold-soak-") as name:
        folder = Path(name)
        # The limits are those of everybody; what grows to a bound of its own is small, so that it is full early.
        command = [*evhold_command(folder), "--messages-per-second", "200", "--frame-log", "4", "--call-timeout", "5"]
        server = Server(command, folder=folder)
        soak = Soak(size, server)
        try:
            uvloop.run(soak.run())
        except BaseException:
            server.kill()
            raise
        server.stop()
        wrong = verdict(soak, (folder / "server.log").read_text(errors="replace"))
    print(f"soak: attacks {dict(soak.attacks)}, answers of the API {dict(soak.statuses)}")
    for one in wrong:
        print(f"soak: FAILED: {one}")
    print("soak: " + ("failed" if wrong else "memory and latency flat, no fault of ours"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
