"""Where a workload plays: a fresh server, a fresh load process, and the accounting around what is measured."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Flow, busy_s, fsync_ms
from bench.generator import Generator
from bench.load.orders import Connect, Reserve, SendMessages
from bench.server import Server, evhold_command

#: What follows an answer (events told, for one) is counted too.
AFTERWARDS_S: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured, and on which database: None is a fresh SQLite file for each workload."""

    stations: int = 200
    warm_up_s: float = 2.0
    seconds: float = 8.0
    at_once: int = 16
    idle_stations: int = 1000
    database: str | None = None


FULL: Final = Size()
QUICK: Final = Size(stations=100, warm_up_s=0.5, seconds=2.0, idle_stations=200)


@dataclass(frozen=True, slots=True)
class Stage:
    """A server and a load process, both just started; ``say`` tells how far it is."""

    server: Server
    generator: Generator
    folder: Path
    size: Size
    say: Callable[[str], None]

    def connect(self, count: int) -> float:
        """So many more stations are connected, booted and quiet; return the seconds that it took."""
        self.say(f"connecting {count} stations")
        return self.generator.do(Connect(url=self.server.stations, count=count)).seconds

    def flow(self, order: Callable[[float], SendMessages | Reserve], *, name: str, work: str, unit: str) -> Flow:
        """What the order's messages or reservations cost, after the same order for a warm-up.

        Args:
            order: Makes the order for so many seconds.
            name: Of the workload.
            work: What is done, in a few words.
            unit: What is counted.
        """
        self.say(f"warming up, {self.size.warm_up_s:g} s")
        self.generator.do(order(self.size.warm_up_s))
        disk_ms = fsync_ms(self.folder)
        self.say(f"measuring, {self.size.seconds:g} s")
        before = self._used()
        done = self.generator.do(order(self.size.seconds))
        time.sleep(AFTERWARDS_S)
        server, generator, machine = (after - earlier for after, earlier in zip(self._used(), before, strict=True))
        return Flow(
            name=name,
            work=work,
            unit=unit,
            count=done.count,
            seconds=done.seconds,
            server_us=server / done.count * 1e6,
            server_load=server / done.seconds,
            generator_load=generator / done.seconds,
            other_load=max(0.0, machine - server - generator) / done.seconds,
            p50_ms=done.p50_ms,
            p99_ms=done.p99_ms,
            max_ms=done.max_ms,
            fsync_ms=disk_ms,
        )

    def _used(self) -> tuple[float, float, float]:
        """CPU seconds of the server, the load process, and the whole machine."""
        return self.server.usage().cpu_s, self.generator.cpu_s(), busy_s()


@contextmanager
def stage(size: Size, *, say: Callable[[str], None]) -> Iterator[Stage]:
    """A stage that is taken down at the end.

    Raises:
        ServerFailed: The server did not start, or ended badly.
    """
    with tempfile.TemporaryDirectory(prefix="evhold-bench-") as name:
        folder = Path(name)
        say("starting the server")
        server = Server(evhold_command(folder, database=size.database), folder=folder)
        try:
            generator = Generator()
            try:
                yield Stage(server, generator, folder, size, say)
            finally:
                generator.close()
        except BaseException:
            server.kill()
            raise
        server.stop()
