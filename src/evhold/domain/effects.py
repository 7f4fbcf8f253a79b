"""What the table's rows do. Pure: a reservation and a fact in, the reservation after it out; history is ``transitions``' work."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from evhold.domain.facts import (
    CancelRejected,
    Fact,
    Match,
    OfAsk,
    Refused,
    ReplaceOrdered,
    ReportedExpired,
    ReportedRemoved,
    TokenSeen,
    TransactionEnded,
    TransactionNamed,
    cause_of,
    status_info_of,
)
from evhold.domain.reservation import Due, End, Reservation, State
from evhold.domain.values import AskKind, Heard

Effect = Callable[[Reservation, Fact, Heard], Reservation]

FIRST_RETRY: Final = timedelta(seconds=5)
LAST_RETRY: Final = timedelta(minutes=5)
REQUESTED: Final = "requested"
RETRACTED: Final = "retracted"
UNKNOWN_AT_STATION: Final = "unknown-at-station"
UNPROVEN: Final = "unproven"
#: Orders that a station answers by taking again what it may have told the end of.
TAKEN_ANEW: Final = frozenset({AskKind.UNDO, AskKind.RESTORE})
_FOLLOWS: Final = {AskKind.UNDO: Due.UNDO, AskKind.RENEW: Due.RENEW, AskKind.CLEAN_UP: Due.CLEAN_UP}


def nothing(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Unchanged."""
    return reservation


def _end(reservation: Reservation, state: State, *, cause: str | None, confirmed: bool) -> Reservation:
    """An end: nothing waits any more, nothing is claimed, no transaction is bound."""
    ended = replace(reservation, state=state, cause=cause, confirmed=confirmed, replacement=None, held_report=None)
    return _unbind(replace(ended, follow=None, attempts=0, retry_at=None, wish_waits=False, keeps_claim=False))


def _open_end(reservation: Reservation, state: State, *, cause: str | None) -> Reservation:
    """An end without the station's word: a replacement that was never answered may still be what a late use speaks of."""
    ended = _end(reservation, state, cause=cause, confirmed=False)
    return replace(ended, replacement=reservation.replacement)


def _unbind(reservation: Reservation) -> Reservation:
    return replace(
        reservation,
        transaction_id=None,
        used_evse_id=None,
        used_by=None,
        used_at=None,
        proven=False,
        token_mismatch=False,
        came_from=None,
    )


# --- the first ReserveNow


def fail_unsent(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Failed, or Canceled where a cancel was ordered: nothing reached the station."""
    if reservation.cancel_requested_at is not None:
        return _end(reservation, State.CANCELED, cause=REQUESTED, confirmed=True)
    return _end(reservation, State.FAILED, cause=cause_of(fact), confirmed=True)


def activate(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Active: the station holds it by the terms of this answer."""
    ask = fact.ask if isinstance(fact, OfAsk) else None
    active = replace(reservation, state=State.ACTIVE, cause=None, was_active=True, attempts=0, retry_at=None)
    active = replace(
        active, ocpp_status="Accepted", status_info=status_info_of(fact), cancel_in_doubt=False, accepted_kept=False
    )
    if ask is not None and ask.kind is AskKind.RENEW:
        return replace(active, was_replaced=False, held_report=None)
    if ask is None or ask.kind not in TAKEN_ANEW:
        return active
    if active.held_report is not None:
        return replace(active, follow=Due.RENEW, was_replaced=False)
    # Taken anew: the report of an earlier hold's end may still be on its way (row 25).
    return replace(active, was_replaced=True)


def note_accepted(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The use overtook the answer: the status that the station gave is kept all the same."""
    return replace(reservation, ocpp_status="Accepted", status_info=status_info_of(fact))


def keep_accepted(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Still Unconfirmed: the cancel's answer decides, and nobody is told Active for a moment."""
    return replace(reservation, accepted_kept=True)


def refuse(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Refused, with the station's status and words."""
    status = fact.status if isinstance(fact, Refused) else None
    refused = replace(reservation, ocpp_status=status, status_info=status_info_of(fact))
    return _end(refused, State.REFUSED, cause=None, confirmed=True)


def refuse_by_error(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Refused by a CALLERROR: no status, the code as cause."""
    return _end(replace(reservation, ocpp_status=None), State.REFUSED, cause=cause_of(fact), confirmed=True)


def doubt(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Unconfirmed: asked, outcome unknown; a retraction is due."""
    doubted = replace(reservation, state=State.UNCONFIRMED, cause=cause_of(fact), follow=None, held_report=None)
    return replace(doubted, attempts=0, retry_at=None)


# --- replacements and repeats


def propose_replacement(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Old and new terms side by side, the ask open."""
    assert isinstance(fact, ReplaceOrdered)
    return replace(reservation, replacement=fact.ask.terms, ask=fact.ask, reserves_sent=reservation.reserves_sent + 1)


def adopt_replacement(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Active with the new terms; a report of the old ones means nothing now."""
    return activate(adopt_terms(reservation, fact, heard), fact, heard)


def adopt_terms(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The new terms are in force, in whatever state."""
    assert isinstance(fact, OfAsk)
    terms = fact.ask.terms or reservation.terms
    return replace(reservation, terms=terms, replacement=None, was_replaced=True, held_report=None)


def drop_replacement(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The old terms hold."""
    return replace(reservation, replacement=None, held_report=None)


def keep_old_terms(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Active with the old terms."""
    return replace(
        drop_replacement(reservation, fact, heard), state=State.ACTIVE, cause=None, attempts=0, retry_at=None
    )


def undo_replacement(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Active; the old terms are asked for once more, as some stations drop them before they refuse the new ones."""
    return replace(keep_old_terms(reservation, fact, heard), follow=Due.UNDO)


def apply_held_report(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The replacement did not come true: the report of the old terms counts."""
    assert reservation.held_report is not None
    return _end(reservation, reservation.held_report, cause=None, confirmed=True)


def end_not_renewed(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The report that looked like one of an earlier hold counts; without one known any more it expired.

    Some refuse an id, or an EVSE, that they hold for it: one clean-up cancel, so that nothing is left held.
    """
    ended = _end(reservation, reservation.held_report or State.EXPIRED, cause=None, confirmed=True)
    return replace(ended, follow=Due.CLEAN_UP)


def remove_forgotten(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Removed: the station forgot it and won't take it again; one clean-up cancel."""
    return replace(_end(reservation, State.REMOVED, cause=UNKNOWN_AT_STATION, confirmed=False), follow=Due.CLEAN_UP)


# --- cancels


def wish(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The wish to cancel is kept; it is sent when the station is registered and no ask is open."""
    requested_at = reservation.cancel_requested_at or heard.at
    return replace(
        reservation, cancel_requested_at=requested_at, cancel_requested_by=heard.by, wish_waits=False, retry_at=None
    )


def drop_wish(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The wish is gone; the state stays."""
    dropped = replace(reservation, cancel_requested_at=None, cancel_requested_by=None, wish_waits=False)
    return replace(dropped, cancel_in_doubt=False, attempts=0, retry_at=None)


def drop_wish_of_unknown(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The wish is gone, and the station holds none: should the use end clean, there is nothing to go back to."""
    end = reservation.came_from or End(State.REMOVED, UNKNOWN_AT_STATION)
    return replace(drop_wish(reservation, fact, heard), came_from=end)


def ask_again(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The same order again with a new message id, 5 s to 5 min later."""
    assert isinstance(fact, OfAsk)
    wait = min(FIRST_RETRY * 2 ** min(reservation.attempts, 10), LAST_RETRY)
    follow = _FOLLOWS.get(fact.ask.kind, reservation.follow)
    return replace(reservation, attempts=reservation.attempts + 1, retry_at=heard.at + wait, follow=follow)


def cannot_cancel(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The station does not know CancelReservation: no repeat. Unconfirmed waits for the sweep."""
    if reservation.state is State.UNCONFIRMED:
        return replace(reservation, no_retract=True)
    return drop_wish(reservation, fact, heard)


def cancel_confirmed(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Canceled by the station's word: by the driver's wish, or by our retraction."""
    assert isinstance(fact, OfAsk)
    cause = REQUESTED if reservation.cancel_requested_by is not None else RETRACTED
    return replace(_end(reservation, State.CANCELED, cause=cause, confirmed=True), cancel_sent_at=fact.ask.sent_at)


def settle_unknown(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Unconfirmed, and the station knows it not: Removed if it had been held, Canceled if the driver asked, else Failed."""
    if reservation.was_active or reservation.accepted_kept:
        removed = _open_end(reservation, State.REMOVED, cause=UNKNOWN_AT_STATION)
        return replace(removed, follow=Due.CLEAN_UP if reservation.accepted_kept else None)
    if reservation.cancel_requested_at is not None:
        return _end(reservation, State.CANCELED, cause=REQUESTED, confirmed=False)
    return _end(reservation, State.FAILED, cause=UNKNOWN_AT_STATION, confirmed=False)


def settle_active(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Active here, unknown there: past its expiry it expired, else it was removed; a use may still be queued."""
    assert isinstance(fact, CancelRejected)
    if fact.station_now >= reservation.terms.expiry:
        return _end(reservation, State.EXPIRED, cause=None, confirmed=False)
    return _end(reservation, State.REMOVED, cause=UNKNOWN_AT_STATION, confirmed=False)


def close(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The same end, now closed by the station's word."""
    return replace(reservation, confirmed=True, replacement=None, follow=None, attempts=0, retry_at=None)


def clean_up_ghost(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The station took it after all: that is kept, with its terms, and one clean-up cancel, unless it is past its expiry."""
    taken = fact.ask.terms if isinstance(fact, OfAsk) and fact.ask.terms else reservation.terms
    if heard.at >= taken.expiry:
        return reservation
    # By these terms a clean-up is due until their expiry, and a use is in time.
    other = reservation.replacement if taken == reservation.terms else taken
    return replace(reservation, accepted_kept=True, replacement=other, follow=Due.CLEAN_UP, attempts=0, retry_at=None)


# --- the station's reports


def _reported(fact: Fact) -> State:
    return State.EXPIRED if isinstance(fact, ReportedExpired) else State.REMOVED


def hold_report(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The report waits for the answer to what is asked."""
    return replace(reservation, held_report=_reported(fact))


def renew(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The report is of the old terms: the current ones are asked for once more; the same report again asks no more."""
    kind = reservation.ask.kind if reservation.ask is not None else None
    if kind is AskKind.RENEW:
        return reservation
    held = hold_report(reservation, fact, heard)
    if kind in TAKEN_ANEW:
        # Which of the two came first the station alone knows: it is asked once it has answered.
        return held
    return replace(held, follow=Due.RENEW, was_replaced=False, attempts=0, retry_at=None)


def end_as_reported(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Expired or Removed by the station's word."""
    assert isinstance(fact, ReportedExpired | ReportedRemoved)
    ended = _end(reservation, _reported(fact), cause=None, confirmed=True)
    if reservation.accepted_kept and reservation.replacement is not None:
        # Of the old terms: the new ones were taken (row 4), and are a ghost's as in row 22.
        return replace(ended, replacement=reservation.replacement, follow=Due.CLEAN_UP)
    return ended


# --- use


def _bind(reservation: Reservation, fact: TransactionNamed) -> Reservation:
    """Used by this transaction; proven by the reserved token or its group, or by a foreign token in the same event."""
    used = replace(reservation, state=State.USED, cause=None, confirmed=fact.match is not Match.NONE)
    used = replace(
        used, transaction_id=fact.transaction_id, used_evse_id=fact.evse_id or used.used_evse_id, used_at=fact.stamp
    )
    used = replace(
        used, proven=fact.match is not Match.NONE, token_mismatch=fact.match is Match.FOREIGN, used_by=fact.id_token
    )
    return _proven(used) if used.proven else used


def _proven(reservation: Reservation) -> Reservation:
    """A proven use drops wish, claims and replacement. A ReserveNow beyond the first may have made a second hold: clean up."""
    follow = Due.CLEAN_UP if reservation.reserves_sent > 1 else None
    proven = replace(
        reservation, proven=True, confirmed=True, cause=None, came_from=None, keeps_claim=False, follow=follow
    )
    proven = replace(proven, replacement=None, held_report=None, wish_waits=False, attempts=0, retry_at=None)
    return replace(proven, cancel_requested_at=None)


def use(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Used; while unproven it keeps its claim, and a wish that was not yet sent waits for the transaction's end."""
    assert isinstance(fact, TransactionNamed)
    used = _bind(reservation, fact)
    if used.proven:
        return used
    sent = reservation.cancel_in_doubt or (reservation.ask is not None and reservation.ask.kind is AskKind.CANCEL)
    waits = reservation.cancel_requested_at is not None and not sent
    return replace(used, keeps_claim=True, wish_waits=waits, follow=None, was_active=True)


def rebind(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Bound to the new transaction; the old one's end means nothing now."""
    assert isinstance(fact, TransactionNamed)
    return _bind(reservation, fact)


def prove(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """The reserved token, or its group, was presented in the bound transaction."""
    assert isinstance(fact, TokenSeen)
    # In whatever order the tokens came: the reserved one is proof, and a foreign one beside it no mismatch.
    return _proven(replace(reservation, used_by=fact.id_token, used_at=fact.stamp, token_mismatch=False))


def mark_mismatch(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """A foreign token in another event: noted, the end decides."""
    return replace(reservation, token_mismatch=True)


def use_after_end(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """A use in time corrects the end; unproven it takes no claim, and remembers where it came from."""
    assert isinstance(fact, TransactionNamed)
    end = End(state=reservation.state, cause=reservation.cause)
    used = _bind(replace(reservation, cancel_requested_at=None, cancel_requested_by=None), fact)
    return used if used.proven else replace(used, came_from=end, follow=None)


def give_back(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Nobody charged: Active again if its expiry is ahead, else the end it would have had."""
    if (end := reservation.came_from) is not None:
        return _open_end(reservation, end.state, cause=end.cause)
    # As the sweep does, by the station's clock: it decides how long it holds the EVSE.
    offset = fact.clock_offset if isinstance(fact, TransactionEnded) else timedelta()
    if heard.at + offset >= reservation.expiry:
        return _open_end(reservation, State.EXPIRED, cause=None)
    if not reservation.keeps_claim and reservation.terms.evse_id is not None:
        # Row 34 gave the EVSE free, another may hold it by now: no fact takes a claim.
        return leave_unproven(reservation, fact, heard)
    active = replace(_unbind(reservation), state=State.ACTIVE, cause=None, confirmed=False, wish_waits=False)
    return replace(active, keeps_claim=False, was_active=True, attempts=0, retry_at=None)


def leave_unproven(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Used by somebody, nobody knows whom; the claim is gone."""
    return replace(reservation, cause=UNPROVEN, keeps_claim=False)


# --- the sweep


def release_claim(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """An unproven use past its expiry and grace holds no EVSE any more; should it end clean, it expired."""
    end = reservation.came_from or End(State.EXPIRED, None)
    return replace(reservation, keeps_claim=False, came_from=end)


def expire_by_sweep(reservation: Reservation, fact: Fact, heard: Heard) -> Reservation:
    """Expired by our own clock, until the station says otherwise; wish and retraction are dropped."""
    return _open_end(drop_wish(reservation, fact, heard), State.EXPIRED, cause=None)
