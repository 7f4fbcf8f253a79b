"""Reservations: a step is stored whole, with its claims, its ask, its history row and its events (ports.Reservations)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.asks import AskStore
from evhold.adapters.sql.outbox import OutboxStore
from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.reservation_ids import next_id
from evhold.adapters.sql.reservation_rows import (
    history_row,
    remind_time,
    reservation_of,
    row_of,
    sweep_time,
    transition_of,
)
from evhold.adapters.sql.tables import claims, history, names_of, reservations, stations
from evhold.adapters.sql.types import POSTGRESQL, Duration, UtcDateTime
from evhold.adapters.sql.upsert import insert_of
from evhold.domain.errors import EvseAlreadyReserved, ReservationUnknown, StationUnknown, VersionConflict
from evhold.domain.reservation import Reservation, State, Transition
from evhold.domain.transitions import Step
from evhold.domain.values import MAX_RESERVATION_ID, Ask, EvseId, IdToken, ReservationId, StationId, TransactionId
from evhold.usecases.stores import ReservationFilter

r = reservations.c
_ALL: Final = select(reservations)
_ONE: Final = _ALL.where(r.reservation_id == bindparam("wanted"))
_GET: Final = Prepared(_ONE)
_GET_FOR_CHANGE: Final = Prepared(_ONE.with_for_update())
#: All columns but the row's own number.
_GIVEN: Final = names_of(reservations, leave_out="id")
_UNTIMED: Final = [name for name in _GIVEN if name not in ("sweep_at", "remind_at")]
#: What goes by the station's clock is given by that, and stored by ours. Where transactions run side by side, the station's
#: row is touched: one that moves the clock meanwhile collides with this one.
_HELD: Final = table("held", column("clock_offset", Duration()))
_HOLD: Final = (
    "held",
    Prepared(
        update(stations)
        .where(stations.c.id == bindparam("station_id"))
        .values(epoch=stations.c.epoch)
        .returning(stations.c.clock_offset)
    ),
)


def _by_our_clock(dialect: Dialect) -> dict[str, ColumnElement[Any]]:
    held = select(_HELD.c.clock_offset)
    if dialect.name != POSTGRESQL:
        held = select(stations.c.clock_offset).where(stations.c.id == bindparam("at_station"))
    times = {
        "sweep_at": bindparam("sweeps", type_=UtcDateTime()),
        "remind_at": bindparam("reminds", type_=UtcDateTime()),
    }
    return {name: time - held.scalar_subquery() for name, time in times.items()}


def _kept_or(else_: dict[str, ColumnElement[Any]]) -> dict[str, ColumnElement[Any]]:
    kept = {
        "sweep_at": bindparam("keeps_sweep", type_=Boolean()),
        "remind_at": bindparam("keeps_remind", type_=Boolean()),
    }
    return {name: case((is_kept, r[name]), else_=else_.get(name)) for name, is_kept in kept.items()}


_INSERT: Final = Prepared(insert(reservations), _GIVEN)
_INSERT_TIMED: Final = Prepared(
    lambda dialect: insert(reservations).values(_by_our_clock(dialect)), _UNTIMED, beside=_HOLD
)
_UPDATE_ONE: Final = update(reservations).where(
    r.reservation_id == bindparam("wanted"), r.version == bindparam("version_before")
)
#: Times of our clock stay as they are, or go.
_UPDATE: Final = Prepared(_UPDATE_ONE.values(_kept_or({})), _UNTIMED)
_UPDATE_TIMED: Final = Prepared(
    lambda dialect: _UPDATE_ONE.values(_kept_or(_by_our_clock(dialect))), _UNTIMED, beside=_HOLD
)
_CLAIM: Final = Prepared(
    # The primary key decides. DO NOTHING, since a failed statement would end PostgreSQL's whole transaction.
    lambda dialect: insert_of(claims, dialect=dialect).on_conflict_do_nothing(),
    names_of(claims),
)
_RELEASE: Final = Prepared(
    claims.delete().where(
        claims.c.station_id == bindparam("station"),
        claims.c.evse_id == bindparam("evse"),
        claims.c.reservation_id == bindparam("holder"),
    )
)
_HISTORY: Final = Prepared(
    select(history).where(history.c.reservation_id == bindparam("wanted")).order_by(history.c.seq)
)
_ADD_HISTORY: Final = Prepared(insert(history), names_of(history, leave_out="seq"))
_DUE: Final = Prepared(_ALL.where(r.station_id == bindparam("station"), r.due.is_not(None)).order_by(r.due_at, r.id))
_BOUND: Final = Prepared(
    _ALL.where(r.station_id == bindparam("station"), r.transaction_id == bindparam("bound_to"))
    .order_by(r.id.desc())
    .limit(1)
)
_SOONEST_SWEPT: Final = _ALL.where(r.sweep_at <= bindparam("before")).order_by(r.sweep_at).limit(bindparam("most"))
_SWEEP: Final = Prepared(_SOONEST_SWEPT)
#: What another node has taken up is not waited for.
_SWEEP_FOR_CHANGE: Final = Prepared(_SOONEST_SWEPT.with_for_update(skip_locked=True))
_NEXT_SWEEP: Final = Prepared(select(r.sweep_at).where(r.sweep_at.is_not(None)).order_by(r.sweep_at).limit(1))
_SOONEST_REMINDED: Final = _ALL.where(r.remind_at <= bindparam("before")).order_by(r.remind_at).limit(bindparam("most"))
_REMIND: Final = Prepared(_SOONEST_REMINDED)
_REMIND_FOR_CHANGE: Final = Prepared(_SOONEST_REMINDED.with_for_update(skip_locked=True))
_NEXT_REMIND: Final = Prepared(select(r.remind_at).where(r.remind_at.is_not(None)).order_by(r.remind_at).limit(1))
_COUNT: Final = select(r.status, func.count()).group_by(r.status)


class ReservationStore:
    """ports.Reservations. ``reading``: nothing will be changed, so nothing is locked."""

    def __init__(self, connection: Connection, *, outbox: OutboxStore, reading: bool = False) -> None:
        self._connection = connection
        self._outbox = outbox
        self._reading = reading
        self._asks = AskStore(connection)
        #: As this transaction read or wrote them.
        self._known: dict[int, Reservation] = {}

    # One reservation

    def next_id(self) -> ReservationId:
        """One never used before."""
        return next_id(self._connection)

    def insert(self, step: Step) -> None:
        """Stored with its claims and its ask.

        Raises:
            EvseAlreadyReserved: By the claims' primary key.
            StationUnknown: No such station.
        """
        made = step.reservation
        self._claim(made, made.claims)
        row = row_of(made)
        statement = _INSERT if row["sweep_at"] is None and row["remind_at"] is None else _INSERT_TIMED
        statement.later(self._connection, row | _times(row), orphaned=StationUnknown(made.station_id))
        if made.ask is not None:
            self._asks.open(made, made.ask)
        self._known[made.id] = made
        self._tell(step)

    def get(self, reservation_id: int) -> Reservation:
        """Raises ReservationUnknown."""
        # What this transaction holds nobody else has changed.
        known = None if self._reading else self._known.get(reservation_id)
        found = known or self._read(reservation_id)
        if found is None:
            raise ReservationUnknown(reservation_id)
        return found

    def find(self, reservation_id: int, station_id: StationId) -> Reservation | None:
        """None where there is none, or it is another station's."""
        found = self._read(reservation_id)
        return found if found is not None and found.station_id == station_id else None

    def save(self, step: Step) -> None:
        """Row, claims, ask, history row and events.

        Raises:
            EvseAlreadyReserved: A replacement's EVSE is held.
            VersionConflict: It was not made from what is stored.
        """
        after = step.reservation
        before = self._known.get(after.id) or self.get(after.id)
        if step.changed and after != before:
            self._claim(after, after.claims - before.claims)
            self._update(before, after)
            for evse_id in before.claims - after.claims:
                _RELEASE.later(self._connection, {"station": after.station_id, "evse": evse_id, "holder": after.id})
            self._known[after.id] = after
        self._asks.follow(step, before=before)
        self._tell(step)

    def find_ask(self, message_id: str) -> tuple[ReservationId, StationId, Ask, bool] | None:
        """The ask, and whether the station answered it already."""
        return self._asks.find(message_id)

    def history(self, reservation_id: int) -> list[Transition]:
        """Oldest first; empty for an id that never was."""
        return [transition_of(row) for row in _HISTORY.rows(self._connection, {"wanted": reservation_id})]

    # Many

    def at_station(self, station_id: StationId, *, states: Sequence[State]) -> list[Reservation]:
        """Oldest first."""
        wanted = _ALL.where(r.station_id == station_id, r.status.in_([state.value for state in states]))
        return self._search(wanted.order_by(r.id))

    def due_at(self, station_id: StationId) -> list[Reservation]:
        """Those with an order to send, soonest first."""
        return self._find(_DUE, station=station_id)

    def with_open_ask(self, *, station_id: StationId | None = None) -> list[Reservation]:
        """Oldest first."""
        wanted = _ALL.where(r.ask_message_id.is_not(None))
        if station_id is not None:
            wanted = wanted.where(r.station_id == station_id)
        return self._search(wanted.order_by(r.id))

    def bound_to(self, station_id: StationId, transaction_id: TransactionId) -> Reservation | None:
        """The one that this transaction used."""
        return next(iter(self._find(_BOUND, station=station_id, bound_to=transaction_id)), None)

    def to_sweep(self, *, at: datetime, grace: timedelta, limit: int) -> list[Reservation]:
        """Soonest expired first."""
        return self._find(_SWEEP if self._reading else _SWEEP_FOR_CHANGE, before=at - grace, most=limit)

    def next_sweep(self, *, grace: timedelta) -> datetime | None:
        """By our clock."""
        sweep_at: datetime | None = _NEXT_SWEEP.scalar(self._connection)
        return None if sweep_at is None else sweep_at + grace

    def to_remind(self, *, at: datetime, before: timedelta, limit: int) -> list[Reservation]:
        """Soonest to expire first."""
        return self._find(_REMIND if self._reading else _REMIND_FOR_CHANGE, before=at + before, most=limit)

    def next_remind(self, *, before: timedelta) -> datetime | None:
        """By our clock."""
        remind_at: datetime | None = _NEXT_REMIND.scalar(self._connection)
        return None if remind_at is None else remind_at - before

    def page(self, wanted: ReservationFilter) -> tuple[list[Reservation], int | None]:
        """Newest first, and the cursor of the next page."""
        query = _ALL.where(*_conditions(wanted)).order_by(r.id.desc()).limit(wanted.limit + 1)
        rows = self._connection.execute(query).all()
        page = rows[: wanted.limit]
        return [reservation_of(row) for row in page], page[-1].id if len(rows) > wanted.limit and page else None

    def count_by_state(self) -> dict[State, int]:
        """All states, also those that no reservation is in."""
        counts = {row[0]: row[1] for row in self._connection.execute(_COUNT)}
        return {state: counts.get(state.value, 0) for state in State}

    def clock_moved(self, station_id: StationId, *, clock_offset: timedelta) -> None:
        """The sweep of this station's reservations goes by its new clock offset."""
        timed = or_(r.sweep_at.is_not(None), r.remind_at.is_not(None))
        for known in self._search(_ALL.where(r.station_id == station_id, timed)):
            moved = update(reservations).where(r.reservation_id == known.id)
            times = {
                "sweep_at": sweep_time(known, clock_offset=clock_offset),
                "remind_at": remind_time(known, clock_offset=clock_offset),
            }
            self._connection.execute(moved.values(times))

    # Parts of a step

    def _read(self, reservation_id: int) -> Reservation | None:
        # Stations send whatever they like, also numbers that no column holds.
        if not 0 < reservation_id <= MAX_RESERVATION_ID:
            return None
        query = _GET if self._reading else _GET_FOR_CHANGE
        row = query.first(self._connection, {"wanted": reservation_id})
        if row is None:
            return None
        found = self._known[reservation_id] = reservation_of(row)
        return found

    def _find(self, query: Prepared, **values: object) -> list[Reservation]:
        return [reservation_of(row) for row in query.rows(self._connection, values)]

    def _search(self, query: Select[Any]) -> list[Reservation]:
        return [reservation_of(row) for row in self._connection.execute(query)]

    def _claim(self, holder: Reservation, evse_ids: Iterable[EvseId]) -> None:
        for evse_id in sorted(evse_ids):
            row = {"station_id": holder.station_id, "evse_id": evse_id, "reservation_id": holder.id}
            _CLAIM.later(self._connection, row, otherwise=EvseAlreadyReserved(holder.station_id, evse_id))

    def _update(self, before: Reservation, after: Reservation) -> None:
        """The row; opening an ask leaves the version as it is, everything that a user can see raises it by one."""
        if after.version not in (before.version, before.version + 1):
            raise VersionConflict(after.id, before.version)
        row = row_of(after)
        sweeps, reminds = row["sweep_at"], row["remind_at"]
        keeps = {"keeps_sweep": sweeps == sweep_time(before), "keeps_remind": reminds == remind_time(before)}
        is_timed = (sweeps and not keeps["keeps_sweep"]) or (reminds and not keeps["keeps_remind"])
        row |= _times(row) | keeps | {"wanted": after.id, "version_before": before.version}
        statement = _UPDATE_TIMED if is_timed else _UPDATE
        statement.later(self._connection, row, otherwise=VersionConflict(after.id, before.version))

    def _tell(self, step: Step) -> None:
        if step.transition is not None:
            _ADD_HISTORY.later(self._connection, history_row(step.reservation.id, step.transition))
        for event in step.events:
            self._outbox.add(event)


def _times(row: dict[str, Any]) -> dict[str, Any]:
    """By the station's clock; its row says by how much that is ahead of ours."""
    return {"sweeps": row["sweep_at"], "reminds": row["remind_at"], "at_station": row["station_id"]}


def _conditions(wanted: ReservationFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool] | None] = [
        r.station_id == wanted.station_id if wanted.station_id is not None else None,
        r.status.in_([state.value for state in wanted.states]) if wanted.states else None,
        or_(*(_is_token(one) for one in wanted.id_tokens)) if wanted.id_tokens else None,
        r.id_token_folded == wanted.id_token_text.casefold() if wanted.id_token_text is not None else None,
        r.evse_id == wanted.evse_id if wanted.evse_id is not None else None,
        r.created_at >= wanted.start if wanted.start is not None else None,
        r.created_at <= wanted.end if wanted.end is not None else None,
        r.id < wanted.cursor if wanted.cursor is not None else None,
    ]
    return [one for one in found if one is not None]


def _is_token(id_token: IdToken) -> ColumnElement[bool]:
    return and_(r.id_token_folded == id_token.id_token.casefold(), r.id_token_type == id_token.type)
