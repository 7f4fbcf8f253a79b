"""Rows 9 to 21: the answers to CancelReservation, and the driver's wish."""

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import (
    AFTER,
    AT,
    CANCEL,
    CLEAN_UP,
    EXPIRY,
    KEEP,
    NEW,
    WISH,
    active,
    ask,
    asking,
    cancel_accepted,
    cancel_rejected,
    check,
    ended,
    errored,
    heard,
    in_phase,
    minutes,
    named,
    never_left,
    pending,
    silent,
    transaction_ended,
    unconfirmed,
    used,
    wishing,
)

from evhold.domain.effects import LAST_RETRY
from evhold.domain.facts import Match
from evhold.domain.reservation import Due, Phase
from evhold.domain.transitions import CANCELABLE, CLOSED_BUT_USED, OPEN_ENDS, advance
from evhold.domain.values import AskKind, By

ENDS = [phase for phase in Phase if phase not in (Phase.PENDING, *CANCELABLE)]
CLOSED = {
    Phase.EXPIRED_OPEN: Phase.EXPIRED_CLOSED,
    Phase.REMOVED_OPEN: Phase.REMOVED_CLOSED,
    Phase.FAILED_OPEN: Phase.FAILED_CLOSED,
    Phase.CANCELED_OPEN: Phase.CANCELED_CLOSED,
}


@pytest.mark.row(9)
def test_row_9_a_retraction_that_is_accepted_cancels():
    """It had existed; we took it back."""
    before = asking(unconfirmed())
    after = check(before, cancel_accepted(), row=9, to=Phase.CANCELED_CLOSED, told="canceled", cause="retracted")
    assert (after.confirmed, after.cancel_sent_at) == (True, CANCEL.sent_at)


@pytest.mark.row(9)
def test_row_9_the_drivers_cancel_says_so():
    """The same answer, but the driver had asked."""
    before = asking(wishing(unconfirmed()))
    check(before, cancel_accepted(), row=9, to=Phase.CANCELED_CLOSED, told="canceled", cause="requested")


@pytest.mark.row(10)
def test_row_10_a_retraction_that_is_rejected_fails():
    """Unknown at the station, but it may have been consumed unseen: an open end."""
    before = asking(unconfirmed())
    after = check(before, cancel_rejected(), row=10, to=Phase.FAILED_OPEN, told="failed", cause="unknown-at-station")
    assert not after.confirmed


@pytest.mark.row(10)
def test_row_10_the_drivers_cancel_that_is_rejected_cancels_openly():
    """The driver has what was asked for; the station's word is still missing."""
    before = asking(wishing(unconfirmed()))
    check(before, cancel_rejected(), row=10, to=Phase.CANCELED_OPEN, told="canceled", cause="requested")


@pytest.mark.row(10)
def test_row_10_what_had_been_active_was_removed():
    """A replacement went unanswered, and now the station knows nothing: both terms may still be spoken of."""
    before = asking(wishing(unconfirmed(was_active=True, replacement=NEW)))
    after = check(before, cancel_rejected(), row=10, to=Phase.REMOVED_OPEN, told="removed", cause="unknown-at-station")
    assert after.replacement == NEW


@pytest.mark.row(10)
def test_row_10_a_kept_accepted_makes_it_removed_and_cleans_up():
    """The Accepted may have been carried out after the cancel: one more cancel makes sure."""
    before = asking(unconfirmed(accepted_kept=True))
    check(
        before,
        cancel_rejected(),
        row=10,
        to=Phase.REMOVED_OPEN,
        told="removed due",
        cause="unknown-at-station",
        due=Due.CLEAN_UP,
    )


@pytest.mark.row(11)
@pytest.mark.req("H02.FR.02", "H02.FR.03")
def test_row_11_a_cancel_that_is_accepted_cancels_and_frees_the_evse():
    """By the station's word; nothing is claimed any more."""
    before = asking(wishing(active()))
    after = check(before, cancel_accepted(), row=11, to=Phase.CANCELED_CLOSED, told="canceled", cause="requested")
    assert after.confirmed


@pytest.mark.row(12)
@pytest.mark.req("H02.FR.01")
def test_row_12_cancel_rejected_before_the_expiry_removes():
    """The station holds none: it was removed, or consumed unseen."""
    before = asking(wishing(active()))
    fact = cancel_rejected(station_now=EXPIRY - timedelta(seconds=1))
    check(before, fact, row=12, to=Phase.REMOVED_OPEN, told="removed", cause="unknown-at-station")


@pytest.mark.row(12)
@pytest.mark.req("H02.FR.01")
def test_row_12_cancel_rejected_past_expiry_expires():
    """By the station's clock it had expired."""
    before = asking(wishing(active()))
    check(before, cancel_rejected(station_now=EXPIRY), row=12, to=Phase.EXPIRED_OPEN, told="expired")


@pytest.mark.row(13)
def test_row_13_cancel_accepted_shows_that_an_unproven_use_was_a_foreign_car():
    """The station still held it: Canceled, the transaction forgotten, the claim given up."""
    before = asking(wishing(used()))
    after = check(before, cancel_accepted(), row=13, to=Phase.CANCELED_CLOSED, told="canceled", cause="requested")
    assert (after.transaction_id, after.used_evse_id, after.used_at) == (None, None, None)


@pytest.mark.row(13)
def test_row_13_cancel_rejected_leaves_an_unproven_use_and_clears_the_wish():
    """It may well have been used."""
    before = asking(wishing(used(cancel_in_doubt=True)))
    after = check(before, cancel_rejected(), row=13, to=Phase.USED_UNPROVEN, told="due", claims=(1,))
    assert (after.cancel_requested_at, after.cancel_requested_by, after.cancel_in_doubt) == (None, None, False)


@pytest.mark.row(13, 33)
def test_row_13_after_a_rejected_cancel_a_clean_end_has_nothing_to_give_back():
    """The station said that it holds none: Removed, as open as any, and no longer Active."""
    told_so = advance(asking(wishing(used())), cancel_rejected(), heard()).reservation
    cause = "unknown-at-station"
    after = check(told_so, transaction_ended(clean=True), row=33, to=Phase.REMOVED_OPEN, told="removed", cause=cause)
    check(after, named(Match.RESERVED), row=36, to=Phase.USED_PROVEN, told="used")


@pytest.mark.row(13, 33)
def test_row_13_a_rejected_cancel_leaves_the_end_that_a_use_came_from():
    """What had expired before goes back to that."""
    in_use = advance(ended(Phase.EXPIRED_OPEN), named(Match.NONE), heard()).reservation
    told_so = advance(asking(wishing(in_use)), cancel_rejected(), heard()).reservation
    check(told_so, transaction_ended(clean=True), row=33, to=Phase.EXPIRED_OPEN, told="expired")


@pytest.mark.row(14)
@pytest.mark.parametrize("offset", [0, 10, -10])
def test_row_14_a_use_stamped_before_the_cancel_stays(offset):
    """The stamp is the station's, the sending ours: the learned offset lies between. The Accepted is an anomaly."""
    cancel = ask(AskKind.CANCEL, sent_at=AT + minutes(5))
    before = asking(used(proven=True, used_at=cancel.sent_at + minutes(offset) - timedelta(seconds=1)), cancel)
    check(before, cancel_accepted(cancel, offset=minutes(offset)), row=14, anomaly=True)


@pytest.mark.row(14)
@pytest.mark.parametrize("offset", [0, 10, -10])
def test_row_14_a_use_stamped_after_the_cancel_is_canceled(offset):
    """It was another car: the reservation was gone by then."""
    cancel = ask(AskKind.CANCEL, sent_at=AT + minutes(5))
    before = asking(used(proven=True, used_at=cancel.sent_at + minutes(offset)), cancel)
    fact = cancel_accepted(cancel, offset=minutes(offset))
    after = check(before, fact, row=14, to=Phase.CANCELED_CLOSED, told="canceled", cause="retracted")
    assert (after.proven, after.transaction_id) == (False, None)


@pytest.mark.row(14)
def test_row_14_the_cancel_is_remembered_as_the_drivers():
    """The proven use had dropped the wish, not who wished."""
    before = asking(wishing(active()))
    in_use = advance(before, named(stamp=AT + minutes(1)), heard()).reservation
    assert (in_use.phase, in_use.cancel_requested_at) == (Phase.USED_PROVEN, None)
    check(in_use, cancel_accepted(), row=14, to=Phase.CANCELED_CLOSED, told="canceled", cause="requested")


@pytest.mark.row(14)
def test_row_14_cancel_rejected_leaves_a_proven_use():
    """Of course the station holds it no more."""
    check(asking(used(proven=True)), cancel_rejected(), row=14)


@pytest.mark.row(14)
def test_row_14_a_use_of_unknown_time_is_not_before_the_cancel():
    """Without a stamp the station's word stands."""
    before = asking(used(proven=True, used_at=None))
    check(before, cancel_accepted(), row=14, to=Phase.CANCELED_CLOSED, told="canceled", cause="retracted")


@pytest.mark.row(15)
@pytest.mark.parametrize("phase", OPEN_ENDS)
@pytest.mark.parametrize("order", [CANCEL, CLEAN_UP], ids=["cancel", "clean-up"])
def test_row_15_accepted_closes_an_open_end(phase, order):
    """The same end, now by the station's word; nothing is told anew."""
    before = asking(ended(phase, follow=Due.CLEAN_UP), order)
    after = check(before, cancel_accepted(order), row=15, to=CLOSED[phase], cause=before.cause)
    assert (after.state, after.confirmed) == (before.state, True)


@pytest.mark.row(15)
@pytest.mark.parametrize("phase", OPEN_ENDS)
def test_row_15_rejected_leaves_an_open_end_open(phase):
    """A use may still be queued."""
    before = asking(ended(phase, follow=Due.CLEAN_UP), CLEAN_UP)
    check(before, cancel_rejected(CLEAN_UP), row=15, cause=before.cause)


@pytest.mark.row(15)
@pytest.mark.parametrize("fact", [silent(CLEAN_UP), never_left(CLEAN_UP)], ids=["silent", "never left"])
@pytest.mark.parametrize("before", [ended(Phase.REMOVED_OPEN), used(proven=True)], ids=["end", "Used-p"])
def test_row_15_an_unanswered_clean_up_is_asked_again(before, fact):
    """Until it is answered, at a growing distance; not worth a history row."""
    step = advance(asking(before, CLEAN_UP), fact, heard())
    after = step.reservation
    assert (after.due, after.retry_at, step.transition) == (Due.CLEAN_UP, AT + timedelta(seconds=5), None)


@pytest.mark.row(15)
@pytest.mark.parametrize("code", ["SecurityError", "InternalError"])
def test_row_15_a_clean_up_that_meets_an_error_is_asked_again(code):
    """A SecurityError means that the station was not registered yet; a late error changes nothing any more."""
    before = asking(ended(Phase.REMOVED_CLOSED), CLEAN_UP)
    fact = errored(CLEAN_UP, code)
    after = check(before, fact, row=15, to=before.phase, told="due", due=Due.CLEAN_UP)
    check(after, fact, row=58, due=Due.CLEAN_UP)


@pytest.mark.row(15)
def test_row_15_a_station_that_cannot_cancel_is_not_asked_again():
    """There is nothing to gain by it."""
    check(asking(ended(Phase.REMOVED_CLOSED), CLEAN_UP), errored(CLEAN_UP, "NotImplemented"), row=15)


@pytest.mark.row(16)
@pytest.mark.parametrize("phase", CLOSED_BUT_USED)
def test_row_16_accepted_at_a_closed_end_is_a_ghost_removed(phase):
    """Noted as an anomaly; the end stays as it was."""
    before = asking(ended(phase))
    check(before, cancel_accepted(), row=16, cause=before.cause, anomaly=True)


@pytest.mark.row(16)
@pytest.mark.parametrize("phase", CLOSED_BUT_USED)
def test_row_16_rejected_at_a_closed_end_changes_nothing(phase):
    """As it should be."""
    before = asking(ended(phase), CLEAN_UP)
    check(before, cancel_rejected(CLEAN_UP), row=16, cause=before.cause)


@pytest.mark.row(17)
@pytest.mark.parametrize(
    "fact", [silent(CANCEL), errored(CANCEL), errored(CANCEL, "SecurityError"), never_left(CANCEL)]
)
@pytest.mark.parametrize("phase", CANCELABLE)
def test_row_17_an_unanswered_cancel_is_asked_again(phase, fact):
    """State and wish stay; the next ask comes 5 s later."""
    before = asking(wishing(in_phase(phase)))
    due = Due.RETRACT if phase is Phase.UNCONFIRMED else Due.CANCEL
    after = check(before, fact, row=17, to=phase, told="due", cause=before.cause, due=due, claims=(1,))
    assert (after.cancel_requested_at, after.retry_at) == (AT, AT + minutes(1) + timedelta(seconds=5))


@pytest.mark.row(17)
def test_row_17_the_distance_doubles_up_to_five_minutes():
    """5, 10, 20, 40, 80, 160 s, and then every 5 minutes."""
    known, waits = wishing(active()), []
    for number in range(9):
        order = ask(AskKind.CANCEL, number=number)
        known = advance(asking(known, order), silent(order), heard()).reservation
        assert known.retry_at is not None
        waits.append((known.retry_at - AT).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert waits[-1] == LAST_RETRY.total_seconds()


@pytest.mark.row(17)
def test_row_17_a_late_error_neither_hastens_nor_delays_the_repeat():
    """Only the open ask's end sets a repeat."""
    waiting = advance(asking(wishing(active())), silent(CANCEL), heard()).reservation
    check(waiting, errored(CANCEL), row=17, due=Due.CANCEL, claims=(1,))
    again = asking(waiting, ask(AskKind.CANCEL, number=2))
    check(again, errored(CANCEL), row=17, claims=(1,))


@pytest.mark.row(18)
@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
@pytest.mark.parametrize("phase", [Phase.ACTIVE, Phase.USED_UNPROVEN])
def test_row_18_a_station_that_cannot_cancel_clears_the_wish(phase, code):
    """No repeat: the caller is told, the state stays."""
    before = asking(wishing(in_phase(phase)))
    after = check(before, errored(CANCEL, code), row=18, to=phase, told="due", claims=(1,))
    assert (after.cancel_requested_at, after.retry_at) == (None, None)


@pytest.mark.row(18)
def test_row_18_an_unconfirmed_one_then_waits_for_the_sweep():
    """Nothing can settle it but its expiry; a driver's wish is kept and not sent."""
    before = asking(unconfirmed())
    fact = errored(CANCEL, "NotImplemented")
    after = check(before, fact, row=18, to=Phase.UNCONFIRMED, cause="timeout", claims=(1,))
    check(after, WISH, row=20, to=Phase.UNCONFIRMED, cause="timeout", claims=(1,))


@pytest.mark.row(19)
def test_row_19_a_wish_while_pending_waits_for_the_answer():
    """Kept; what comes of it is decided when the order's fate is known."""
    after = check(pending(), WISH, row=19, to=Phase.PENDING, claims=(1,))
    assert (after.cancel_requested_at, after.cancel_requested_by) == (AT + minutes(1), By.STATION)


@pytest.mark.row(19)
def test_row_19_a_withdrawn_order_is_canceled():
    """The frame had not left."""
    after = advance(pending(), WISH, heard()).reservation
    assert advance(after, never_left(after.ask), heard()).reservation.phase is Phase.CANCELED_CLOSED


@pytest.mark.row(20)
@pytest.mark.parametrize("phase", CANCELABLE)
def test_row_20_a_wish_is_kept_and_due(phase):
    """The state stays until the station answers."""
    before = in_phase(phase)
    due = Due.RETRACT if phase is Phase.UNCONFIRMED else Due.CANCEL
    told = "" if phase is Phase.UNCONFIRMED else "due"
    after = check(before, WISH, row=20, to=phase, told=told, cause=before.cause, due=due, claims=(1,))
    assert after.cancel_requested_at == AT + minutes(1)


@pytest.mark.row(20)
def test_row_20_with_an_ask_open_it_waits():
    """At most one order is open; the answer makes the wish due."""
    order = ask(AskKind.RESTORE)
    after = check(asking(active(), order), WISH, row=20, to=Phase.ACTIVE, claims=(1,))
    assert after.ask == order


@pytest.mark.row(20)
def test_row_20_a_second_wish_keeps_the_first_ones_time_and_is_sent_at_once():
    """Whoever insists need not wait for the next repeat, nor for the transaction's end."""
    before = replace(wishing(used(wish_waits=True)), retry_at=AFTER)
    after = check(before, WISH, row=20, to=Phase.USED_UNPROVEN, told="due", due=Due.CANCEL, claims=(1,))
    assert (after.cancel_requested_at, after.retry_at) == (AT, None)


@pytest.mark.row(21)
@pytest.mark.parametrize("phase", ENDS)
def test_row_21_an_end_takes_no_wish(phase):
    """The order is refused before it gets here; the table itself would leave the end as it is."""
    before = in_phase(phase)
    check(before, WISH, row=58, cause=before.cause)


@pytest.mark.row(59)
@pytest.mark.parametrize("before", [pending(), active(), used()])
def test_row_59_a_wish_that_was_not_sent_can_be_dropped(before):
    """Nothing else changes, and whoever looks on is told."""
    wished = wishing(before)
    after = check(wished, KEEP, row=59, to=wished.phase, told="due", claims=tuple(wished.claims))
    assert (after.cancel_requested_at, after.cancel_requested_by) == (None, None)


@pytest.mark.row(59)
@pytest.mark.parametrize("before", [asking(wishing(active())), replace(wishing(active()), cancel_in_doubt=True)])
def test_row_59_a_cancel_that_may_have_arrived_decides(before):
    """Open or unanswered: whether the station still holds it is not ours to say."""
    check(before, KEEP, row=58, due=before.due, claims=(1,))


@pytest.mark.row(59)
def test_row_59_a_retraction_goes_on():
    """Nobody knows what the station holds: that is settled, whatever the driver wants now."""
    before = wishing(unconfirmed())
    check(before, KEEP, row=58, cause=before.cause, due=before.due, claims=tuple(before.claims))
