"""Reserve: POST -> ReserveNow -> Accepted -> Active -> 201. Cancel: DELETE -> CancelReservation -> Accepted -> 200."""

from collections.abc import Callable, Sequence
from typing import Final

from bench.contenders import EVHOLD, EVHOLD_PG, USUAL, Contender
from bench.figures import Check, Flow, Result, median_of
from bench.load.orders import ReserveOpen
from bench.server import ADMIN_KEY
from bench.stage import Size, Stage, stages

Say = Callable[[str], None]
OPEN_RATE: Final = 200.0


def reserve(size: Size, say: Say) -> Result:
    """So many clients reserve one EVSE after the other, then cancel all; the stations accept at once."""
    with stages(size, [EVHOLD, EVHOLD_PG, USUAL], say=say) as played:
        for one in played:
            one.connect(size.stations)
        reserved, canceled = _alternate(played)
    checks = [*_checks("reserve", reserved), *_checks("cancel", canceled)]
    return Result(flows=[*reserved.values(), *canceled.values()], checks=checks)


def reserve_open(size: Size, say: Say) -> Result:
    """So many a second, whether the ones before are answered or not."""
    with stages(size, [EVHOLD], say=say) as (one,):
        one.connect(size.stations)
        one.say("warming up")
        one.generator.do(_open(one, size.warm_up_s))
        one.say(f"measuring, {OPEN_RATE:g} a second")
        work = f"reserve, {OPEN_RATE:g}/s"
        flow = median_of(
            [one.measure(_open(one, size.seconds * 2), work=work, unit="reservation") for _ in range(size.rounds)]
        )
    p50_goal = 6 + 2 * flow.fsync_ms
    checks = [
        Check(work=work, measure="p50 (6 ms + 2 fsync)", value=flow.p50_ms, unit="ms", goal=p50_goal),
        Check(work=work, measure="p99 (3 times p50)", value=flow.p99_ms, unit="ms", goal=3 * flow.p50_ms),
    ]
    return Result(flows=[flow], checks=checks)


WORKLOADS: Final = {"reserve": reserve, "reserve-open": reserve_open}


def _open(stage: Stage, seconds: float) -> ReserveOpen:
    return ReserveOpen(api=stage.server.api, key=ADMIN_KEY, rate=OPEN_RATE, seconds=seconds)


def _alternate(played: Sequence[Stage]) -> tuple[dict[Contender, Flow], dict[Contender, Flow]]:
    size = played[0].size
    reserved: dict[Contender, list[Flow]] = {one.contender: [] for one in played}
    canceled: dict[Contender, list[Flow]] = {one.contender: [] for one in played}
    for one in played:
        one.say(f"warming up {one.contender.name}")
        one.generator.do(one.reserve(size.warm_up_s))
        one.generator.do(one.cancel())
    for number in range(size.rounds):
        for one in played:
            one.say(f"measuring {one.contender.name}, round {number + 1} of {size.rounds}")
            work = f"{size.at_once} at a time"
            name = one.contender
            reserved[name].append(one.measure(one.reserve(size.seconds), work=f"reserve, {work}", unit="reservation"))
            canceled[name].append(one.measure(one.cancel(), work=f"cancel, {work}", unit="reservation"))
    return (
        {name: median_of(flows) for name, flows in reserved.items()},
        {name: median_of(flows) for name, flows in canceled.items()},
    )


def _checks(work: str, flows: dict[Contender, Flow]) -> list[Check]:
    ours, on_pg, usual = flows[EVHOLD], flows[EVHOLD_PG], flows[USUAL]
    return [
        Check(work=work, measure="CPU", value=ours.server_us / 1000, unit="ms", goal=1.2),
        Check(work=work, measure="CPU with PostgreSQL's", value=on_pg.server_us / 1000, unit="ms", goal=2.2),
        Check(work=work, measure="p50", value=ours.p50_ms, unit="ms", goal=20),
        Check(
            work=work,
            measure=f"less CPU than {usual.contender}",
            value=usual.server_us / ours.server_us,
            unit="x",
            goal=5,
            at_least=True,
        ),
    ]
