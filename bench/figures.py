"""What is measured: the results of the workloads, the disk, and the machine that they were measured on."""

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Final

import msgspec
import psutil  # type: ignore[import-untyped]  # ships no types

FSYNCS: Final = 50


class Flow(msgspec.Struct, tag="flow", frozen=True, kw_only=True):
    """Many of one thing, one after the other.

    Attributes:
        unit: What is counted.
        server_us: The server's CPU time for one.
        server_load, generator_load: CPU time a second of each; 1 is one core.
        other_load: The same of all else on the machine; well above 0, and the figures are those of a shared machine.
        fsync_ms: Median of the disk, just before.
    """

    name: str
    work: str
    unit: str
    count: int
    seconds: float
    server_us: float
    server_load: float
    generator_load: float
    other_load: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    fsync_ms: float

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds


class Memory(msgspec.Struct, tag="memory", frozen=True, kw_only=True):
    """Resident memory of the server without and with so many stations.

    Attributes:
        server_ms: The server's CPU time to let one in: handshake, boot, first status, its variables read.
        connect_ms: Until the last was in, divided by their number.
    """

    name: str
    work: str
    stations: int
    idle_bytes: int
    full_bytes: int
    server_ms: float
    connect_ms: float

    @property
    def bytes_each(self) -> float:
        """What one station costs."""
        return (self.full_bytes - self.idle_bytes) / self.stations


Result = Flow | Memory


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
