"""Rows 25, 47 to 54 and 56: ReserveNow again with the id of a reservation that the station holds."""

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import (
    AT,
    CANCEL,
    EXPIRY,
    LATER,
    NEW,
    OLD,
    RENEW,
    REPLACE,
    RESTORE,
    UNDO,
    accepted,
    active,
    ask,
    asking,
    check,
    errored,
    expired,
    heard,
    minutes,
    named,
    never_left,
    refused,
    removed,
    replacing,
    silent,
    terms,
    transaction_ended,
    unconfirmed,
    used,
    wishing,
)

from evhold.domain.facts import Match, ReplaceOrdered
from evhold.domain.reservation import Due, Phase
from evhold.domain.transitions import advance
from evhold.domain.values import AskKind

ORDER = ReplaceOrdered(ask=REPLACE)
#: Row 52: the replacement went unanswered.
IN_DOUBT = unconfirmed(was_active=True, replacement=NEW, reserves_sent=2)


@pytest.mark.row(25)
def test_row_25_expired_of_the_old_terms_asks_for_the_current_ones_once():
    """The report speaks of terms that were replaced: the reservation stays, one ReserveNow makes sure."""
    after = check(active(was_replaced=True), expired(), row=25, to=Phase.ACTIVE, told="due", due=Due.RENEW, claims=(1,))
    check(after, expired(), row=25, due=Due.RENEW, claims=(1,))
    check(asking(after, RENEW), expired(), row=25, claims=(1,))


@pytest.mark.row(25)
@pytest.mark.parametrize("answer", [refused(RENEW), errored(RENEW, "NotSupported")], ids=["refused", "not executed"])
def test_row_25_removed_of_the_old_terms_asks_too_and_counts_when_that_is_refused(answer):
    """It may speak of an EVSE that the reservation has left; only the station knows."""
    after = check(active(was_replaced=True), removed(), row=25, to=Phase.ACTIVE, told="due", due=Due.RENEW, claims=(1,))
    check(asking(after, RENEW), accepted(RENEW), row=25, to=Phase.ACTIVE, claims=(1,))
    gone = check(asking(after, RENEW), answer, row=25, to=Phase.REMOVED_CLOSED, told="removed due", due=Due.CLEAN_UP)
    check(gone, removed(), row=28, due=Due.CLEAN_UP)
    renewed = advance(asking(after, RENEW), accepted(RENEW), heard()).reservation
    check(renewed, removed(), row=23, to=Phase.REMOVED_CLOSED, told="removed")


@pytest.mark.row(25, 53, 56)
@pytest.mark.parametrize("order", [UNDO, RESTORE])
def test_row_25_a_report_after_the_station_took_it_anew_may_be_of_the_hold_before(order):
    """The EVSE broke, the replacement was refused, the old terms were taken again, and only then the report comes."""
    anew = advance(asking(active(), order), accepted(order), heard()).reservation
    after = check(anew, removed(), row=25, to=Phase.ACTIVE, told="due", due=Due.RENEW, claims=(1,))
    check(asking(after, RENEW), accepted(RENEW), row=25, to=Phase.ACTIVE, claims=(1,))


@pytest.mark.row(25, 53, 56)
@pytest.mark.parametrize(("order", "row"), [(UNDO, 53), (RESTORE, 56)])
def test_row_25_a_report_while_the_station_is_asked_anew_waits_for_its_answer(order, row):
    """It may have been on its way when the station took the old terms again: once taken, it is asked once more."""
    held = check(asking(active(), order), removed(), row=25, to=Phase.ACTIVE, claims=(1,))
    after = check(held, accepted(order), row=row, to=Phase.ACTIVE, told="due", due=Due.RENEW, claims=(1,))
    check(asking(after, RENEW), accepted(RENEW), row=25, to=Phase.ACTIVE, claims=(1,))
    gone = check(
        asking(after, RENEW), refused(RENEW), row=25, to=Phase.REMOVED_CLOSED, told="removed due", due=Due.CLEAN_UP
    )
    check(gone, removed(), row=28, due=Due.CLEAN_UP)


@pytest.mark.row(25, 53, 56)
@pytest.mark.parametrize("order", [UNDO, RESTORE])
def test_row_25_a_report_counts_when_what_was_asked_anew_is_refused(order):
    """The station has said that it is gone, and takes it no more."""
    held = advance(asking(active(), order), removed(), heard()).reservation
    check(held, refused(order), row=25, to=Phase.REMOVED_CLOSED, told="removed due", due=Due.CLEAN_UP)


@pytest.mark.row(25)
@pytest.mark.parametrize("fact", [silent(CANCEL), errored(CANCEL), errored(CANCEL, "NotImplemented")])
def test_row_25_with_a_wish_the_report_counts_once_the_cancel_is_in_vain(fact):
    """Nobody wants it renewed, and the station said that it is gone: it is not called Active until its expiry."""
    reported = advance(wishing(active(was_replaced=True)), removed(), heard()).reservation
    assert (reported.phase, reported.due) == (Phase.ACTIVE, Due.CANCEL)
    check(asking(reported, CANCEL), fact, row=25, to=Phase.REMOVED_CLOSED, told="removed due", due=Due.CLEAN_UP)


@pytest.mark.row(25)
def test_row_25_does_not_hold_once_the_expiry_is_reached():
    """Then the report is of the current terms."""
    before = active(was_replaced=True)
    check(before, expired(EXPIRY), row=23, to=Phase.EXPIRED_CLOSED, told="expired")


@pytest.mark.row(25)
def test_row_25_accepted_renews_it():
    """From now on Expired means these terms."""
    after = check(asking(active(), RENEW), accepted(RENEW), row=25, to=Phase.ACTIVE, claims=(1,))
    check(after, expired(), row=23, to=Phase.EXPIRED_CLOSED, told="expired")


@pytest.mark.row(25)
@pytest.mark.parametrize("fact", [refused(RENEW), errored(RENEW, "NotSupported")], ids=["refused", "not executed"])
def test_row_25_a_refusal_ends_it(fact):
    """The station holds nothing, and takes nothing."""
    check(asking(active(), RENEW), fact, row=25, to=Phase.EXPIRED_CLOSED, told="expired due", due=Due.CLEAN_UP)


@pytest.mark.row(25)
@pytest.mark.parametrize(("fact", "cause"), [(silent(RENEW), "timeout"), (errored(RENEW), "InternalError")])
def test_row_25_silence_leaves_it_unconfirmed(fact, cause):
    """Nobody knows any more what the station holds."""
    before = asking(active(), RENEW)
    told = "unconfirmed due"
    check(before, fact, row=25, to=Phase.UNCONFIRMED, told=told, cause=cause, due=Due.RETRACT, claims=(1,))


@pytest.mark.row(25, 53)
@pytest.mark.parametrize(("order", "row", "due"), [(RENEW, 25, Due.RENEW), (UNDO, 53, Due.UNDO)])
def test_row_25_and_53_what_never_left_is_asked_again(order, row, due):
    """It was not sent, so it was not asked once."""
    before = asking(active(), order)
    after = check(before, never_left(order), row=row, to=Phase.ACTIVE, told="due", due=due, claims=(1,))
    assert after.retry_at == AT + minutes(1) + timedelta(seconds=5)
    assert after.reserves_sent == before.reserves_sent - 1


@pytest.mark.row(47)
@pytest.mark.req("H01.FR.02")
def test_row_47_old_and_new_terms_stand_side_by_side():
    """Both EVSEs are claimed, the later expiry counts, and the old terms are in force until the answer."""
    after = check(active(), ORDER, row=47, to=Phase.ACTIVE, claims=(1, 2))
    assert (after.terms, after.replacement, after.ask, after.expiry) == (OLD, NEW, REPLACE, LATER)
    assert after.reserves_sent == 2


@pytest.mark.row(48)
@pytest.mark.parametrize(
    "before",
    [
        unconfirmed(),
        used(),
        asking(active(), RESTORE),
        wishing(active()),
        active(follow=Due.RENEW),
        active(replacement=terms(3)),
    ],
    ids=["Unconfirmed", "Used", "ask", "wish", "due", "unanswered replacement"],
)
def test_row_48_no_replacement_beside_another_order(before):
    """The table leaves it as it is; the caller is refused."""
    check(before, ORDER, row=58, cause=before.cause, due=before.due, claims=tuple(before.claims))


@pytest.mark.row(49)
@pytest.mark.req("H01.FR.02")
def test_row_49_accepted_puts_the_new_terms_in_force():
    """The old claim is dropped."""
    after = check(replacing(), accepted(REPLACE), row=49, to=Phase.ACTIVE, told="replaced", claims=(2,))
    assert (after.terms, after.replacement, after.was_replaced) == (NEW, None, True)


@pytest.mark.row(50)
@pytest.mark.parametrize("fact", [never_left(REPLACE), errored(REPLACE, "NotSupported")])
def test_row_50_what_was_not_executed_leaves_the_old_terms(fact):
    """Nothing happened at the station."""
    after = check(replacing(), fact, row=50, to=Phase.ACTIVE, claims=(1,))
    assert (after.terms, after.replacement) == (OLD, None)


@pytest.mark.row(50)
def test_row_50_a_late_proof_of_non_execution_brings_the_old_terms_back():
    """Before the cancel left, there is nothing to retract."""
    check(IN_DOUBT, errored(REPLACE, "NotSupported"), row=50, to=Phase.ACTIVE, told="accepted", claims=(1,))


@pytest.mark.row(51)
@pytest.mark.req("H01.FR.02")
def test_row_51_a_refused_replacement_asks_for_the_old_terms_once():
    """Some stations drop the old reservation before they refuse the new one."""
    after = check(replacing(), refused(REPLACE), row=51, to=Phase.ACTIVE, told="due", due=Due.UNDO, claims=(1,))
    assert (after.terms, after.replacement) == (OLD, None)


@pytest.mark.row(51, 52)
def test_row_52_a_late_refusal_before_the_cancel_left_is_row_51():
    """Active again, and the old terms are asked for."""
    told = "accepted due"
    check(IN_DOUBT, refused(REPLACE), row=51, to=Phase.ACTIVE, told=told, due=Due.UNDO, claims=(1,))


@pytest.mark.row(52)
@pytest.mark.parametrize(("fact", "cause"), [(silent(REPLACE), "timeout"), (errored(REPLACE), "InternalError")])
def test_row_52_silence_leaves_both_terms_in_doubt(fact, cause):
    """Both claims are kept, the later expiry counts, and a retraction goes out."""
    told = "unconfirmed due"
    before = replacing()
    after = check(before, fact, row=52, to=Phase.UNCONFIRMED, told=told, cause=cause, due=Due.RETRACT, claims=(1, 2))
    assert after.expiry == LATER


@pytest.mark.row(52)
def test_row_52_accepted_before_the_cancel_left_puts_the_new_terms_in_force():
    """The station's word, however late."""
    after = check(IN_DOUBT, accepted(REPLACE), row=52, to=Phase.ACTIVE, told="replaced", claims=(2,))
    assert after.terms == NEW


@pytest.mark.row(52, 4)
def test_row_52_accepted_after_the_cancel_left_is_kept():
    """The cancel's answer decides."""
    before = asking(IN_DOUBT)
    check(before, accepted(REPLACE), row=4, to=Phase.UNCONFIRMED, cause="timeout", claims=(1, 2))


@pytest.mark.row(52)
@pytest.mark.parametrize("fact", [refused(REPLACE), errored(REPLACE, "NotSupported")])
def test_row_52_a_refusal_after_the_cancel_left_decides_nothing(fact):
    """The cancel's answer does."""
    check(asking(IN_DOUBT), fact, row=52, cause="timeout", claims=(1, 2))


@pytest.mark.row(53)
def test_row_53_the_old_terms_are_accepted():
    """They hold."""
    check(asking(active(), UNDO), accepted(UNDO), row=53, to=Phase.ACTIVE, claims=(1,))


@pytest.mark.row(53)
@pytest.mark.parametrize(
    "fact",
    [refused(UNDO, "Occupied", still_reserved=True), errored(UNDO, "NotSupported", still_reserved=True)],
    ids=["refused", "not executed"],
)
def test_row_53_refused_while_still_reserved_keeps_the_old_terms(fact):
    """Every connector of the EVSE is Reserved: it was never dropped."""
    check(asking(active(), UNDO), fact, row=53, to=Phase.ACTIVE, claims=(1,))


@pytest.mark.row(53)
@pytest.mark.parametrize(
    ("fact", "cause"),
    [
        (refused(UNDO), "Rejected"),
        (errored(UNDO, "NotSupported"), "NotSupported"),
        (errored(UNDO, still_reserved=True), "InternalError"),
        (silent(UNDO), "timeout"),
    ],
    ids=["refused", "not executed", "error", "silence"],
)
def test_row_53_anything_else_leaves_it_unconfirmed(fact, cause):
    """A retraction settles it."""
    told = "unconfirmed due"
    before = asking(active(), UNDO)
    check(before, fact, row=53, to=Phase.UNCONFIRMED, told=told, cause=cause, due=Due.RETRACT, claims=(1,))


@pytest.mark.row(54)
def test_row_54_a_proven_use_cleans_up_after_the_open_answer():
    """The replacement may have made a second hold at the station."""
    in_use = check(replacing(), named(), row=29, to=Phase.USED_PROVEN, told="used")
    for fact in (accepted(REPLACE), refused(REPLACE), errored(REPLACE), silent(REPLACE)):
        check(in_use, fact, row=54, told="due", due=Due.CLEAN_UP)


@pytest.mark.row(54)
def test_row_54_an_unproven_use_takes_the_new_terms_when_accepted():
    """In whatever state, the station's word about the terms counts."""
    in_use = check(replacing(), named(Match.NONE), row=29, to=Phase.USED_UNPROVEN, told="used", claims=(1, 2))
    after = check(in_use, accepted(REPLACE), row=54, to=Phase.USED_UNPROVEN, claims=(2,))
    assert (after.terms, after.replacement) == (NEW, None)


@pytest.mark.row(54)
@pytest.mark.parametrize("fact", [never_left(REPLACE), refused(REPLACE), errored(REPLACE, "NotSupported")])
def test_row_54_an_unproven_use_keeps_the_old_terms_when_refused(fact):
    """The new claim is dropped."""
    in_use = advance(replacing(), named(Match.NONE), heard()).reservation
    after = check(in_use, fact, row=54, to=Phase.USED_UNPROVEN, claims=(1,))
    assert (after.terms, after.replacement) == (OLD, None)


@pytest.mark.row(54)
@pytest.mark.parametrize("fact", [silent(REPLACE), errored(REPLACE)], ids=["silence", "error"])
def test_row_54_silence_keeps_both_claims_of_an_unproven_use(fact):
    """An Accepted may still come, and no fact takes a claim: given back, it still holds both."""
    in_use = advance(replacing(), named(Match.NONE), heard()).reservation
    check(in_use, fact, row=54, claims=(1, 2))
    waiting = advance(in_use, fact, heard()).reservation
    back = check(waiting, transaction_ended(clean=True), row=33, to=Phase.ACTIVE, told="reactivated", claims=(1, 2))
    check(back, accepted(REPLACE), row=49, to=Phase.ACTIVE, told="replaced", claims=(2,))


@pytest.mark.row(56)
def test_row_56_a_forgotten_reservation_is_accepted_again():
    """It was never anything but Active."""
    check(asking(active(), RESTORE), accepted(RESTORE), row=56, to=Phase.ACTIVE, claims=(1,))


@pytest.mark.row(56)
@pytest.mark.parametrize("fact", [refused(RESTORE, "Occupied"), errored(RESTORE, "NotSupported")])
def test_row_56_refused_means_that_it_is_lost(fact):
    """Removed, and one cancel makes sure that the station holds none."""
    before = asking(active(), RESTORE)
    check(
        before,
        fact,
        row=56,
        to=Phase.REMOVED_OPEN,
        told="removed due",
        cause="unknown-at-station",
        due=Due.CLEAN_UP,
    )


@pytest.mark.row(56)
@pytest.mark.parametrize(("fact", "cause"), [(silent(RESTORE), "timeout"), (errored(RESTORE), "InternalError")])
def test_row_56_silence_leaves_it_unconfirmed(fact, cause):
    """A retraction settles it."""
    before = asking(active(), RESTORE)
    told = "unconfirmed due"
    check(before, fact, row=56, to=Phase.UNCONFIRMED, told=told, cause=cause, due=Due.RETRACT, claims=(1,))


@pytest.mark.row(23, 49)
@pytest.mark.parametrize("report", [expired(), removed()], ids=["Expired", "Removed"])
@pytest.mark.parametrize("match", [None, Match.NONE], ids=["Active", "Used-u"])
def test_row_23_a_report_waits_for_the_replacements_answer(report, match):
    """Accepted drops it: it spoke of the old terms."""
    before = replacing() if match is None else advance(replacing(), named(match), heard()).reservation
    held = check(before, report, row=23, to=before.phase, claims=(1, 2))
    row, told = (49, "replaced") if match is None else (54, "")
    after = check(held, accepted(REPLACE), row=row, to=before.phase, told=told, claims=(2,))
    assert after.held_report is None


@pytest.mark.row(23)
@pytest.mark.parametrize("report", [expired(), removed()], ids=["Expired", "Removed"])
@pytest.mark.parametrize("fact", [never_left(REPLACE), refused(REPLACE), errored(REPLACE), silent(REPLACE)])
@pytest.mark.parametrize("match", [None, Match.NONE], ids=["Active", "Used-u"])
def test_row_23_any_other_end_of_the_ask_applies_it(match, fact, report):
    """The replacement did not come true: the report counts."""
    before = replacing() if match is None else advance(replacing(), named(match), heard()).reservation
    held = advance(before, report, heard()).reservation
    to, told = (Phase.EXPIRED_CLOSED, "expired") if report == expired() else (Phase.REMOVED_CLOSED, "removed")
    check(held, fact, row=23, to=to, told=told)


def test_a_wish_during_a_replacement_goes_before_the_undoing():
    """The refused replacement leaves two orders: the cancel first, the old terms only if the station can't cancel."""
    before = advance(wishing(replacing()), refused(REPLACE), heard()).reservation
    assert (before.due, before.follow) == (Due.CANCEL, Due.UNDO)
    canceling = asking(before, CANCEL)
    check(canceling, errored(CANCEL, "NotSupported"), row=18, to=Phase.ACTIVE, told="due", due=Due.UNDO, claims=(1,))


def test_terms_that_the_ask_does_not_tell_are_the_current_ones():
    """An Accepted to an ask of unknown terms changes none."""
    order = replace(ask(AskKind.REPLACE), terms=None)
    assert advance(replacing(ask=order), accepted(order), heard()).reservation.terms == OLD
