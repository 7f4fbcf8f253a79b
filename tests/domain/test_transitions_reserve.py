"""Rows 1 to 8: a reservation is ordered, and the station answers its first ReserveNow."""

from dataclasses import replace

import pytest
from lives import (
    AT,
    FIRST,
    WORDS,
    accepted,
    active,
    asking,
    cancel_rejected,
    check,
    ended,
    errored,
    heard,
    named,
    never_left,
    pending,
    refused,
    replacing,
    silent,
    terms,
    unconfirmed,
    wishing,
)

from evhold.domain.facts import PROVES_NON_EXECUTION, Match
from evhold.domain.reservation import Due, Phase, State
from evhold.domain.transitions import advance, asked, created
from evhold.domain.values import By


@pytest.mark.row(1)
def test_row_1_a_new_reservation_is_pending_with_its_ask_open_and_its_claim_held():
    """The row and its history are there before the station is asked; nobody is told anything yet."""
    step = created(pending(), heard(by=By.DRIVER))
    assert (step.reservation.phase, step.reservation.claims, step.reservation.due) == (Phase.PENDING, {1}, None)
    written = step.transition
    assert (written.from_state, written.to_state, written.row) == (None, State.PENDING, 1)
    assert (written.fact, written.by, written.anomaly) == ("ReserveOrdered", By.DRIVER, False)
    assert step.events == ()


@pytest.mark.row(1)
def test_row_1_without_an_evse_nothing_is_claimed():
    """Which EVSE it will be is the station's matter, so no EVSE is held."""
    assert pending(terms=terms(None)).claims == frozenset()


@pytest.mark.row(2)
def test_row_2_what_never_left_fails():
    """Nothing reached the station: Failed, closed."""
    after = check(pending(), never_left(FIRST), row=2, to=Phase.FAILED_CLOSED, told="failed", cause="station-offline")
    assert after.confirmed
    assert after.reserves_sent == 0


@pytest.mark.row(2)
def test_row_2_what_never_left_is_canceled_when_the_driver_asked():
    """A withdrawn order is what the driver wanted."""
    before = wishing(pending())
    check(before, never_left(FIRST), row=2, to=Phase.CANCELED_CLOSED, told="canceled", cause="requested")


@pytest.mark.row(3)
@pytest.mark.req("H01.FR.03")
def test_row_3_accepted_makes_it_active():
    """The station holds it, by its own word."""
    after = check(pending(), accepted(FIRST), row=3, to=Phase.ACTIVE, told="accepted", claims=(1,))
    assert (after.ocpp_status, after.status_info, after.ask) == ("Accepted", WORDS, None)
    assert after.was_active


@pytest.mark.row(3)
def test_row_3_a_late_accepted_settles_an_unconfirmed_one():
    """No cancel was sent yet: the station's word counts, and the retraction is dropped."""
    check(unconfirmed(), accepted(FIRST), row=3, to=Phase.ACTIVE, told="accepted", claims=(1,))


@pytest.mark.row(3)
@pytest.mark.parametrize("before", [pending(), unconfirmed()], ids=["Pending", "Unconfirmed"])
def test_row_3_a_wish_is_sent_at_once(before):
    """The driver asked while nobody knew: now there is something to cancel."""
    after = check(
        wishing(before),
        accepted(FIRST),
        row=3,
        to=Phase.ACTIVE,
        told="accepted due",
        claims=(1,),
        due=Due.CANCEL,
    )
    assert after.cancel_requested_at == AT


@pytest.mark.row(4)
@pytest.mark.parametrize("before", [asking(unconfirmed()), unconfirmed(cancel_in_doubt=True)], ids=["open", "doubt"])
def test_row_4_an_accepted_after_the_cancel_left_is_kept(before):
    """Nobody is told Active for a moment: the cancel's answer decides."""
    after = check(
        before,
        accepted(FIRST),
        row=4,
        to=Phase.UNCONFIRMED,
        cause="timeout",
        claims=(1,),
        due=before.due,
    )
    assert after.accepted_kept


@pytest.mark.row(4)
def test_row_4_an_answer_ends_the_doubt_silence_does_not():
    """A cancel that went unanswered may still be carried out; one that proves non-execution says nothing of it."""
    silence = advance(asking(unconfirmed()), silent(asking(unconfirmed()).ask), heard()).reservation
    assert silence.cancel_in_doubt
    again = asking(silence)
    assert advance(again, errored(again.ask, "SecurityError"), heard()).reservation.cancel_in_doubt
    never = asking(unconfirmed())
    assert not advance(never, never_left(never.ask), heard()).reservation.cancel_in_doubt
    assert not advance(never, errored(never.ask, "SecurityError"), heard()).reservation.cancel_in_doubt


@pytest.mark.row(5)
@pytest.mark.req("H01.FR.01", "H01.FR.11", "H01.FR.12", "H01.FR.14")
@pytest.mark.parametrize("status", ["Rejected", "Occupied", "Faulted", "Unavailable"])
@pytest.mark.parametrize("before", [pending(), unconfirmed()], ids=["Pending", "Unconfirmed"])
def test_row_5_a_refusal_is_kept_with_its_words_and_holds_nothing(before, status):
    """Refused, with the station's status and statusInfo; the EVSE is free again."""
    after = check(before, refused(FIRST, status), row=5, to=Phase.REFUSED, told="refused")
    assert (after.ocpp_status, after.status_info, after.confirmed) == (status, WORDS, True)


@pytest.mark.row(5)
def test_row_5_a_cancels_answer_that_follows_changes_nothing():
    """The retraction was on its way when the refusal came late."""
    before = advance(asking(unconfirmed()), refused(FIRST), heard()).reservation
    assert before.ask is not None
    check(before, cancel_rejected(before.ask), row=16)


@pytest.mark.row(6)
@pytest.mark.parametrize("code", sorted(PROVES_NON_EXECUTION))
def test_row_6_a_callerror_that_proves_non_execution_refuses(code):
    """The station did nothing: Refused without a status, the code as cause."""
    after = check(pending(), errored(FIRST, code), row=6, to=Phase.REFUSED, told="refused", cause=code)
    assert (after.ocpp_status, after.confirmed) == (None, True)


@pytest.mark.row(6)
def test_row_6_such_a_callerror_refuses_an_unconfirmed_one_too():
    """It came late; it says as much."""
    before = unconfirmed()
    check(before, errored(FIRST, "NotSupported"), row=6, to=Phase.REFUSED, told="refused", cause="NotSupported")


@pytest.mark.row(7)
@pytest.mark.parametrize(
    ("fact", "cause"),
    [
        (errored(FIRST, "InternalError"), "InternalError"),
        (errored(FIRST, "GenericError"), "GenericError"),
        (errored(FIRST, "Whatever"), "Whatever"),
        (silent(FIRST), "timeout"),
    ],
    ids=["InternalError", "GenericError", "unknown code", "silence"],
)
def test_row_7_no_answer_is_no_no(fact, cause):
    """Unconfirmed, the claim held, a retraction ordered."""
    before = pending()
    told = "unconfirmed due"
    check(before, fact, row=7, to=Phase.UNCONFIRMED, told=told, cause=cause, claims=(1,), due=Due.RETRACT)


@pytest.mark.row(7)
def test_row_7_silence_after_the_answer_is_no_news():
    """The real answer was faster than the end of the wait."""
    step = advance(active(), silent(FIRST), heard())
    assert (step.reservation, step.changed, step.transition, step.answered) == (active(), False, None, None)


@pytest.mark.row(8)
def test_row_8_a_late_callerror_that_proves_nothing_changes_nothing():
    """The retraction goes on."""
    check(unconfirmed(), errored(FIRST), row=8, cause="timeout", claims=(1,), due=Due.RETRACT)


def test_an_opened_ask_is_stored_without_a_transition():
    """Nothing has happened yet, so nothing is told."""
    step = asked(asking(active()))
    assert (step.transition, step.events) == (None, ())


def test_the_answered_ask_is_named_in_time_or_late():
    """An answer ends its ask for good; silence and what never left do not answer it."""
    assert advance(pending(), accepted(FIRST), heard()).answered == FIRST.message_id
    assert advance(ended(Phase.REFUSED), accepted(FIRST), heard()).answered == FIRST.message_id
    assert advance(active(), named(Match.NONE), heard()).answered is None
    assert advance(pending(), silent(FIRST), heard()).answered is None


def test_an_order_that_follows_waits_behind_a_wish():
    """What is to be canceled need not be asked for once more; an ask takes only its own order off the list."""
    before = wishing(active(follow=Due.UNDO))
    assert before.due is Due.CANCEL
    canceling = asking(before)
    assert (canceling.due, canceling.follow) == (None, Due.UNDO)
    assert asking(active(follow=Due.UNDO), replace(replacing().ask, kind=Due.UNDO.ask_kind)).follow is None
