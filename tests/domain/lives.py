"""Reservations in every phase, facts about them, and what one step must show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from evhold.domain import facts as f
from evhold.domain.events import Event, OrderDue, ReservationChanged, name_of
from evhold.domain.reservation import Due, Phase, Reservation, State, with_ask
from evhold.domain.transitions import Step, advance
from evhold.domain.values import (
    Ask,
    AskKind,
    By,
    EvseId,
    Frame,
    Heard,
    IdToken,
    MessageId,
    ReservationId,
    StationId,
    StatusInfo,
    Terms,
    TransactionId,
)

AT = datetime(2026, 12, 15, 12, 0, tzinfo=UTC)
EXPIRY = AT + timedelta(hours=1)
LATER = EXPIRY + timedelta(hours=1)
AFTER = EXPIRY + timedelta(minutes=1)
A_MINUTE_ON = AT + timedelta(minutes=1)
RESERVED = IdToken("AABBCCDD", "ISO14443")
MEMBER = IdToken("BBCCDDEE", "ISO14443")
FOREIGN = IdToken("DEADBEEF", "ISO14443")
FRAMES = (Frame("CS", AT, "[3]"),)
WORDS = StatusInfo("InvalidValue", "why")
TX = TransactionId("tx-1")
TX2 = TransactionId("tx-2")
END = {
    Phase.EXPIRED_OPEN: (State.EXPIRED, False, None),
    Phase.EXPIRED_CLOSED: (State.EXPIRED, True, None),
    Phase.REMOVED_OPEN: (State.REMOVED, False, "unknown-at-station"),
    Phase.REMOVED_CLOSED: (State.REMOVED, True, None),
    Phase.FAILED_OPEN: (State.FAILED, False, "unknown-at-station"),
    Phase.FAILED_CLOSED: (State.FAILED, True, "station-offline"),
    Phase.CANCELED_OPEN: (State.CANCELED, False, "requested"),
    Phase.CANCELED_CLOSED: (State.CANCELED, True, "requested"),
    Phase.REFUSED: (State.REFUSED, True, None),
}
LIVE = frozenset({State.PENDING, State.UNCONFIRMED, State.ACTIVE})


def minutes(count: float) -> timedelta:
    """So many of them."""
    return timedelta(minutes=count)


def terms(evse: int | None = 1, *, expiry: datetime = EXPIRY) -> Terms:
    """Terms for the reserved token."""
    return Terms(id_token=RESERVED, expiry=expiry, evse_id=None if evse is None else EvseId(evse))


OLD = terms()
NEW = terms(2, expiry=LATER)


def ask(kind: AskKind, *, number: int = 1, of: Terms = OLD, sent_at: datetime = AT) -> Ask:
    """One order; its message id is made of kind and number."""
    return Ask(
        message_id=MessageId(f"{kind}-{number}"), kind=kind, terms=None if kind.is_cancel else of, sent_at=sent_at
    )


FIRST = ask(AskKind.RESERVE)
REPLACE = ask(AskKind.REPLACE, of=NEW)
UNDO = ask(AskKind.UNDO)
RENEW = ask(AskKind.RENEW)
RESTORE = ask(AskKind.RESTORE)
CANCEL = ask(AskKind.CANCEL)
CLEAN_UP = ask(AskKind.CLEAN_UP)
ASKS = {one.kind: one for one in (FIRST, REPLACE, UNDO, RENEW, RESTORE, CANCEL, CLEAN_UP)}


def reservation(state: State, **more: object) -> Reservation:
    """A reservation in this state, with whatever else is said of it."""
    known = Reservation(
        id=ReservationId(42), station_id=StationId("CS1"), terms=OLD, state=state, created_at=AT, updated_at=AT
    )
    return replace(known, **{"reserves_sent": 1, **more})  # type: ignore[arg-type]


def pending(**more: object) -> Reservation:
    """Its first ReserveNow open."""
    return reservation(State.PENDING, **{"ask": FIRST, **more})


def unconfirmed(**more: object) -> Reservation:
    """Asked once, outcome unknown; nothing open."""
    return reservation(State.UNCONFIRMED, **{"cause": "timeout", **more})


def active(**more: object) -> Reservation:
    """Accepted; nothing open."""
    return reservation(State.ACTIVE, **{"was_active": True, "ocpp_status": "Accepted", **more})


def replacing(**more: object) -> Reservation:
    """Active, a replacement open."""
    return active(**{"ask": REPLACE, "replacement": NEW, "reserves_sent": 2, **more})


def used(*, proven: bool = False, **more: object) -> Reservation:
    """Used by TX at EVSE 1, unproven from Active unless said otherwise."""
    known = replace(active(), state=State.USED, transaction_id=TX, used_evse_id=EvseId(1), used_at=AT, proven=proven)
    known = replace(known, confirmed=proven, keeps_claim=not proven, used_by=RESERVED if proven else None)
    return replace(known, **more)  # type: ignore[arg-type]


def ended(phase: Phase, **more: object) -> Reservation:
    """An end that is not Used."""
    state, confirmed, cause = END[phase]
    was = {"was_active": phase not in (Phase.FAILED_OPEN, Phase.FAILED_CLOSED, Phase.CANCELED_OPEN, Phase.REFUSED)}
    return reservation(state, **{"confirmed": confirmed, "cause": cause, **was, **more})


def in_phase(phase: Phase, **more: object) -> Reservation:
    """A reservation in this phase, nothing open but a Pending one's first ask."""
    match phase:
        case Phase.PENDING:
            return pending(**more)
        case Phase.UNCONFIRMED:
            return unconfirmed(**more)
        case Phase.ACTIVE:
            return active(**more)
        case Phase.USED_PROVEN | Phase.USED_UNPROVEN:
            return used(proven=phase is Phase.USED_PROVEN, **more)
        case _:
            return ended(phase, **more)


def asking(known: Reservation, order: Ask = CANCEL) -> Reservation:
    """The reservation with this order open."""
    return with_ask(known, order)


def wishing(known: Reservation) -> Reservation:
    """The reservation with a driver's wish to cancel it."""
    return replace(known, cancel_requested_at=AT, cancel_requested_by=By.DRIVER)


def named(
    match: f.Match = f.Match.RESERVED,
    *,
    tx: TransactionId = TX,
    stamp: datetime = AT,
    evse: int | None = 1,
    offset: timedelta = timedelta(),
) -> f.TransactionNamed:
    """A TransactionEvent with the reservationId."""
    token = {f.Match.RESERVED: RESERVED, f.Match.FOREIGN: FOREIGN}.get(match)
    evse_id = None if evse is None else EvseId(evse)
    return f.TransactionNamed(
        transaction_id=tx, stamp=stamp, match=match, evse_id=evse_id, id_token=token, clock_offset=offset
    )


def seen(match: f.Match, *, tx: TransactionId = TX) -> f.TokenSeen:
    """Another event of a transaction showed a token."""
    token = RESERVED if match is f.Match.RESERVED else FOREIGN
    return f.TokenSeen(transaction_id=tx, match=match, id_token=token, stamp=AT + minutes(1))


def transaction_ended(*, clean: bool, tx: TransactionId = TX) -> f.TransactionEnded:
    """A transaction's end."""
    return f.TransactionEnded(transaction_id=tx, clean=clean)


def accepted(of: Ask) -> f.Accepted:
    """ReserveNow Accepted."""
    return f.Accepted(ask=of, status_info=WORDS)


def refused(of: Ask, status: str = "Rejected", *, still_reserved: bool = False) -> f.Refused:
    """ReserveNow refused with a status."""
    return f.Refused(ask=of, status=status, status_info=WORDS, still_reserved=still_reserved)


def errored(of: Ask, code: str = "InternalError", *, still_reserved: bool = False) -> f.Errored:
    """A CALLERROR; the default code proves nothing."""
    return f.Errored(ask=of, code=code, still_reserved=still_reserved)


def silent(of: Ask) -> f.Silent:
    """No answer."""
    return f.Silent(ask=of, reason="timeout")


def never_left(of: Ask) -> f.NeverLeft:
    """Not sent."""
    return f.NeverLeft(ask=of, reason="station-offline")


def cancel_accepted(of: Ask = CANCEL, *, offset: timedelta = timedelta()) -> f.CancelAccepted:
    """CancelReservation Accepted."""
    return f.CancelAccepted(ask=of, status_info=WORDS, clock_offset=offset)


def cancel_rejected(of: Ask = CANCEL, *, station_now: datetime = AT) -> f.CancelRejected:
    """CancelReservation Rejected."""
    return f.CancelRejected(ask=of, station_now=station_now, status_info=WORDS)


def expired(at: datetime = AT) -> f.ReportedExpired:
    """ReservationStatusUpdate(Expired)."""
    return f.ReportedExpired(at)


def removed(at: datetime = AT) -> f.ReportedRemoved:
    """ReservationStatusUpdate(Removed)."""
    return f.ReportedRemoved(at)


REPORTS = (expired(), removed())
SWEEP = f.SweepDue(station_now=AFTER)
WISH = f.CancelOrdered()
KEEP = f.CancelWithdrawn()


def heard(at: datetime = AT, *, by: By = By.STATION) -> Heard:
    """Heard then, with a frame."""
    return Heard(at=at, by=by, frames=FRAMES)


def names(events: tuple[Event, ...]) -> list[str]:
    """What is told, without its prefix; `due` for an order that waits."""
    return ["due" if isinstance(event, OrderDue) else name_of(event).removeprefix("reservation.") for event in events]


def check(
    before: Reservation,
    fact: f.Fact,
    *,
    row: int,
    to: Phase | None = None,
    told: str = "",
    cause: str | None = None,
    due: Due | None = None,
    claims: tuple[int, ...] = (),
    anomaly: bool = False,
    noted: bool = True,
    at: datetime = A_MINUTE_ON,
) -> Reservation:
    """Take one step and hold everything that shows against what is said; the reservation after it.

    Args:
        before: The reservation.
        fact: What happens to it.
        row: The row that must have been taken.
        to: The phase after it; None: the same, and nothing else but the ask has changed.
        told: Names of the events, in order.
        cause, due, claims: Of the reservation after it.
        anomaly, noted: Of the history row; not noted: there is none.
        at: When it is heard.
    """
    step = advance(before, fact, heard(at))
    after = step.reservation
    assert after.phase is (before.phase if to is None else to)
    assert (after.cause, after.due, after.claims) == (cause, due, frozenset(claims))
    assert names(step.events) == told.split()
    assert step.changed is (after != before)
    assert after.version == before.version + step.changed
    assert after.updated_at == (at if step.changed else before.updated_at)
    if to is None:
        same = {"ask": before.ask, "version": before.version, "updated_at": before.updated_at}
        assert replace(after, **same, cancel_in_doubt=False, cancel_sent_at=None) == replace(
            before, cancel_in_doubt=False, cancel_sent_at=None
        )
    _check_history(before, step, fact, row=row, anomaly=anomaly, noted=noted)
    _check_events(step)
    return after


def _check_history(before: Reservation, step: Step, fact: f.Fact, *, row: int, anomaly: bool, noted: bool) -> None:
    written = step.transition
    if not noted:
        assert written is None
        return
    assert written is not None
    assert (written.row, written.anomaly, written.fact) == (row, anomaly, type(fact).__name__)
    assert (written.from_state, written.to_state) == (before.state, step.reservation.state)
    assert (written.by, written.frames) == (By.STATION, FRAMES)
    assert written.status_info == getattr(fact, "status_info", None)


def _check_events(step: Step) -> None:
    for event in step.events:
        if isinstance(event, ReservationChanged):
            assert (event.reservation, event.cause) == (step.reservation, step.reservation.cause)
        else:
            assert isinstance(event, OrderDue)
            assert event.reservation_id == step.reservation.id
