"""H02: cancel a reservation at its station. The wish is committed first, and is kept until the station's word or the expiry."""

from dataclasses import dataclass, replace
from datetime import datetime

from evhold.domain.access import Actor
from evhold.domain.errors import (
    CancelInProgress,
    NoCancelRequest,
    NothingToAsk,
    OrderInProgress,
    ReservationEnded,
    StationOffline,
)
from evhold.domain.events import OrderDue
from evhold.domain.facts import CancelOrdered, CancelWithdrawn, Errored, NeverLeft
from evhold.domain.reservation import Phase, Reservation, State
from evhold.domain.transitions import Step, advance, asking
from evhold.domain.values import Ask, AskKind, By, Heard
from evhold.usecases.ports import Clock, Ids, StationCommands, Storage
from evhold.usecases.settle import check_version, heard_answer, settle, store
from evhold.usecases.stores import Tx

CANCELABLE = frozenset({Phase.PENDING, Phase.UNCONFIRMED, Phase.ACTIVE, Phase.USED_UNPROVEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """A driver or an operator wants it canceled, kept, or asked about. ``if_match``: refuse unless this is the version."""

    reservation_id: int
    by: By
    if_match: int | None = None
    who: Actor | None = None

    def note(self, tx: Tx, what: str, reservation: Reservation, *, at: datetime) -> None:
        """It stands in the audit."""
        tx.audit.add(at=at, who=self.who, what=what, station_id=reservation.station_id, detail=str(reservation.id))


@dataclass(frozen=True, slots=True)
class Wished:
    """The wish is committed. ``ask``: the CancelReservation that goes out now; None: later, or not at all."""

    reservation: Reservation
    ask: Ask | None


@dataclass(frozen=True, slots=True)
class Canceled:
    """The reservation after the answer. ``error``: the CALLERROR with which the station refused the action."""

    reservation: Reservation
    error: Errored | None = None


async def wish(order: CancelOrder, *, storage: Storage, stations: StationCommands, clock: Clock, ids: Ids) -> Wished:
    """The wish is committed (rows 19, 20), and where the station can be asked now, so is the ask, in the same step.

    Raises:
        ReservationUnknown, VersionConflict: As they say.
        ReservationEnded: It ended, and not by an unproven use (row 21).
    """
    message_id = ids.message_id()

    def work(tx: Tx) -> Wished:
        now = clock.now()
        known = tx.reservations.get(order.reservation_id)
        check_version(known, order.if_match)
        if known.phase not in CANCELABLE:
            raise ReservationEnded(known.id, known.state)
        order.note(tx, "cancel", known, at=now)
        step = advance(known, CancelOrdered(), Heard(at=now, by=order.by))
        presence, due = stations.presence(known.station_id), step.reservation.due
        if due is None or due.ask_kind is not AskKind.CANCEL or not (presence.online and presence.registered):
            return Wished(store(tx, step).reservation, None)
        ask = Ask(message_id=message_id, kind=AskKind.CANCEL, terms=None, sent_at=now)
        return Wished(store(tx, asking(step, ask)).reservation, ask)

    wished = await storage.transact(work)
    if wished.reservation.state is State.PENDING:
        return Wished(await _withdraw(wished.reservation, storage=storage, stations=stations, clock=clock), None)
    return wished


async def ask_cancel(wished: Wished, *, storage: Storage, stations: StationCommands, clock: Clock) -> Canceled:
    """The station was asked, and its answer, or its silence, is stored.

    Requirements: H02.FR.01, H02.FR.02
    """
    if wished.ask is None:
        return Canceled(wished.reservation)
    known = wished.reservation
    answer, frames = await stations.cancel_reservation(known.station_id, known.id, wished.ask)
    heard = heard_answer(answer, frames, at=clock.now())
    step = await storage.transact(lambda tx: settle(tx, known.id, answer, heard))
    return Canceled(step.reservation, answer if isinstance(answer, Errored) else None)


async def keep(order: CancelOrder, *, storage: Storage, clock: Clock) -> Reservation:
    """The wish is dropped, where no CancelReservation may have reached the station (row 59).

    Raises:
        ReservationUnknown, VersionConflict: As they say.
        NoCancelRequest: There is no wish.
        CancelInProgress: It was sent; the station's answer decides.
    """

    def work(tx: Tx) -> Reservation:
        known = tx.reservations.get(order.reservation_id)
        check_version(known, order.if_match)
        if known.cancel_requested_at is None or known.phase not in CANCELABLE:
            raise NoCancelRequest(known.id)
        kept = settle(tx, known.id, CancelWithdrawn(), Heard(at=clock.now(), by=order.by)).reservation
        if kept.cancel_requested_at is not None:
            raise CancelInProgress(known.id)
        order.note(tx, "keep", known, at=clock.now())
        return kept

    return await storage.transact(work)


async def hasten(order: CancelOrder, *, storage: Storage, stations: StationCommands, clock: Clock) -> Reservation:
    """The order that waits for its next turn, a retraction or a wish for most, is due now: the station is asked at once.

    Raises:
        ReservationUnknown, VersionConflict: As they say.
        NothingToAsk: No order waits.
        OrderInProgress: One is open: the station is being asked.
        StationOffline: It will be asked when it is back.
    """

    def work(tx: Tx) -> Reservation:
        known = tx.reservations.get(order.reservation_id)
        check_version(known, order.if_match)
        if known.ask is not None:
            raise OrderInProgress(known.id)
        if known.due is None:
            raise NothingToAsk(known.id)
        presence = stations.presence(known.station_id)
        if not (presence.online and presence.registered):
            raise StationOffline(known.station_id)
        now = clock.now()
        order.note(tx, "ask now", known, at=now)
        hastened = replace(known, retry_at=None, version=known.version + 1)
        due = OrderDue(at=now, station_id=known.station_id, reservation_id=known.id, not_before=now)
        tx.reservations.save(Step(reservation=hastened, events=(due,)))
        return hastened

    return await storage.transact(work)


async def _withdraw(pending: Reservation, *, storage: Storage, stations: StationCommands, clock: Clock) -> Reservation:
    """Row 19: while the ReserveNow still waits for its turn, it is taken back, and nothing reached the station."""
    ask = pending.ask
    if ask is None or not await stations.withdraw(pending.station_id, ask.message_id):
        return pending
    heard = Heard(at=clock.now(), by=By.CSMS)
    fact = NeverLeft(ask=ask, reason="withdrawn")
    return (await storage.transact(lambda tx: settle(tx, pending.id, fact, heard))).reservation
