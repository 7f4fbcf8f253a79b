"""Growth: what a message and a reservation cost with more stations, and with more rows in the database."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.contenders import EVHOLD, GROUPED, Contender, serving
from bench.figures import Check, Fact, Flow, Result, median_of
from bench.filling import fill
from bench.load.orders import SendMessages
from bench.stage import Size, stage

Say = Callable[[str], None]
STATIONS: Final = (100, 1_000, 9_000)
MOST: Final = 1.3


def stations(size: Size, say: Say) -> Result:
    """The same message, of 100 stations, then of 1,000, then of as many as there is room for; and of a baseline."""
    ours, theirs = (_by_stations(one, size, say) for one in (EVHOLD, GROUPED))
    grown = Fact(
        work="growth", name=f"CPU a message of {GROUPED.name}, by stations", value=_times(theirs), unit="x as much"
    )
    return Result(flows=[*ours, *theirs], facts=[grown], checks=[_growth("CPU a message, by stations", ours)])


def _by_stations(contender: Contender, size: Size, say: Say) -> list[Flow]:
    flows: list[Flow] = []
    with stage(size, contender, say=say) as one:
        connected = 0
        for number in STATIONS:
            if number > size.idle_stations:
                break
            one.connect(number - connected, at_once=500)
            connected = number
            order = SendMessages(kind="StatusNotification", seconds=size.seconds)
            one.generator.do(order)
            work = f"StatusNotification, {number:,} stations"
            flows.append(median_of([one.measure(order, work=work) for _ in range(size.rounds)]))
    return flows


def rows(size: Size, say: Say) -> Result:
    """The same reservations and messages, in databases of more and more rows."""
    reserved: list[Flow] = []
    told: list[Flow] = []
    with tempfile.TemporaryDirectory(prefix="evhold-bench-") as name:
        path = Path(name) / "bench.db"
        with serving(EVHOLD, Path(name), database=f"sqlite:///{path}"):
            say("making the schema")
        for number in size.grown:
            say(f"filling in {number:,} reservations and as many history rows")
            fill(path, reservations=number, history=number)
            with stage(size, EVHOLD, say=say, database=f"sqlite:///{path}") as one:
                one.connect(size.stations)
                one.generator.do(one.reserve(size.warm_up_s))
                work = f"reserve, {number:,} before"
                flow = [one.measure(one.reserve(size.seconds), work=work, unit="reservation") for _ in range(2)]
                reserved.append(median_of(flow))
                order = SendMessages(kind="StatusNotification", seconds=size.seconds)
                # The next one begins at the same EVSEs.
                one.generator.do(one.cancel())
                told.append(one.measure(order, work=f"StatusNotification, {number:,} reservations"))
    checks = [_growth("CPU a reservation, by rows", reserved), _growth("CPU a message, by rows", told)]
    return Result(flows=[*reserved, *told], checks=checks)


def _growth(measure: str, flows: list[Flow]) -> Check:
    return Check(work="growth", measure=measure, value=_times(flows), unit="x", goal=MOST)


def _times(flows: list[Flow]) -> float:
    """How many times what the first took is what the last took."""
    return flows[-1].server_us / flows[0].server_us


WORKLOADS: Final = {"growth-stations": stations, "growth-rows": rows}
