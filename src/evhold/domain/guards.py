"""The conditions of the table's rows. Pure; each says in one line when it holds."""

from collections.abc import Callable
from typing import Final

from evhold.domain.effects import TAKEN_ANEW, UNPROVEN
from evhold.domain.facts import (
    CancelAccepted,
    Errored,
    Fact,
    Match,
    Refused,
    ReportedExpired,
    ReportedRemoved,
    Silent,
    TokenSeen,
    TransactionEnded,
    TransactionNamed,
)
from evhold.domain.reservation import Due, Reservation
from evhold.domain.values import AskKind

Guard = Callable[[Reservation, Fact], bool]

#: Orders that ask for what the station held, or may have told the end of.
_ASKED_ANEW: Final = TAKEN_ANEW | {AskKind.RENEW}


def always(reservation: Reservation, fact: Fact) -> bool:
    """In every case."""
    return True


def cancel_in_doubt(reservation: Reservation, fact: Fact) -> bool:
    """A cancel was sent, and is open or went unanswered."""
    is_open = reservation.ask is not None and reservation.ask.kind is AskKind.CANCEL
    return is_open or reservation.cancel_in_doubt


def wish_unsent(reservation: Reservation, fact: Fact) -> bool:
    """A wish to cancel is kept, and no cancel may have reached the station."""
    return reservation.cancel_requested_at is not None and not cancel_in_doubt(reservation, fact)


def undoubted(reservation: Reservation, fact: Fact) -> bool:
    """No cancel is in doubt."""
    return not cancel_in_doubt(reservation, fact)


def not_executed(reservation: Reservation, fact: Fact) -> bool:
    """The CALLERROR proves that the station did nothing."""
    return isinstance(fact, Errored) and fact.proves_non_execution


def maybe_executed(reservation: Reservation, fact: Fact) -> bool:
    """The CALLERROR proves nothing."""
    return isinstance(fact, Errored) and not fact.proves_non_execution


def outcome_unknown(reservation: Reservation, fact: Fact) -> bool:
    """Silence, or a CALLERROR that proves nothing."""
    return isinstance(fact, Silent) or maybe_executed(reservation, fact)


def not_executed_undoubted(reservation: Reservation, fact: Fact) -> bool:
    """The CALLERROR proves that the station did nothing, and no cancel is in doubt."""
    return not_executed(reservation, fact) and undoubted(reservation, fact)


def refused(reservation: Reservation, fact: Fact) -> bool:
    """Refused with a status, or by a CALLERROR that proves non-execution."""
    return isinstance(fact, Refused) or not_executed(reservation, fact)


def refused_and_reported(reservation: Reservation, fact: Fact) -> bool:
    """Refused, and a report of its end had come while the station was asked."""
    return refused(reservation, fact) and report_held(reservation, fact)


def refused_but_reserved(reservation: Reservation, fact: Fact) -> bool:
    """Refused, yet every connector of the reserved EVSE is still Reserved."""
    return refused(reservation, fact) and isinstance(fact, Refused | Errored) and fact.still_reserved


def action_unknown(reservation: Reservation, fact: Fact) -> bool:
    """The station does not know CancelReservation."""
    return isinstance(fact, Errored) and fact.code in ("NotImplemented", "NotSupported")


def never_active(reservation: Reservation, fact: Fact) -> bool:
    """It was never Active."""
    return not reservation.was_active


def never_active_not_executed(reservation: Reservation, fact: Fact) -> bool:
    """It was never Active, and the CALLERROR proves that the station did nothing."""
    return never_active(reservation, fact) and not_executed(reservation, fact)


def free_for_replace(reservation: Reservation, fact: Fact) -> bool:
    """No ask and no wish is open, nothing is due, and no earlier replacement's outcome is unknown."""
    idle = reservation.ask is None and reservation.due is None and reservation.replacement is None
    return idle and reservation.cancel_requested_at is None


def no_ask_open(reservation: Reservation, fact: Fact) -> bool:
    """No ask is open."""
    return reservation.ask is None


def no_repeat_set(reservation: Reservation, fact: Fact) -> bool:
    """No ask is open, and no repeat of one is set: it is the open one that ended."""
    return reservation.ask is None and reservation.retry_at is None


def replacement_open(reservation: Reservation, fact: Fact) -> bool:
    """A replacement waits for the station's answer."""
    return reservation.ask is not None and reservation.ask.kind is AskKind.REPLACE


def report_held(reservation: Reservation, fact: Fact) -> bool:
    """A report came while the replacement was open."""
    return reservation.held_report is not None


def reported_of_old_terms(reservation: Reservation, fact: Fact) -> bool:
    """It was replaced or taken anew before, or is just being, and not renewed since; the current expiry is still ahead."""
    renewing = reservation.follow is Due.RENEW or (reservation.ask is not None and reservation.ask.kind in _ASKED_ANEW)
    is_ahead = isinstance(fact, ReportedExpired | ReportedRemoved) and fact.at < reservation.terms.expiry
    return is_ahead and (reservation.was_replaced or renewing)


def same_transaction(reservation: Reservation, fact: Fact) -> bool:
    """The transaction that it is bound to."""
    return isinstance(fact, TransactionNamed) and fact.transaction_id == reservation.transaction_id


def other_transaction(reservation: Reservation, fact: Fact) -> bool:
    """Another transaction than the one it is bound to."""
    return not same_transaction(reservation, fact)


def same_transaction_proven(reservation: Reservation, fact: Fact) -> bool:
    """The same transaction, and it showed the reserved token or its group."""
    return same_transaction(reservation, fact) and isinstance(fact, TransactionNamed) and fact.match is Match.RESERVED


def same_transaction_foreign(reservation: Reservation, fact: Fact) -> bool:
    """The same transaction, and this event shows a foreign token."""
    return same_transaction(reservation, fact) and isinstance(fact, TransactionNamed) and fact.match is Match.FOREIGN


def bound(reservation: Reservation, fact: Fact) -> bool:
    """A fact of the transaction that it is bound to."""
    return isinstance(fact, TokenSeen | TransactionEnded) and fact.transaction_id == reservation.transaction_id


def bound_and_proven(reservation: Reservation, fact: Fact) -> bool:
    """The bound transaction showed the reserved token or its group."""
    return bound(reservation, fact) and isinstance(fact, TokenSeen) and fact.match is Match.RESERVED


def bound_and_foreign(reservation: Reservation, fact: Fact) -> bool:
    """The bound transaction showed a foreign token."""
    return bound(reservation, fact) and isinstance(fact, TokenSeen) and fact.match is Match.FOREIGN


def bound_and_clean(reservation: Reservation, fact: Fact) -> bool:
    """The bound transaction ended clean: nobody charged, nobody was accepted; and it had not ended unclean before."""
    is_clean = isinstance(fact, TransactionEnded) and fact.clean
    return is_clean and bound(reservation, fact) and reservation.cause != UNPROVEN


def in_time(reservation: Reservation, fact: Fact) -> bool:
    """Stamped before expiry + EVConnectionTimeOut + 5 s; the later expiry where a replacement was never answered."""
    held = (reservation.terms, reservation.replacement)
    return isinstance(fact, TransactionNamed) and any(terms is not None and fact.in_time(terms) for terms in held)


def reserved_and_in_time(reservation: Reservation, fact: Fact) -> bool:
    """In time, and the reserved token or its group was seen."""
    return in_time(reservation, fact) and isinstance(fact, TransactionNamed) and fact.match is Match.RESERVED


def reserved_before_cancel(reservation: Reservation, fact: Fact) -> bool:
    """The reserved token or its group was seen in an event stamped before our cancel was sent."""
    if not isinstance(fact, TransactionNamed) or fact.match is not Match.RESERVED or reservation.cancel_sent_at is None:
        return False
    return fact.stamp < reservation.cancel_sent_at + fact.clock_offset


def used_before_cancel(reservation: Reservation, fact: Fact) -> bool:
    """The use was stamped before the cancel was sent."""
    if not isinstance(fact, CancelAccepted) or reservation.used_at is None:
        return False
    return reservation.used_at < fact.ask.sent_at + fact.clock_offset
