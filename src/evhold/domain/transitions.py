"""The one table of a reservation's life: (phase x fact) -> what becomes of it.

House rules:
- Every change of a reservation is a row here; the numbers are those of the project's table of states and facts.
- The first row that fits wins; what fits none is row 58: unchanged, noted.
- Silence is never a No, and a connector's status never gets here at all (row 57).
- ``docs/state-machine.md`` is drawn from TRANSITIONS; a test walks every pair.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from evhold.domain import effects as do
from evhold.domain import guards as when
from evhold.domain.effects import Effect
from evhold.domain.events import Event, OrderDue, ReservationChanged
from evhold.domain.facts import (
    Accepted,
    CancelAccepted,
    CancelOrdered,
    CancelRejected,
    CancelWithdrawn,
    Errored,
    Fact,
    NeverLeft,
    OfAsk,
    Refused,
    ReplaceOrdered,
    ReportedExpired,
    ReportedRemoved,
    Silent,
    SweepDue,
    TokenSeen,
    TransactionEnded,
    TransactionNamed,
    cause_of,
    status_info_of,
)
from evhold.domain.guards import Guard
from evhold.domain.reservation import Phase, Reservation, State, Transition, with_ask
from evhold.domain.values import Ask, AskKind, Heard, MessageId

P: Final = Phase
FIRST: Final = frozenset({AskKind.RESERVE})
REPLACE: Final = frozenset({AskKind.REPLACE})
UNDO: Final = frozenset({AskKind.UNDO})
RENEW: Final = frozenset({AskKind.RENEW})
RESTORE: Final = frozenset({AskKind.RESTORE})
AGAIN: Final = UNDO | RENEW | RESTORE
RESERVES: Final = FIRST | REPLACE | AGAIN
CANCEL: Final = frozenset({AskKind.CANCEL})
CLEAN_UP: Final = frozenset({AskKind.CLEAN_UP})
CANCELS: Final = CANCEL | CLEAN_UP
NO_ASK: Final[frozenset[AskKind]] = frozenset()

LIVE: Final = (P.PENDING, P.UNCONFIRMED, P.ACTIVE)
CANCELABLE: Final = (P.UNCONFIRMED, P.ACTIVE, P.USED_UNPROVEN)
OPEN_ENDS: Final = (P.EXPIRED_OPEN, P.REMOVED_OPEN, P.FAILED_OPEN, P.CANCELED_OPEN)
CLOSED_BUT_USED: Final = (P.EXPIRED_CLOSED, P.REMOVED_CLOSED, P.CANCELED_CLOSED, P.REFUSED, P.FAILED_CLOSED)
ENDS_BUT_USED: Final = OPEN_ENDS + CLOSED_BUT_USED
CLEANABLE: Final = (*ENDS_BUT_USED, P.USED_PROVEN)
REPORTS: Final = (ReportedExpired, ReportedRemoved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule. ``asks`` narrows a fact of an ask to its kinds; ``to`` is where it may lead, for the docs and the tests."""

    number: int
    phases: tuple[Phase, ...]
    facts: tuple[type[Fact], ...]
    then: Effect
    to: tuple[Phase, ...] = ()
    asks: frozenset[AskKind] = field(default=NO_ASK)
    guard: Guard = when.always
    anomaly: bool = False
    quiet: bool = False


def _row(
    number: int, phases: tuple[Phase, ...], facts: type[Fact] | tuple[type[Fact], ...], then: Effect, **more: object
) -> Row:
    """Spelled short, so that the table reads as a table."""
    return Row(number=number, phases=phases, facts=facts if isinstance(facts, tuple) else (facts,), then=then, **more)  # type: ignore[arg-type]  # checked by the dataclass's own fields and the walk over the table


# fmt: off
TRANSITIONS: Final[tuple[Row, ...]] = (
    # The first ReserveNow
    _row(2, (P.PENDING,), NeverLeft, do.fail_unsent, to=(P.FAILED_CLOSED, P.CANCELED_CLOSED), asks=FIRST),
    _row(4, (P.UNCONFIRMED,), Accepted, do.keep_accepted, to=(P.UNCONFIRMED,), asks=RESERVES, guard=when.cancel_in_doubt),
    _row(52, (P.UNCONFIRMED,), Accepted, do.adopt_replacement, to=(P.ACTIVE,), asks=REPLACE),
    _row(3, (P.PENDING, P.UNCONFIRMED), Accepted, do.activate, to=(P.ACTIVE,), asks=FIRST | AGAIN),
    _row(5, (P.PENDING, P.UNCONFIRMED), Refused, do.refuse, to=(P.REFUSED,), asks=FIRST),
    _row(6, (P.PENDING, P.UNCONFIRMED), Errored, do.refuse_by_error, to=(P.REFUSED,), asks=FIRST, guard=when.not_executed),
    _row(7, (P.PENDING,), (Errored, Silent), do.doubt, to=(P.UNCONFIRMED,), asks=FIRST),
    _row(8, (P.UNCONFIRMED,), Errored, do.nothing, to=(P.UNCONFIRMED,), asks=RESERVES, guard=when.maybe_executed),
    # A replacement
    _row(47, (P.ACTIVE,), ReplaceOrdered, do.propose_replacement, to=(P.ACTIVE,), guard=when.free_for_replace),
    _row(49, (P.ACTIVE,), Accepted, do.adopt_replacement, to=(P.ACTIVE,), asks=REPLACE),
    _row(23, (P.ACTIVE, P.USED_UNPROVEN), (NeverLeft, Errored, Refused, Silent), do.apply_held_report, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED), asks=REPLACE, guard=when.report_held),
    _row(50, (P.ACTIVE,), NeverLeft, do.drop_replacement, to=(P.ACTIVE,), asks=REPLACE),
    _row(50, (P.ACTIVE, P.UNCONFIRMED), Errored, do.keep_old_terms, to=(P.ACTIVE,), asks=REPLACE, guard=when.not_executed_undoubted),
    _row(51, (P.ACTIVE, P.UNCONFIRMED), Refused, do.undo_replacement, to=(P.ACTIVE,), asks=REPLACE, guard=when.undoubted),
    _row(52, (P.UNCONFIRMED,), (Refused, Errored), do.nothing, to=(P.UNCONFIRMED,), asks=REPLACE, guard=when.refused),
    _row(52, (P.ACTIVE,), (Errored, Silent), do.doubt, to=(P.UNCONFIRMED,), asks=REPLACE),
    # ReserveNow again: undo, renew, restore
    _row(53, (P.ACTIVE,), Accepted, do.activate, to=(P.ACTIVE,), asks=UNDO),
    _row(53, (P.ACTIVE,), (Refused, Errored), do.keep_old_terms, to=(P.ACTIVE,), asks=UNDO, guard=when.refused_but_reserved),
    _row(25, (P.ACTIVE,), (Refused, Errored), do.end_not_renewed, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED), asks=UNDO | RESTORE, guard=when.refused_and_reported),
    _row(53, (P.ACTIVE,), (Refused, Errored, Silent), do.doubt, to=(P.UNCONFIRMED,), asks=UNDO),
    _row(25, (P.ACTIVE,), Accepted, do.activate, to=(P.ACTIVE,), asks=RENEW),
    _row(25, (P.ACTIVE,), (Refused, Errored), do.end_not_renewed, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED), asks=RENEW, guard=when.refused),
    _row(25, (P.ACTIVE,), (Errored, Silent), do.doubt, to=(P.UNCONFIRMED,), asks=RENEW),
    _row(56, (P.ACTIVE,), Accepted, do.activate, to=(P.ACTIVE,), asks=RESTORE),
    _row(56, (P.ACTIVE,), (Refused, Errored), do.remove_forgotten, to=(P.REMOVED_OPEN,), asks=RESTORE, guard=when.refused),
    _row(56, (P.ACTIVE,), (Errored, Silent), do.doubt, to=(P.UNCONFIRMED,), asks=RESTORE),
    _row(53, (P.ACTIVE,), NeverLeft, do.ask_again, to=(P.ACTIVE,), asks=UNDO),
    _row(25, (P.ACTIVE,), NeverLeft, do.ask_again, to=(P.ACTIVE,), asks=RENEW),
    # A cancel's answer
    _row(9, (P.UNCONFIRMED,), CancelAccepted, do.cancel_confirmed, to=(P.CANCELED_CLOSED,), asks=CANCEL),
    _row(10, (P.UNCONFIRMED,), CancelRejected, do.settle_unknown, to=(P.FAILED_OPEN, P.CANCELED_OPEN, P.REMOVED_OPEN), asks=CANCEL),
    _row(11, (P.ACTIVE,), CancelAccepted, do.cancel_confirmed, to=(P.CANCELED_CLOSED,), asks=CANCEL),
    _row(12, (P.ACTIVE,), CancelRejected, do.settle_active, to=(P.EXPIRED_OPEN, P.REMOVED_OPEN), asks=CANCEL),
    _row(13, (P.USED_UNPROVEN,), CancelAccepted, do.cancel_confirmed, to=(P.CANCELED_CLOSED,), asks=CANCEL),
    _row(13, (P.USED_UNPROVEN,), CancelRejected, do.drop_wish_of_unknown, to=(P.USED_UNPROVEN,), asks=CANCEL),
    _row(14, (P.USED_PROVEN,), CancelAccepted, do.nothing, to=(P.USED_PROVEN,), asks=CANCEL, guard=when.used_before_cancel, anomaly=True),
    _row(14, (P.USED_PROVEN,), CancelAccepted, do.cancel_confirmed, to=(P.CANCELED_CLOSED,), asks=CANCEL),
    _row(14, (P.USED_PROVEN,), CancelRejected, do.nothing, to=(P.USED_PROVEN,), asks=CANCEL),
    _row(15, OPEN_ENDS, CancelAccepted, do.close, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED, P.FAILED_CLOSED, P.CANCELED_CLOSED), asks=CANCELS),
    _row(15, OPEN_ENDS, CancelRejected, do.nothing, to=OPEN_ENDS, asks=CANCELS),
    _row(16, CLOSED_BUT_USED, CancelAccepted, do.nothing, to=CLOSED_BUT_USED, asks=CANCELS, anomaly=True),
    _row(16, CLOSED_BUT_USED, CancelRejected, do.nothing, to=CLOSED_BUT_USED, asks=CANCELS),
    _row(25, (P.ACTIVE,), (Errored, Silent), do.end_not_renewed, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED), asks=CANCEL, guard=when.report_held),
    _row(18, CANCELABLE, Errored, do.cannot_cancel, to=CANCELABLE, asks=CANCEL, guard=when.action_unknown),
    _row(17, CANCELABLE, (Errored, Silent, NeverLeft), do.ask_again, to=CANCELABLE, asks=CANCEL, guard=when.no_repeat_set),
    _row(17, CANCELABLE, Errored, do.nothing, to=CANCELABLE, asks=CANCEL),
    _row(15, CLEANABLE, Errored, do.nothing, to=CLEANABLE, asks=CLEAN_UP, guard=when.action_unknown),
    _row(15, CLEANABLE, Errored, do.ask_again, to=CLEANABLE, asks=CLEAN_UP, guard=when.no_repeat_set),
    _row(15, CLEANABLE, (Silent, NeverLeft), do.ask_again, to=CLEANABLE, asks=CLEAN_UP, quiet=True),
    # The driver's wish
    _row(19, (P.PENDING,), CancelOrdered, do.wish, to=(P.PENDING,)),
    _row(20, CANCELABLE, CancelOrdered, do.wish, to=CANCELABLE),
    _row(59, (P.PENDING, P.ACTIVE, P.USED_UNPROVEN), CancelWithdrawn, do.drop_wish, to=(P.PENDING, P.ACTIVE, P.USED_UNPROVEN), guard=when.wish_unsent),
    # Late answers to ends
    _row(22, ENDS_BUT_USED, Accepted, do.clean_up_ghost, to=ENDS_BUT_USED, asks=RESERVES),
    _row(45, (P.EXPIRED_OPEN,), Refused, do.refuse, to=(P.REFUSED,), asks=FIRST, guard=when.never_active),
    _row(45, (P.EXPIRED_OPEN,), Errored, do.refuse_by_error, to=(P.REFUSED,), asks=FIRST, guard=when.never_active_not_executed),
    _row(46, (P.FAILED_OPEN, P.CANCELED_OPEN), Refused, do.close, to=(P.FAILED_CLOSED, P.CANCELED_CLOSED), asks=RESERVES),
    _row(46, (P.FAILED_OPEN, P.CANCELED_OPEN), Errored, do.close, to=(P.FAILED_CLOSED, P.CANCELED_CLOSED), asks=RESERVES, guard=when.not_executed),
    # The station's reports
    _row(23, (P.ACTIVE, P.USED_UNPROVEN), REPORTS, do.hold_report, to=(P.ACTIVE, P.USED_UNPROVEN), guard=when.replacement_open),
    _row(25, (P.ACTIVE,), REPORTS, do.renew, to=(P.ACTIVE,), guard=when.reported_of_old_terms),
    _row(23, (*LIVE, P.USED_UNPROVEN), REPORTS, do.end_as_reported, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED)),
    _row(26, (P.USED_PROVEN,), REPORTS, do.nothing, to=(P.USED_PROVEN,), anomaly=True),
    _row(27, (P.CANCELED_OPEN,), REPORTS, do.close, to=(P.CANCELED_CLOSED,)),
    _row(27, OPEN_ENDS, REPORTS, do.end_as_reported, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED)),
    _row(28, CLOSED_BUT_USED, REPORTS, do.nothing, to=CLOSED_BUT_USED),
    # Use
    _row(29, LIVE, TransactionNamed, do.use, to=(P.USED_PROVEN, P.USED_UNPROVEN)),
    _row(29, (P.USED_PROVEN, P.USED_UNPROVEN), Accepted, do.note_accepted, to=(P.USED_PROVEN, P.USED_UNPROVEN), asks=FIRST),
    _row(30, (P.USED_UNPROVEN,), TransactionNamed, do.use, to=(P.USED_PROVEN,), guard=when.same_transaction_proven),
    _row(31, (P.USED_UNPROVEN,), TransactionNamed, do.mark_mismatch, to=(P.USED_UNPROVEN,), guard=when.same_transaction_foreign),
    _row(32, (P.USED_UNPROVEN,), TransactionNamed, do.rebind, to=(P.USED_PROVEN, P.USED_UNPROVEN), guard=when.other_transaction),
    _row(29, (P.USED_UNPROVEN,), TransactionNamed, do.nothing, to=(P.USED_UNPROVEN,), quiet=True),
    _row(30, (P.USED_UNPROVEN,), TokenSeen, do.prove, to=(P.USED_PROVEN,), guard=when.bound_and_proven),
    _row(31, (P.USED_UNPROVEN,), TokenSeen, do.mark_mismatch, to=(P.USED_UNPROVEN,), guard=when.bound_and_foreign),
    _row(33, (P.USED_UNPROVEN,), TransactionEnded, do.give_back, to=(P.ACTIVE, *OPEN_ENDS, P.USED_UNPROVEN), guard=when.bound_and_clean),
    _row(34, (P.USED_UNPROVEN,), TransactionEnded, do.leave_unproven, to=(P.USED_UNPROVEN,), guard=when.bound),
    _row(35, (P.USED_PROVEN,), TransactionNamed, do.nothing, to=(P.USED_PROVEN,), guard=when.same_transaction, quiet=True),
    _row(35, (P.USED_PROVEN,), TransactionNamed, do.nothing, to=(P.USED_PROVEN,), anomaly=True),
    _row(35, (P.USED_PROVEN,), (TokenSeen, TransactionEnded), do.nothing, to=(P.USED_PROVEN,), quiet=True),
    _row(36, OPEN_ENDS, TransactionNamed, do.use_after_end, to=(P.USED_PROVEN, P.USED_UNPROVEN), guard=when.in_time),
    _row(37, OPEN_ENDS, TransactionNamed, do.nothing, to=OPEN_ENDS, anomaly=True),
    _row(38, (P.EXPIRED_CLOSED, P.REMOVED_CLOSED), TransactionNamed, do.use_after_end, to=(P.USED_PROVEN,), guard=when.reserved_and_in_time),
    _row(39, (P.EXPIRED_CLOSED, P.REMOVED_CLOSED), TransactionNamed, do.nothing, to=(P.EXPIRED_CLOSED, P.REMOVED_CLOSED), anomaly=True),
    _row(40, (P.REFUSED, P.FAILED_CLOSED), TransactionNamed, do.nothing, to=(P.REFUSED, P.FAILED_CLOSED), anomaly=True),
    _row(41, (P.CANCELED_CLOSED,), TransactionNamed, do.use_after_end, to=(P.USED_PROVEN,), guard=when.reserved_before_cancel),
    _row(41, (P.CANCELED_CLOSED,), TransactionNamed, do.nothing, to=(P.CANCELED_CLOSED,), anomaly=True),
    _row(54, (P.USED_UNPROVEN,), Accepted, do.adopt_terms, to=(P.USED_UNPROVEN,), asks=REPLACE),
    _row(54, (P.USED_UNPROVEN,), (Errored, Silent), do.nothing, to=(P.USED_UNPROVEN,), asks=REPLACE, guard=when.outcome_unknown),
    _row(54, (P.USED_UNPROVEN,), (NeverLeft, Errored, Refused), do.drop_replacement, to=(P.USED_UNPROVEN,), asks=REPLACE),
    _row(54, (P.USED_PROVEN,), (Accepted, NeverLeft, Errored, Refused, Silent), do.nothing, to=(P.USED_PROVEN,), asks=REPLACE),
    # The sweep
    _row(43, (P.PENDING,), SweepDue, do.nothing, to=(P.PENDING,), quiet=True),
    _row(43, (P.USED_UNPROVEN,), SweepDue, do.release_claim, to=(P.USED_UNPROVEN,), quiet=True),
    _row(44, (P.ACTIVE, P.UNCONFIRMED), SweepDue, do.expire_by_sweep, to=(P.EXPIRED_OPEN,), guard=when.no_ask_open),
    _row(44, (P.ACTIVE, P.UNCONFIRMED), SweepDue, do.nothing, to=(P.ACTIVE, P.UNCONFIRMED), quiet=True),
)
# fmt: on
UNLISTED: Final = Row(number=58, phases=tuple(Phase), facts=(), then=do.nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a fact made of a reservation: store it whole, in one transaction.

    ``transition`` is None where nothing worth a history row happened; ``answered`` is the message id of the ask that the
    station answered, in time or late.
    """

    reservation: Reservation
    transition: Transition | None = None
    events: tuple[Event, ...] = ()
    changed: bool = True
    answered: MessageId | None = None


def find_row(reservation: Reservation, fact: Fact) -> Row:
    """The rule that fits, or row 58."""
    phase, kind = reservation.phase, type(fact)
    ask_kind = fact.ask.kind if isinstance(fact, OfAsk) else None
    for row in TRANSITIONS:
        if (
            phase in row.phases
            and kind in row.facts
            and (not row.asks or ask_kind in row.asks)
            and row.guard(reservation, fact)
        ):
            return row
    return UNLISTED


def advance(before: Reservation, fact: Fact, heard: Heard) -> Step:
    """What this fact makes of the reservation. Never raises, never asks anybody; the same fact twice changes nothing the second time.

    Args:
        before: As stored.
        fact: What happened.
        heard: When by our clock, by whom, and in which frames.
    """
    reservation, is_open = _close_ask(before, fact)
    if isinstance(fact, Silent | NeverLeft) and not is_open:
        # The ask has ended otherwise: its real answer was faster.
        return Step(reservation=before, changed=False)
    row = find_row(reservation, fact)
    after = row.then(reservation, fact, heard)
    answered = fact.ask.message_id if isinstance(fact, OfAsk) and not isinstance(fact, Silent | NeverLeft) else None
    if after == before:
        return Step(
            reservation=before,
            transition=None if row.quiet else _history(before, after, fact, heard, row),
            changed=False,
            answered=answered,
        )
    after = replace(after, updated_at=heard.at, version=before.version + 1)
    transition = None if row.quiet else _history(before, after, fact, heard, row)
    return Step(reservation=after, transition=transition, events=_told(before, after, heard), answered=answered)


def created(reservation: Reservation, heard: Heard) -> Step:
    """Row 1: the step that stores a new Pending reservation, with its ask open, before the station is asked."""
    transition = Transition(
        from_state=None, to_state=reservation.state, fact="ReserveOrdered", row=1, cause=None, by=heard.by, at=heard.at
    )
    return Step(reservation=reservation, transition=transition)


def asked(reservation: Reservation) -> Step:
    """The step that stores an opened ask: no transition, nothing told."""
    return Step(reservation=reservation)


def asking(step: Step, ask: Ask) -> Step:
    """The same step with this order open: what is wished and what is asked for it are stored in one."""
    events = tuple(replace(one, asked=True) if isinstance(one, OrderDue) else one for one in step.events)
    return replace(step, reservation=with_ask(step.reservation, ask), events=events, changed=True)


def _close_ask(reservation: Reservation, fact: Fact) -> tuple[Reservation, bool]:
    """The reservation without the ask that this fact ends, and whether it was the open one."""
    if not isinstance(fact, OfAsk):
        return reservation, False
    if reservation.ask is None or reservation.ask.message_id != fact.ask.message_id:
        return reservation, False
    closed = replace(reservation, ask=None)
    if isinstance(fact, NeverLeft):
        return closed if fact.ask.kind.is_cancel else replace(closed, reserves_sent=closed.reserves_sent - 1), True
    if fact.ask.kind is not AskKind.CANCEL:
        return closed, True
    # Row 4: an answer ends the doubt, silence begins it; an error that proves non-execution says nothing of earlier cancels.
    if isinstance(fact, Errored) and fact.proves_non_execution:
        return closed, True
    in_doubt = isinstance(fact, Silent | Errored)
    return replace(closed, cancel_sent_at=fact.ask.sent_at, cancel_in_doubt=in_doubt), True


def _history(before: Reservation, after: Reservation, fact: Fact, heard: Heard, row: Row) -> Transition:
    return Transition(
        from_state=before.state,
        to_state=after.state,
        fact=type(fact).__name__,
        row=row.number,
        cause=cause_of(fact) or (after.cause if after.state is not before.state else None),
        by=heard.by,
        at=heard.at,
        frames=heard.frames,
        anomaly=row.anomaly,
        status_info=status_info_of(fact),
    )


_TOLD_BY_STATE: Final = {
    State.ACTIVE: "reservation.accepted",
    State.UNCONFIRMED: "reservation.unconfirmed",
    State.USED: "reservation.used",
    State.EXPIRED: "reservation.expired",
    State.CANCELED: "reservation.canceled",
    State.REMOVED: "reservation.removed",
    State.REFUSED: "reservation.refused",
    State.FAILED: "reservation.failed",
}


def _told(before: Reservation, after: Reservation, heard: Heard) -> tuple[Event, ...]:
    """The events of one change, in order; the order that it leaves to be sent, or has dropped, comes last."""
    events: list[Event] = []
    name = _name(before, after)
    if name is not None:
        events.append(ReservationChanged(name=name, at=heard.at, cause=after.cause, reservation=after))
    is_due = after.due is not None and (after.due, after.retry_at) != (before.due, before.retry_at)
    is_dropped = name is None and before.cancel_requested_at is not None and after.cancel_requested_at is None
    if is_due or is_dropped:
        not_before = after.retry_at or heard.at
        events.append(
            OrderDue(at=heard.at, station_id=after.station_id, reservation_id=after.id, not_before=not_before)
        )
    return tuple(events)


def _name(before: Reservation, after: Reservation) -> str | None:
    if after.state is State.ACTIVE and after.terms != before.terms:
        return "reservation.replaced"
    if after.state is not before.state:
        return (
            "reservation.reactivated"
            if before.state is State.USED and after.state is State.ACTIVE
            else _TOLD_BY_STATE[after.state]
        )
    proven_now = after.state is State.USED and after.proven and not before.proven
    return "reservation.used" if proven_now else None
