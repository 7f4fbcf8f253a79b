"""From the command to ready, warm: on an empty database, and on one with many reservations; and how messages fare there."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.contenders import EVHOLD, serving
from bench.figures import Check, Result
from bench.filling import fill
from bench.stage import Size

KEPT: Final = 100_000

Say = Callable[[str], None]


def starting(size: Size, say: Say) -> Result:
    """The median of warm starts: the files of the program are in memory, the schema is there."""
    checks = [
        Check(work="start to ready", measure="empty database", value=_median_s(size, say, 0), unit="s", goal=1.5),
        Check(
            work="start to ready",
            measure=f"{KEPT:,} reservations",
            value=_median_s(size, say, KEPT),
            unit="s",
            goal=2.5,
        ),
    ]
    return Result(checks=checks)


def _median_s(size: Size, say: Say, reservations: int) -> float:
    taken: list[float] = []
    with tempfile.TemporaryDirectory(prefix="evhold-bench-") as name:
        folder = Path(name)
        database = f"sqlite:///{folder / 'bench.db'}"
        with serving(EVHOLD, folder, database=database):
            say("making the schema")
        if reservations:
            say(f"filling in {reservations:,} reservations")
            fill(folder / "bench.db", reservations=reservations, history=reservations)
        for number in range(size.starts):
            say(f"start {number + 1} of {size.starts}")
            begun = time.perf_counter()
            with serving(EVHOLD, folder, database=database):
                taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


WORKLOADS: Final = {"start": starting}
