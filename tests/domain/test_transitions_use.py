"""Rows 29 to 41: a transaction names the reservation, before or after its end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import (
    AFTER,
    AT,
    EXPIRY,
    FOREIGN,
    RESERVED,
    TX,
    TX2,
    WISH,
    active,
    asking,
    check,
    ended,
    heard,
    in_phase,
    minutes,
    named,
    pending,
    removed,
    seen,
    terms,
    transaction_ended,
    unconfirmed,
    used,
    wishing,
)

from evhold.domain.effects import UNPROVEN
from evhold.domain.facts import IN_TIME_SLACK, UNKNOWN_CONNECTION_TIMEOUT, Accepted, Match
from evhold.domain.reservation import Due, End, Phase, State
from evhold.domain.transitions import LIVE, OPEN_ENDS, advance

ANY = [Match.RESERVED, Match.NONE, Match.FOREIGN]
LAST_STAMP = EXPIRY + UNKNOWN_CONNECTION_TIMEOUT + IN_TIME_SLACK
LATE = LAST_STAMP + timedelta(milliseconds=1)
UNCLEAN = transaction_ended(clean=False)
CLEAN = transaction_ended(clean=True)


@pytest.mark.row(29)
@pytest.mark.req("H01.FR.15", "H03.FR.01", "H03.FR.09")
@pytest.mark.parametrize("phase", LIVE)
def test_row_29_the_reserved_token_proves_the_use(phase):
    """Used, the claim given up, by whom and where is kept; any stamp will do."""
    after = check(in_phase(phase), named(stamp=AFTER + minutes(600)), row=29, to=Phase.USED_PROVEN, told="used")
    assert (after.transaction_id, after.used_evse_id, after.used_by) == (TX, 1, RESERVED)
    assert (after.proven, after.token_mismatch, after.used_at) == (True, False, AFTER + minutes(600))


@pytest.mark.row(29)
@pytest.mark.req("H01.FR.15", "G01.FR.06")
@pytest.mark.parametrize("phase", LIVE)
def test_row_29_without_a_token_the_use_is_unproven_and_keeps_its_claim(phase):
    """It may be anybody's car."""
    before = in_phase(phase)
    after = check(before, named(Match.NONE), row=29, to=Phase.USED_UNPROVEN, told="used", claims=(1,))
    assert (after.proven, after.confirmed, after.used_by) == (False, False, None)


@pytest.mark.row(29)
@pytest.mark.parametrize("phase", LIVE)
def test_row_29_a_foreign_token_in_the_same_event_is_a_use_and_a_mismatch(phase):
    """The station let somebody else consume it: flagged."""
    after = check(in_phase(phase), named(Match.FOREIGN), row=29, to=Phase.USED_PROVEN, told="used")
    assert (after.token_mismatch, after.used_by) == (True, FOREIGN)


@pytest.mark.row(29)
@pytest.mark.req("H03.FR.02", "H03.FR.03")
def test_row_29_the_evse_of_the_use_is_kept():
    """A reservation without an EVSE is used on whichever it happens; an event without one changes nothing."""
    before = active(terms=terms(None))
    assert advance(before, named(evse=2), heard()).reservation.used_evse_id == 2
    assert advance(before, named(evse=None), heard()).reservation.used_evse_id is None


@pytest.mark.row(29)
def test_row_29_a_wish_is_dropped_by_a_proven_use():
    """There is nothing left to cancel."""
    assert check(wishing(active()), named(), row=29, to=Phase.USED_PROVEN, told="used").cancel_requested_at is None


@pytest.mark.row(29, 33)
def test_row_29_a_wish_waits_out_an_unproven_use():
    """It is sent once the transaction has ended clean."""
    before = wishing(pending())
    told = "used"
    waiting = check(before, named(Match.NONE), row=29, to=Phase.USED_UNPROVEN, told=told, claims=(1,))
    assert waiting.cancel_requested_at == AT
    back = replace(waiting, ask=None)
    check(back, CLEAN, row=33, to=Phase.ACTIVE, told="reactivated due", due=Due.CANCEL, claims=(1,))


@pytest.mark.row(29)
@pytest.mark.parametrize("before", [wishing(active(cancel_in_doubt=True)), wishing(asking(active()))])
def test_row_29_a_wish_that_was_sent_goes_on(before):
    """The station may hold the cancel already: its answer is wanted."""
    after = advance(before, named(Match.NONE), heard()).reservation
    assert not after.wish_waits


@pytest.mark.row(29)
def test_row_29_more_than_one_reserve_now_cleans_up():
    """A first one consumed unseen leaves room for a second hold at the station."""
    check(active(reserves_sent=2), named(), row=29, to=Phase.USED_PROVEN, told="used due", due=Due.CLEAN_UP)


@pytest.mark.row(29)
def test_row_29_the_same_event_again_is_not_even_noted():
    """Stations name the reservation in every event."""
    check(used(), named(Match.NONE), row=29, claims=(1,), noted=False)


@pytest.mark.row(30)
@pytest.mark.req("E01.FR.13", "H03.FR.09")
@pytest.mark.parametrize("fact", [named(), seen(Match.RESERVED)], ids=["naming", "later event"])
def test_row_30_the_token_in_any_event_proves_it(fact):
    """Used is told again, now proven; a foreign token beside it, in whatever order, is no mismatch."""
    before = wishing(used(token_mismatch=True, used_at=AT - minutes(5)))
    after = check(before, fact, row=30, to=Phase.USED_PROVEN, told="used")
    assert (after.used_by, after.token_mismatch, after.cancel_requested_at) == (RESERVED, False, None)
    assert after.used_at == fact.stamp


@pytest.mark.row(31)
@pytest.mark.parametrize("fact", [named(Match.FOREIGN), seen(Match.FOREIGN)], ids=["naming", "later event"])
def test_row_31_a_foreign_token_in_another_event_is_noted(fact):
    """The end decides."""
    after = check(used(), fact, row=31, to=Phase.USED_UNPROVEN, claims=(1,))
    assert after.token_mismatch


@pytest.mark.row(32)
@pytest.mark.parametrize("match", [Match.RESERVED, Match.FOREIGN])
def test_row_32_another_transaction_with_a_token_is_the_use(match):
    """A foreign car was plugged in first; the right driver came later."""
    after = check(used(), named(match, tx=TX2), row=32, to=Phase.USED_PROVEN, told="used")
    assert (after.transaction_id, after.token_mismatch) == (TX2, match is Match.FOREIGN)


@pytest.mark.row(32)
def test_row_32_another_transaction_without_a_token_is_bound_instead():
    """The old one's end means nothing now."""
    before = used(token_mismatch=True)
    after = check(before, named(Match.NONE, tx=TX2), row=32, to=Phase.USED_UNPROVEN, claims=(1,))
    assert (after.transaction_id, after.token_mismatch) == (TX2, False)
    check(after, CLEAN, row=58, claims=(1,))
    check(after, seen(Match.RESERVED), row=58, claims=(1,))


@pytest.mark.row(33)
def test_row_33_a_clean_end_gives_it_back():
    """Nobody charged: Active, nothing of the transaction left, the claim was kept all the time."""
    before = used(token_mismatch=True, used_by=FOREIGN, ocpp_status=None)
    after = check(before, CLEAN, row=33, to=Phase.ACTIVE, told="reactivated", claims=(1,))
    assert (after.transaction_id, after.used_evse_id, after.used_by, after.token_mismatch) == (None, None, None, False)


@pytest.mark.row(33)
def test_row_33_past_its_expiry_a_clean_end_expires():
    """There is nothing to give back."""
    check(used(), CLEAN, row=33, to=Phase.EXPIRED_OPEN, told="expired", at=EXPIRY)


@pytest.mark.row(33, 36)
@pytest.mark.parametrize("phase", OPEN_ENDS)
def test_row_33_a_use_after_an_end_goes_back_to_it(phase):
    """With its cause, as open as before."""
    end = ended(phase)
    in_use = advance(end, named(Match.NONE), heard()).reservation
    told = end.state.value.lower()
    after = check(in_use, CLEAN, row=33, to=phase, told=told, cause=end.cause)
    assert after.came_from is None


@pytest.mark.row(34)
def test_row_34_an_end_that_is_not_clean_leaves_it_unproven():
    """Used by somebody; the EVSE is free."""
    after = check(used(), UNCLEAN, row=34, to=Phase.USED_UNPROVEN, cause=UNPROVEN)
    check(after, CLEAN, row=34, cause=UNPROVEN)


@pytest.mark.row(34)
def test_row_34_proof_and_reports_still_count_afterwards():
    """Rows 13, 23, 30 and 32 hold on."""
    after = advance(used(), UNCLEAN, heard()).reservation
    check(after, seen(Match.RESERVED), row=30, to=Phase.USED_PROVEN, told="used")
    check(after, removed(), row=23, to=Phase.REMOVED_CLOSED, told="removed")
    check(after, WISH, row=20, to=Phase.USED_UNPROVEN, told="due", cause=UNPROVEN, due=Due.CANCEL)
    bound = check(after, named(Match.NONE, tx=TX2), row=32, to=Phase.USED_UNPROVEN)
    # The EVSE may be another's by now, and no fact takes a claim.
    check(bound, transaction_ended(clean=True, tx=TX2), row=33, to=Phase.USED_UNPROVEN, cause=UNPROVEN)
    anywhere = replace(bound, terms=terms(None))
    check(anywhere, transaction_ended(clean=True, tx=TX2), row=33, to=Phase.ACTIVE, told="reactivated")


@pytest.mark.row(35)
@pytest.mark.req("H03.FR.09")
@pytest.mark.parametrize("fact", [*(named(match) for match in ANY), seen(Match.FOREIGN), CLEAN, UNCLEAN])
def test_row_35_a_proven_use_is_used_once(fact):
    """Whatever its transaction goes on to say."""
    check(used(proven=True), fact, row=35, noted=False)


@pytest.mark.row(35)
@pytest.mark.parametrize("match", ANY)
def test_row_35_another_transaction_is_an_anomaly(match):
    """The reservation was consumed already."""
    check(used(proven=True), named(match, tx=TX2), row=35, anomaly=True)


@pytest.mark.row(36)
@pytest.mark.req("E04.FR.01", "E04.FR.02")
@pytest.mark.parametrize("phase", OPEN_ENDS)
@pytest.mark.parametrize("match", [Match.RESERVED, Match.FOREIGN])
def test_row_36_a_use_in_time_corrects_an_open_end(phase, match):
    """By its own stamp, up to expiry, EVConnectionTimeOut and 5 s, whenever it comes."""
    before = ended(phase, follow=Due.CLEAN_UP)
    fact = named(match, stamp=LAST_STAMP)
    after = check(before, fact, row=36, to=Phase.USED_PROVEN, told="used", at=AFTER + minutes(600))
    assert (after.transaction_id, after.token_mismatch) == (TX, match is Match.FOREIGN)


@pytest.mark.row(36)
@pytest.mark.parametrize("phase", OPEN_ENDS)
def test_row_36_an_unproven_use_after_an_end_takes_no_claim(phase):
    """The EVSE may be another's by now; the wish that led to the end is gone."""
    before = wishing(ended(phase, follow=Due.CLEAN_UP))
    after = check(before, named(Match.NONE), row=36, to=Phase.USED_UNPROVEN, told="used")
    assert after.came_from == End(before.state, before.cause)
    assert after.cancel_requested_at is None


@pytest.mark.row(36)
def test_row_36_the_stations_own_connection_timeout_counts():
    """Both times are the station's: no offset is added."""
    before = ended(Phase.EXPIRED_OPEN)
    fact = replace(named(stamp=EXPIRY + minutes(10)), connection_timeout=minutes(10), clock_offset=minutes(-60))
    check(before, fact, row=36, to=Phase.USED_PROVEN, told="used")


@pytest.mark.row(37)
@pytest.mark.parametrize("match", ANY)
@pytest.mark.parametrize("phase", OPEN_ENDS)
def test_row_37_a_use_not_in_time_leaves_an_open_end(phase, match):
    """An anomaly: the station used what had ended."""
    before = ended(phase)
    check(before, named(match, stamp=LATE), row=37, cause=before.cause, anomaly=True)


@pytest.mark.row(38)
@pytest.mark.req("E04.FR.01", "E04.FR.02")
@pytest.mark.parametrize("phase", [Phase.EXPIRED_CLOSED, Phase.REMOVED_CLOSED])
def test_row_38_a_proven_use_in_time_corrects_a_reported_end(phase):
    """The end must not depend on the order of arrival."""
    check(ended(phase), named(stamp=LAST_STAMP), row=38, to=Phase.USED_PROVEN, told="used")


@pytest.mark.row(39)
@pytest.mark.parametrize("fact", [named(Match.NONE), named(Match.FOREIGN), named(stamp=LATE)], ids=["T0", "T-", "late"])
@pytest.mark.parametrize("phase", [Phase.EXPIRED_CLOSED, Phase.REMOVED_CLOSED])
def test_row_39_no_other_use_corrects_a_reported_end(phase, fact):
    """The station's word stands."""
    check(ended(phase), fact, row=39, anomaly=True)


@pytest.mark.row(40)
@pytest.mark.parametrize("match", ANY)
@pytest.mark.parametrize("phase", [Phase.REFUSED, Phase.FAILED_CLOSED])
def test_row_40_what_never_was_is_not_used(phase, match):
    """An anomaly."""
    before = ended(phase)
    check(before, named(match), row=40, cause=before.cause, anomaly=True)


@pytest.mark.row(41)
@pytest.mark.parametrize("offset", [0, 30, -30])
def test_row_41_a_proven_use_before_the_cancel_was_sent_corrects_it(offset):
    """The station had consumed it before; its stamp meets our clock, so the offset is added."""
    before = ended(Phase.CANCELED_CLOSED, cancel_sent_at=AT)
    fact = named(stamp=AT + minutes(offset) - timedelta(seconds=1), offset=minutes(offset))
    check(before, fact, row=41, to=Phase.USED_PROVEN, told="used")


@pytest.mark.row(41)
@pytest.mark.parametrize(
    ("sent_at", "fact"),
    [
        (AT, named(stamp=AT)),
        (AT, named(Match.NONE, stamp=AT - minutes(1))),
        (AT, named(Match.FOREIGN, stamp=AT - minutes(1))),
        (None, named(stamp=AT - minutes(1))),
    ],
    ids=["after", "T0", "T-", "no cancel was sent"],
)
def test_row_41_no_other_use_corrects_a_cancel(sent_at, fact):
    """An anomaly."""
    before = ended(Phase.CANCELED_CLOSED, cancel_sent_at=sent_at)
    check(before, fact, row=41, cause="requested", anomaly=True)


def test_an_unconfirmed_one_that_is_named_and_given_back_is_active():
    """The station named it, so it holds it: the retraction is off."""
    before = unconfirmed()
    in_use = advance(before, named(Match.NONE), heard()).reservation
    assert (in_use.state, in_use.due) == (State.USED, None)
    check(in_use, CLEAN, row=33, to=Phase.ACTIVE, told="reactivated", claims=(1,))


@pytest.mark.row(29)
@pytest.mark.parametrize("match", ANY)
def test_row_29_an_answer_that_the_use_overtook_still_tells_the_status(match):
    """Used stays Used; the station's Accepted is kept for whoever asked."""
    before = pending()
    used_first = advance(before, named(match=match), heard()).reservation
    after = check(used_first, Accepted(ask=before.ask), row=29, to=used_first.phase, claims=used_first.claims)
    assert (after.ocpp_status, after.ask) == ("Accepted", None)
