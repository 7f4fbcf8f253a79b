"""The live page: many viewers of all events, while stations report so many changes a second, answered or not."""

from collections.abc import Callable
from typing import Final

from bench.contenders import EVHOLD
from bench.figures import Check, Fact, Flow, Result, median_of
from bench.load.orders import Pace, Unwatch, Watch
from bench.server import ADMIN_KEY
from bench.stage import Size, Stage, stage

VIEWERS: Final = 50
RATE: Final = 1_000.0
#: A stretch is so many times as long as others: what is measured is a small share of a core.
LONGER: Final = 5

Say = Callable[[str], None]


def live(size: Size, say: Say) -> Result:
    """The same changes without viewers and with them, in turns; the lag is from the station's stamp to the viewer."""
    without: list[Flow] = []
    watched: list[Flow] = []
    with stage(size, EVHOLD, say=say) as one:
        one.connect(size.stations)
        one.generator.do(_changes(size.warm_up_s))
        for number in range(size.rounds):
            say(f"measuring without viewers, round {number + 1} of {size.rounds}")
            without.append(_measure(one, "no viewers"))
            say(f"measuring with {VIEWERS} viewers, round {number + 1} of {size.rounds}")
            one.generator.do(Watch(api=one.server.api, key=ADMIN_KEY, viewers=VIEWERS))
            one.generator.do(_changes(size.warm_up_s))
            watched.append(_measure(one, f"{VIEWERS} viewers"))
            one.generator.do(Unwatch())
    return _result(median_of(without), median_of(watched), longest_ms=max(one.max_ms for one in watched))


def _result(without: Flow, watched: Flow, *, longest_ms: float) -> Result:
    in_all = watched.server_us * RATE / 1e6
    above = in_all - without.server_us * RATE / 1e6
    work = watched.work
    facts = [
        Fact(work=work, name="cores in all", value=in_all, unit=""),
        Fact(work=work, name="CPU for an event told to one viewer", value=above / VIEWERS / RATE * 1e6, unit="us"),
        Fact(work=work, name="lag of viewers, p50", value=watched.p50_ms, unit="ms"),
        Fact(work=work, name="lag of viewers, p99", value=watched.p99_ms, unit="ms"),
    ]
    checks = [
        Check(work=work, measure="cores above no viewers", value=above, unit="", goal=0.2),
        Check(work=work, measure="longest lag of a viewer", value=longest_ms / 1000, unit="s", goal=1.0),
    ]
    return Result(flows=[without, watched], facts=facts, checks=checks)


def _measure(played: Stage, work: str) -> Flow:
    return played.measure(_changes(played.size.seconds * LONGER), work=f"{RATE:,.0f} changes/s, {work}")


def _changes(seconds: float) -> Pace:
    return Pace(kind="StatusNotification", rate=RATE, seconds=seconds)


WORKLOADS: Final = {"live": live}
