"""Where a workload plays: servers of all contenders, a load process each, and the accounting around what is measured."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contenders import Contender, serving
from bench.figures import Flow, busy_s, fsync_ms, median_of
from bench.generator import Generator
from bench.load.orders import Cancel, Connect, Pace, Reserve, ReserveOpen, SendMessages
from bench.server import ADMIN_KEY, Server

#: What follows an answer (events told, for one) is counted too.
AFTERWARDS_S: Final = 0.3
Measured = SendMessages | Pace | Reserve | ReserveOpen | Cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    stations: int = 200
    warm_up_s: float = 1.0
    seconds: float = 2.0
    rounds: int = 3
    at_once: int = 16
    idle_stations: int = 9_500
    grown: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    starts: int = 5


FULL: Final = Size()
QUICK: Final = Size(
    stations=100, warm_up_s=0.5, seconds=1.0, rounds=1, idle_stations=1_000, grown=(1_000, 20_000), starts=2
)
HUGE: Final = Size(grown=(1_000, 100_000, 1_000_000, 10_000_000))


@dataclass(frozen=True, slots=True)
class Stage:
    """A server and a load process, both just started; ``say`` tells how far it is."""

    contender: Contender
    server: Server
    generator: Generator
    folder: Path
    size: Size
    say: Callable[[str], None]

    def connect(self, count: int, *, connectors: int = 1, at_once: int = 50) -> float:
        """So many more stations are connected, booted and quiet; return the longest wait of one, in seconds."""
        self.say(f"connecting {count} stations to {self.contender.name}")
        order = Connect(url=self.server.stations, count=count, connectors=connectors, at_once=at_once)
        return self.generator.do(order).max_ms / 1000

    def measure(self, order: Measured, *, work: str, unit: str = "message") -> Flow:
        """What the order's messages or reservations cost."""
        disk_ms = fsync_ms(self.folder)
        before = self._used()
        done = self.generator.do(order)
        time.sleep(AFTERWARDS_S)
        server, database, generator, machine = (
            after - earlier for after, earlier in zip(self._used(), before, strict=True)
        )
        return Flow(
            work=work,
            contender=self.contender.name,
            unit=unit,
            count=done.count,
            seconds=done.seconds,
            server_us=(server + database) / done.count * 1e6,
            database_us=database / done.count * 1e6,
            server_load=(server + database) / done.seconds,
            generator_load=max(0.0, generator - done.idle_s) / done.seconds,
            other_load=max(0.0, machine - server - database - generator) / done.seconds,
            p50_ms=done.p50_ms,
            p99_ms=done.p99_ms,
            max_ms=done.max_ms,
            fsync_ms=disk_ms,
        )

    def reserve(self, seconds: float) -> Reserve:
        """The order to reserve for so long."""
        return Reserve(api=self.server.api, key=ADMIN_KEY, at_once=self.size.at_once, seconds=seconds)

    def cancel(self) -> Cancel:
        """The order to cancel what was made."""
        return Cancel(api=self.server.api, key=ADMIN_KEY, at_once=self.size.at_once)

    def _used(self) -> tuple[float, float, float, float]:
        """CPU seconds of the server, its database server, the load process, and the whole machine."""
        used = self.server.usage()
        return used.cpu_s, used.database_s, self.generator.cpu_s(), busy_s()


@contextmanager
def stage(
    size: Size, contender: Contender, *, say: Callable[[str], None], database: str | None = None
) -> Iterator[Stage]:
    """A stage that is taken down at the end.

    Raises:
        ServerFailed: The server did not start, or ended badly.
        NoPostgres: It needs one, and there is none.
    """
    with tempfile.TemporaryDirectory(prefix="evhold-bench-") as name:
        folder = Path(name)
        say(f"starting {contender.name}")
        with serving(contender, folder, database=database) as server:
            generator = Generator()
            try:
                yield Stage(contender, server, generator, folder, size, say)
            finally:
                generator.close()


@contextmanager
def stages(size: Size, contenders: Sequence[Contender], *, say: Callable[[str], None]) -> Iterator[list[Stage]]:
    """A stage for each; they stand side by side, and one is measured at a time."""
    with ExitStack() as stack:
        yield [stack.enter_context(stage(size, one, say=say)) for one in contenders]


def alternate(
    played: Sequence[Stage], order: Callable[[Stage, float], Measured], *, work: str, unit: str = "message"
) -> Mapping[Contender, Flow]:
    """The order at each in turn, so many rounds, after one for a warm-up; the medians."""
    size = played[0].size
    for one in played:
        one.say(f"warming up {one.contender.name}")
        one.generator.do(order(one, size.warm_up_s))
    rounds: dict[Contender, list[Flow]] = {one.contender: [] for one in played}
    for number in range(size.rounds):
        for one in played:
            one.say(f"measuring {one.contender.name}, round {number + 1} of {size.rounds}")
            rounds[one.contender].append(one.measure(order(one, size.seconds), work=work, unit=unit))
    return {contender: median_of(flows) for contender, flows in rounds.items()}
