"""Messages of 200 stations, each sent when the last is answered; evhold and its baselines in turns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.api import add_token
from bench.contenders import BARE, EVHOLD, EVHOLD_PG, GROUPED, GROUPED_PG, USUAL, Contender
from bench.figures import Check, Flow, Result
from bench.load.orders import MessageKind, SendMessages
from bench.stage import Size, Stage, alternate, stages

Say = Callable[[str], None]
#: Against whom, and how many times its CPU at most; negative: at least so many times less.
Goals = Mapping[Contender, float]


def heartbeat(size: Size, say: Say) -> Result:
    """Nothing is stored, so this is what a message costs at least."""
    return _run("Heartbeat", "Heartbeat", {BARE: 1.5}, size=size, say=say)


def status_notification(size: Size, say: Say) -> Result:
    """A status changes: on the disk with its event before it is answered."""
    return _run("StatusNotification", "StatusNotification, durable", {GROUPED: 1.7, USUAL: -40}, size=size, say=say)


def status_notification_pg(size: Size, say: Say) -> Result:
    """The same on PostgreSQL, its own CPU counted on both sides."""
    work = "StatusNotification, durable, PostgreSQL"
    return _run("StatusNotification", work, {GROUPED_PG: 2.0}, size=size, say=say, ours=EVHOLD_PG)


def repeated(size: Size, say: Say) -> Result:
    """The status that is known already."""
    return _run("StatusRepeated", "StatusNotification, repeated", {BARE: 1.7}, size=size, say=say)


def transaction_event(size: Size, say: Say) -> Result:
    """Updated with six sampled values: the transaction's row is on the disk before it is answered."""
    goals = {GROUPED: 2.0, USUAL: -50}
    return _run("TransactionEvent", "TransactionEvent Updated, durable", goals, size=size, say=say)


def authorize(size: Size, say: Say) -> Result:
    """A token that is known."""
    return _run("Authorize", "Authorize, known token", {BARE: 2.5}, size=size, say=say)


WORKLOADS: Final = {
    "heartbeat": heartbeat,
    "status-notification": status_notification,
    "status-notification-postgresql": status_notification_pg,
    "status-repeated": repeated,
    "transaction-event": transaction_event,
    "authorize": authorize,
}


def _run(kind: MessageKind, work: str, goals: Goals, *, size: Size, say: Say, ours: Contender = EVHOLD) -> Result:
    with stages(size, [ours, *goals], say=say) as played:
        _prepare(played)
        flows = alternate(played, lambda _, seconds: SendMessages(kind=kind, seconds=seconds), work=work)
    checks = [_check(work, flows[ours], flows[other], limit=limit) for other, limit in goals.items()]
    return Result(flows=list(flows.values()), checks=checks)


def _prepare(played: Sequence[Stage]) -> None:
    for one in played:
        if one.contender in (EVHOLD, EVHOLD_PG):
            add_token(one.server.api)
        one.connect(one.size.stations)


def _check(work: str, ours: Flow, other: Flow, *, limit: float) -> Check:
    if limit < 0:
        less = other.server_us / ours.server_us
        return Check(
            work=work, measure=f"less CPU than {other.contender}", value=less, unit="x", goal=-limit, at_least=True
        )
    ratio = ours.server_us / other.server_us
    return Check(work=work, measure=f"CPU of {other.contender}", value=ratio, unit="x", goal=limit)
