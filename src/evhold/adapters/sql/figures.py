"""Reservations counted by the database (periods.Figures): a period is found by the index on their making."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, or_, select, type_coerce

from evhold.adapters.sql.asks import ANSWERED
from evhold.adapters.sql.tables import asks, reservations
from evhold.adapters.sql.types import Duration, UtcDateTime
from evhold.domain.figures import Tally
from evhold.domain.reservation import LIVE, State
from evhold.domain.values import AskKind, StationId
from evhold.usecases.periods import Period

r, a = reservations.c, asks.c
_FIRST_ASK: Final = and_(a.reservation_id == r.reservation_id, a.kind == AskKind.RESERVE.value, a.outcome == ANSWERED)
_ANSWERED: Final = reservations.outerjoin(asks, _FIRST_ASK)
_LIVE: Final = [state.value for state in LIVE]
_TAKEN: Final = [State.ACTIVE.value, State.USED.value]
#: Row 4: it may have been accepted while a cancel was in doubt. Within a text of the JSON the quotes would be escaped.
_ACCEPTED: Final = case(
    (
        or_(
            r.status.in_(_TAKEN),
            r.ocpp_status == "Accepted",
            r.more.contains('"accepted_kept":true', autoescape=True),
        ),
        1,
    ),
    else_=0,
)
_ANSWER: Final = type_coerce(a.closed_at - a.sent_at, Duration())


class FigureStore:
    """periods.Figures."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, period: Period, *, now: datetime) -> Tally:
        """Without the median."""
        # Grouped by names: for a database every parameter of an expression may be another one.
        one = _lives(period, now=now).subquery()
        held = type_coerce(func.sum(one.c.held), Duration())
        wanted = select(one.c.status, one.c.accepted, func.count(), func.count(one.c.answered_at), held)
        wanted = wanted.group_by(one.c.status, one.c.accepted)
        tally = Tally()
        for status, accepted, count, answers, held_for in self._connection.execute(wanted):
            tally.add(State(status), accepted=bool(accepted), count=count, held=held_for)
            tally.answers += answers
        return tally

    def median_answer(self, period: Period, *, answers: int) -> timedelta | None:
        """The one in the middle, or what lies between the two there."""
        if not answers:
            return None
        wanted = select(_ANSWER).select_from(_ANSWERED).where(*_in(period), a.closed_at.is_not(None))
        wanted = wanted.order_by(_ANSWER).offset((answers - 1) // 2).limit(2 - answers % 2)
        middle: list[timedelta] = list(self._connection.scalars(wanted))
        return sum(middle, timedelta()) / len(middle) if middle else None

    def live(self, station_id: StationId | None) -> tuple[int, int]:
        """Active, and Unconfirmed."""
        wanted = select(r.status, func.count()).group_by(r.status)
        wanted = wanted.where(r.status.in_([State.ACTIVE.value, State.UNCONFIRMED.value]))
        if station_id is not None:
            wanted = wanted.where(r.station_id == station_id)
        counts = {row[0]: row[1] for row in self._connection.execute(wanted)}
        return counts.get(State.ACTIVE.value, 0), counts.get(State.UNCONFIRMED.value, 0)


def _in(period: Period) -> list[ColumnElement[bool]]:
    found = [r.created_at >= period.start, r.created_at < period.end]
    return found if period.station_id is None else [*found, r.station_id == period.station_id]


def _lives(period: Period, *, now: datetime) -> Select[Any]:
    """A row each: its state, whether it was accepted, when it was answered, and how long its place was held.

    It is held from the station's answer to the end, which is not after the expiry, and not after now. A use is reported
    when the station can: its own stamp counts. Other news of an end move ``updated_at`` a little.
    """
    at = literal(now, UtcDateTime())
    ended = case(
        (r.status.in_(_LIVE), at),
        (and_(r.status == State.USED.value, r.used_at < r.updated_at), r.used_at),
        else_=r.updated_at,
    )
    begun = func.coalesce(a.closed_at, r.created_at)
    columns = (r.status, _ACCEPTED.label("accepted"), a.closed_at.label("answered_at"), r.held_until)
    whole = select(*columns, ended.label("ended"), begun.label("begun")).select_from(_ANSWERED)
    one = whole.where(*_in(period)).subquery().c
    until = case(
        (and_(one.held_until < one.ended, one.held_until < at), one.held_until), (one.ended < at, one.ended), else_=at
    )
    last = select(one.status, one.accepted, one.answered_at, one.begun, until.label("until")).subquery().c
    none = literal(timedelta(), Duration())
    is_held = and_(last.accepted == 1, last.until > last.begun)
    held = case((is_held, type_coerce(last.until - last.begun, Duration())), else_=none)
    return select(last.status, last.accepted, last.answered_at, held.label("held"))
