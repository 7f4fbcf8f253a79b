"""What happened at stations, by time (periods.Timeline). Nothing is kept for it: the rows and the told events say it all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, or_, select

from evhold.adapters.sql.reservation_rows import reservation_of
from evhold.adapters.sql.tables import history, outbox, reservations, transactions
from evhold.adapters.sql.transactions import transaction_of
from evhold.domain.events import ConnectorChanged, StationPresence
from evhold.domain.reservation import LIVE, Reservation, State
from evhold.domain.timeline import Change
from evhold.domain.timeline_rows import Seen
from evhold.domain.transaction import Transaction
from evhold.domain.values import ReservationId, StationId
from evhold.usecases.periods import Period, Place

_LIVE: Final = [state.value for state in LIVE]
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in (ConnectorChanged, StationPresence)
}

r, h, t, o = reservations.c, history.c, transactions.c, outbox.c
#: Numbers above zero are final. Apart: together they would be found by reading everything.
_ENDS: Final = select(
    select(func.min(o.seq)).where(o.seq > 0).scalar_subquery(),
    select(func.max(o.seq)).where(o.seq > 0).scalar_subquery(),
)
_NEXT: Final = select(o.seq, o.at).where(o.seq >= bindparam("start")).order_by(o.seq).limit(1)
_SEEN: Final = select(o.seq, o.kind, o.body).where(o.kind.in_(list(_DECODERS)))


class TimelineStore:
    """periods.Timeline."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def live(self, period: Period, *, limit: int) -> list[Reservation]:
        """By their numbers."""
        wanted = select(reservations).where(r.status.in_(_LIVE), *_at_station(period)).order_by(r.id).limit(limit)
        rows = self._connection.execute(wanted)
        return [reservation_of(row) for row in rows if row.created_at < period.end]

    def ended(self, period: Period, *, after: Place | None, limit: int) -> tuple[list[Reservation], Place | None]:
        """By the time of their last change."""
        wanted = select(reservations).where(r.updated_at >= period.start, *_at_station(period))
        if after is not None:
            at, number = after
            wanted = wanted.where(r.updated_at >= at, or_(r.updated_at > at, r.id > number))
        rows = self._connection.execute(wanted.order_by(r.updated_at, r.id).limit(limit)).all()
        reached = (rows[-1].updated_at, rows[-1].id) if len(rows) == limit else None
        # Judged here: a database that chose another index than that of the last change would read all there ever was.
        over = (row for row in rows if row.created_at < period.end and row.status not in _LIVE)
        return [reservation_of(row) for row in over], reached

    def changes(self, reservation_ids: Sequence[ReservationId]) -> dict[ReservationId, list[Change]]:
        """Oldest first."""
        wanted = select(h.reservation_id, h.at, h.to_state).where(h.reservation_id.in_(reservation_ids))
        found: dict[ReservationId, list[Change]] = {}
        for number, at, state in self._connection.execute(wanted.order_by(h.seq)):
            found.setdefault(ReservationId(number), []).append(Change(at, State(state)))
        return found

    def running(self, station_id: StationId | None) -> list[Transaction]:
        """By the index on those that run, which is small."""
        wanted = select(transactions).where(t.ended_at.is_(None)).order_by(t.station_id)
        if station_id is not None:
            wanted = wanted.where(t.station_id == station_id)
        return [transaction_of(row) for row in self._connection.execute(wanted)]

    def stored(self, station_ids: Sequence[StationId], *, since: datetime) -> list[Transaction]:
        """By the index on each station's."""
        wanted = select(transactions).where(t.station_id.in_(station_ids), t.stored_at >= since)
        return [transaction_of(row) for row in self._connection.execute(wanted)]

    def first_event(self, at: datetime) -> int:
        """By halving: numbers grow with the time, and the time itself has no index, as every event would pay for it."""
        low, high = self._connection.execute(_ENDS).one()
        if low is None:
            return 1
        high += 1
        while low < high:
            middle = (low + high) // 2
            found = self._connection.execute(_NEXT, {"start": middle}).first()
            if found is None or found.at >= at:
                high = middle
            else:
                low = found.seq + 1
        return int(low)

    def events(
        self, station_id: StationId | None, *, start: int, end: int, limit: int
    ) -> tuple[list[Seen], int | None]:
        """In order."""
        wanted = _SEEN.where(o.seq >= start, o.seq < end).order_by(o.seq)
        found, reached = self._seen(wanted, station_id, limit=limit)
        return found, None if reached is None else reached + 1

    def events_before(self, station_id: StationId | None, *, start: int, end: int) -> list[Seen]:
        """Newest first."""
        wanted = _SEEN.where(o.seq >= start, o.seq < end).order_by(o.seq.desc())
        return self._seen(wanted, station_id, limit=end - start)[0]

    def _seen(self, wanted: Select[Any], station_id: StationId | None, *, limit: int) -> tuple[list[Seen], int | None]:
        if station_id is not None:
            wanted = wanted.where(o.station_id == station_id)
        rows = self._connection.execute(wanted.limit(limit)).all()
        return [_DECODERS[row.kind].decode(row.body) for row in rows], rows[-1].seq if len(rows) == limit else None


def _at_station(period: Period) -> list[Any]:
    return [] if period.station_id is None else [r.station_id == period.station_id]
