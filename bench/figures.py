"""What is measured: the results of the workloads, the disk, and the machine that they were measured on."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil  # type: ignore[import-untyped]  # ships no types

FSYNCS: Final = 50


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Many of one thing, one after the other, at one contender.

    Attributes:
        contender: Whose server it is.
        unit: What is counted.
        server_us: CPU time for one, of all the server's processes and its database server's.
        database_us: The part of the database server.
        server_load, generator_load: CPU time a second of each; 1 is one core.
        other_load: The same of all else on the machine; well above 0, and the figures are those of a shared machine.
        fsync_ms: Median of the disk, just before.
        rounds: How many stretches these are the medians of; ``lowest_us`` and ``highest_us`` are ``server_us`` of the outermost.
    """

    work: str
    contender: str
    unit: str
    count: int
    seconds: float
    server_us: float
    database_us: float
    server_load: float
    generator_load: float
    other_load: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    fsync_ms: float
    rounds: int = 1
    lowest_us: float = 0.0
    highest_us: float = 0.0

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Anything else that was measured, such as memory: a name, a number and its unit."""

    work: str
    name: str
    value: float
    unit: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A figure against its goal. Nothing fails by it."""

    work: str
    measure: str
    value: float
    unit: str
    goal: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a workload came to."""

    flows: Sequence[Flow] = ()
    facts: Sequence[Fact] = ()
    checks: Sequence[Check] = ()


_MEDIANS: Final = tuple(
    name
    for name in Flow.__struct_fields__
    if name not in ("work", "contender", "unit", "rounds", "lowest_us", "highest_us")
)


def median_of(rounds: Sequence[Flow]) -> Flow:
    """One of the medians of all."""
    each = sorted(one.server_us for one in rounds)
    medians = {name: statistics.median(getattr(one, name) for one in rounds) for name in _MEDIANS}
    medians["count"] = int(medians["count"])
    return msgspec.structs.replace(rounds[0], **medians, rounds=len(rounds), lowest_us=each[0], highest_us=each[-1])


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cores: int
    processor: str
    python: str
    system: str
    memory_bytes: int


def machine() -> Machine:
    """This machine."""
    return Machine(
        cores=os.cpu_count() or 1,
        processor=_processor(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()}",
        memory_bytes=psutil.virtual_memory().total,
    )


def fsync_ms(folder: Path) -> float:
    """The median of appending 4 KiB and waiting until it is on the disk, in milliseconds."""
    page = os.urandom(4096)
    taken: list[float] = []
    with (folder / "fsync.tmp").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            begun = time.perf_counter()
            file.write(page)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begun)
    (folder / "fsync.tmp").unlink()
    return statistics.median(taken) * 1000


def busy_s() -> float:
    """The CPU time that all processes of the machine used up so far."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    # What guests use is counted in user and nice already.
    counted_twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - counted_twice)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
