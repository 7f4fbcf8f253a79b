"""From the command to ready, warm: on an empty database, and on one with many reservations; and how messages fare there."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.contenders import EVHOLD, serving
from bench.figures import Check, Fact, Result
from bench.filling import fill
from bench.stage import Size

KEPT: Final = 100_000

Say = Callable[[str], None]


def starting(size: Size, say: Say) -> Result:
    """The median of warm starts: the files of the program are in memory, the schema is there."""
    facts: list[Fact] = []
    checks: list[Check] = []
    for name, reservations, goal_s in (("empty database", 0, 1.5), (f"{KEPT:,} reservations", KEPT, 2.5)):
        taken_s, cpu_s = _medians_s(size, say, reservations)
        facts.append(Fact(work="start to ready", name=f"CPU, {name}", value=cpu_s, unit="s"))
        checks.append(Check(work="start to ready", measure=name, value=taken_s, unit="s", goal=goal_s))
    return Result(facts=facts, checks=checks)


def _medians_s(size: Size, say: Say, reservations: int) -> tuple[float, float]:
    """Of what it took, and of the CPU."""
    taken: list[float] = []
    used: list[float] = []
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
            with serving(EVHOLD, folder, database=database) as server:
                taken.append(time.perf_counter() - begun)
                used.append(server.usage().cpu_s)
    return statistics.median(taken), statistics.median(used)


WORKLOADS: Final = {"start": starting}
