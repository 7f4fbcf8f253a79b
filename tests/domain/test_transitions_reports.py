"""Rows 22 to 28, 42 to 46, 55, 57 and 58: late answers, the station's reports, the sweep, and what means nothing."""

from dataclasses import replace
from typing import get_args

import pytest
from lives import (
    AFTER,
    AT,
    CANCEL,
    EXPIRY,
    FIRST,
    LATER,
    NEW,
    REPLACE,
    REPORTS,
    SWEEP,
    accepted,
    active,
    ask,
    asking,
    check,
    ended,
    errored,
    expired,
    heard,
    in_phase,
    minutes,
    named,
    pending,
    refused,
    removed,
    replacing,
    transaction_ended,
    unconfirmed,
    used,
    wishing,
)

from evhold.domain import facts as f
from evhold.domain.reservation import Due, Phase
from evhold.domain.transitions import CLOSED_BUT_USED, ENDS_BUT_USED, LIVE, advance
from evhold.domain.values import AskKind

REPORTED = {f.ReportedExpired: (Phase.EXPIRED_CLOSED, "expired"), f.ReportedRemoved: (Phase.REMOVED_CLOSED, "removed")}


@pytest.mark.row(22)
@pytest.mark.parametrize("phase", ENDS_BUT_USED)
def test_row_22_a_late_accepted_is_a_ghost_to_clean_up(phase):
    """The end stays; the station gets one cancel."""
    before = ended(phase)
    check(before, accepted(FIRST), row=22, to=phase, told="due", cause=before.cause, due=Due.CLEAN_UP)


@pytest.mark.row(22)
@pytest.mark.parametrize("phase", ENDS_BUT_USED)
def test_row_22_past_its_expiry_there_is_nothing_to_clean_up(phase):
    """The station dropped it by itself; the expiry is that of the accepted terms."""
    before = ended(phase)
    check(before, accepted(FIRST), row=22, cause=before.cause, at=EXPIRY)
    later = ask(AskKind.REPLACE, of=NEW)
    check(before, accepted(later), row=22, to=phase, told="due", cause=before.cause, due=Due.CLEAN_UP, at=EXPIRY)
    unknown = replace(FIRST, terms=None)
    check(before, accepted(unknown), row=22, cause=before.cause, at=EXPIRY)


@pytest.mark.row(4, 23)
@pytest.mark.parametrize("fact", [expired(), removed()], ids=["expired", "removed"])
def test_row_23_what_was_taken_meanwhile_is_a_ghost(fact):
    """The report is of the old terms; the new ones, accepted while a cancel was open, are cleaned up and may be used."""
    taken = unconfirmed(replacement=NEW, accepted_kept=True, was_active=True)
    phase, told = REPORTED[type(fact)]
    ghost = check(taken, fact, row=23, to=phase, told=f"{told} due", due=Due.CLEAN_UP)
    assert ghost.expiry == NEW.expiry


@pytest.mark.row(22, 38)
def test_row_22_what_was_taken_late_is_held_by_its_own_terms():
    """The clean-up is due until their expiry, and a use in time by them is one."""
    later = ask(AskKind.REPLACE, of=NEW)
    ghost = advance(ended(Phase.EXPIRED_CLOSED), accepted(later), heard(EXPIRY)).reservation
    assert (ghost.expiry, ghost.claims) == (NEW.expiry, frozenset())
    use = named(f.Match.RESERVED, stamp=NEW.expiry - minutes(1))
    check(ghost, use, row=38, to=Phase.USED_PROVEN, told="used")


@pytest.mark.row(23)
@pytest.mark.req("H01.FR.16", "H01.FR.17", "H04.FR.01", "H04.FR.02")
@pytest.mark.parametrize("fact", REPORTS, ids=["Expired", "Removed"])
@pytest.mark.parametrize("phase", [*LIVE, Phase.USED_UNPROVEN])
def test_row_23_a_report_ends_what_lives_and_an_unproven_use(phase, fact):
    """By the station's word; the EVSE is free, no transaction is bound."""
    to, told = REPORTED[type(fact)]
    after = check(in_phase(phase), fact, row=23, to=to, told=told)
    assert (after.confirmed, after.transaction_id, after.keeps_claim) == (True, None, False)


@pytest.mark.row(24)
@pytest.mark.parametrize("fact", REPORTS, ids=["Expired", "Removed"])
def test_row_24_an_accepted_that_follows_its_report_is_row_22(fact):
    """The order of report and answer is not fixed: to be sure, it is cleaned up."""
    before = advance(pending(), fact, heard()).reservation
    check(before, accepted(FIRST), row=22, to=before.phase, told="due", due=Due.CLEAN_UP)


@pytest.mark.row(26)
@pytest.mark.parametrize("fact", REPORTS, ids=["Expired", "Removed"])
def test_row_26_a_report_does_not_undo_a_proven_use(fact):
    """An anomaly, no more."""
    check(used(proven=True), fact, row=26, anomaly=True)


@pytest.mark.row(27)
@pytest.mark.req("H04.FR.01")
@pytest.mark.parametrize("fact", REPORTS, ids=["Expired", "Removed"])
@pytest.mark.parametrize("phase", [Phase.EXPIRED_OPEN, Phase.REMOVED_OPEN, Phase.FAILED_OPEN])
def test_row_27_a_report_closes_an_open_end_as_it_says(phase, fact):
    """It had existed; what is told is the new state, where it is one."""
    to, told = REPORTED[type(fact)]
    before = ended(phase, follow=Due.CLEAN_UP)
    same = before.state.value.lower() == told
    check(before, fact, row=27, to=to, told="" if same else told)


@pytest.mark.row(27)
@pytest.mark.parametrize("fact", REPORTS, ids=["Expired", "Removed"])
def test_row_27_a_canceled_one_stays_canceled_and_is_closed(fact):
    """The driver had asked for just that."""
    check(ended(Phase.CANCELED_OPEN), fact, row=27, to=Phase.CANCELED_CLOSED, cause="requested")


@pytest.mark.row(28)
@pytest.mark.parametrize("fact", REPORTS, ids=["Expired", "Removed"])
@pytest.mark.parametrize("phase", CLOSED_BUT_USED)
def test_row_28_a_closed_end_is_not_ended_again(phase, fact):
    """Also when the report is repeated."""
    before = ended(phase)
    check(before, fact, row=28, cause=before.cause)


@pytest.mark.row(42, 57)
@pytest.mark.req("H03.FR.10", "G01.FR.09")
def test_row_42_and_57_no_fact_speaks_of_connectors_or_strangers():
    """A connector's status is no fact of a reservation, nor is an id; whose fact it is is settled before."""
    kinds = {kind.__name__ for kind in get_args(f.Fact)}
    assert not [kind for kind in kinds if "Connector" in kind or "Status" in kind]
    carried = {name for kind in get_args(f.Fact) for name in kind.__dataclass_fields__}
    assert not carried & {"reservation_id", "station_id", "connector_id", "seq_no"}


@pytest.mark.row(55)
@pytest.mark.req("B01.FR.13", "B11.FR.05")
def test_row_55_no_fact_speaks_of_boots_or_sockets():
    """A boot ends nothing by itself; an open ask meets it as silence."""
    kinds = {kind.__name__ for kind in get_args(f.Fact)}
    assert not [kind for kind in kinds if any(word in kind for word in ("Boot", "Connect", "Offline", "Online"))]
    lost = f.Silent(ask=FIRST, reason="connection-lost")
    after = advance(pending(), lost, heard()).reservation
    assert (after.phase, after.cause, after.due) == (Phase.UNCONFIRMED, "connection-lost", Due.RETRACT)


@pytest.mark.row(43)
def test_row_43_the_sweep_leaves_a_pending_one():
    """The call's own end comes first."""
    check(pending(), SWEEP, row=43, claims=(1,), noted=False)


@pytest.mark.row(43)
def test_row_43_the_sweep_takes_the_claim_of_an_unproven_use():
    """State and transaction stay; should it end clean, it expired."""
    before = used()
    after = check(before, SWEEP, row=43, to=Phase.USED_UNPROVEN, noted=False)
    check(after, SWEEP, row=43, noted=False)
    check(after, transaction_ended(clean=True), row=33, to=Phase.EXPIRED_OPEN, told="expired")
    # A use after an end goes back to that end.
    late = used(
        keeps_claim=False,
        came_from=advance(ended(Phase.REMOVED_OPEN), named(f.Match.NONE), heard()).reservation.came_from,
    )
    check(late, SWEEP, row=43, noted=False)


@pytest.mark.row(44)
@pytest.mark.req("H04.FR.02")
@pytest.mark.parametrize("phase", [Phase.ACTIVE, Phase.UNCONFIRMED])
def test_row_44_the_sweep_expires(phase):
    """By our own clock, openly; wish and retraction are dropped, the EVSE is free."""
    after = check(wishing(in_phase(phase)), SWEEP, row=44, to=Phase.EXPIRED_OPEN, told="expired", at=AFTER)
    assert (after.confirmed, after.cancel_requested_at) == (False, None)


@pytest.mark.row(44)
@pytest.mark.parametrize("before", [asking(active()), asking(unconfirmed()), replacing()])
def test_row_44_with_an_ask_open_the_sweep_waits(before):
    """Closing the ask brings it back."""
    check(before, SWEEP, row=44, cause=before.cause, claims=tuple(before.claims), noted=False)


@pytest.mark.row(44, 52, 36)
@pytest.mark.req("E04.FR.01")
def test_row_52_a_swept_replacement_is_in_time_by_the_later_terms():
    """Which terms the station held was never known: a use within either corrects the end."""
    before = unconfirmed(was_active=True, replacement=NEW)
    after = check(before, SWEEP, row=44, to=Phase.EXPIRED_OPEN, told="expired", at=LATER)
    assert after.replacement == NEW
    check(after, named(stamp=LATER), row=36, to=Phase.USED_PROVEN, told="used")


@pytest.mark.row(45)
@pytest.mark.parametrize(
    ("fact", "cause"), [(refused(FIRST), None), (errored(FIRST, "NotSupported"), "NotSupported")], ids=["no", "error"]
)
def test_row_45_a_late_refusal_tells_that_it_never_was(fact, cause):
    """It was Unconfirmed until our sweep."""
    before = ended(Phase.EXPIRED_OPEN, was_active=False)
    check(before, fact, row=45, to=Phase.REFUSED, told="refused", cause=cause)


@pytest.mark.row(45)
def test_row_45_a_late_accepted_leaves_it_expired():
    """Past its expiry there is nothing to clean up."""
    check(ended(Phase.EXPIRED_OPEN, was_active=False), accepted(FIRST), row=22, at=AFTER)


@pytest.mark.row(45)
@pytest.mark.parametrize("fact", [refused(FIRST), errored(FIRST, "NotSupported")], ids=["no", "error"])
def test_row_45_does_not_hold_for_one_that_was_active(fact):
    """It had been accepted: it expired."""
    check(ended(Phase.EXPIRED_OPEN), fact, row=58)


@pytest.mark.row(46)
@pytest.mark.parametrize("fact", [refused(FIRST), errored(FIRST, "NotSupported")], ids=["no", "error"])
@pytest.mark.parametrize(
    ("phase", "to"),
    [(Phase.FAILED_OPEN, Phase.FAILED_CLOSED), (Phase.CANCELED_OPEN, Phase.CANCELED_CLOSED)],
)
def test_row_46_a_late_refusal_closes_the_end(phase, to, fact):
    """The station never held it."""
    before = ended(phase)
    check(before, fact, row=46, to=to, cause=before.cause)


@pytest.mark.row(58)
@pytest.mark.parametrize(
    ("before", "fact"),
    [
        (active(), transaction_ended(clean=True)),
        (active(), accepted(FIRST)),
        (ended(Phase.REMOVED_CLOSED), refused(FIRST)),
        (ended(Phase.EXPIRED_CLOSED), SWEEP),
    ],
)
def test_row_58_what_is_not_listed_is_noted_and_changes_nothing(before, fact):
    """No anomaly: nobody said that it could not be."""
    check(before, fact, row=58, cause=before.cause, claims=tuple(before.claims))


@pytest.mark.row(58)
def test_row_58_an_unlisted_answer_still_closes_its_ask():
    """The station has spoken, so the order is no longer open."""
    before = asking(used(came_from=None), ask(AskKind.RESTORE))
    after = advance(before, refused(ask(AskKind.RESTORE)), heard()).reservation
    assert (after.ask, after.phase, after.version) == (None, Phase.USED_UNPROVEN, before.version + 1)


def test_the_history_keeps_the_facts_own_word_for_why():
    """The cause of a change that has none of its own is the new state's."""
    silence = advance(asking(active()), f.Silent(ask=CANCEL, reason="restart"), heard()).transition
    assert silence is not None
    assert silence.cause == "restart"
    refusal = advance(replacing(), refused(REPLACE, "Occupied"), heard()).transition
    assert refusal is not None
    assert refusal.cause == "Occupied"
    report = advance(active(), expired(AT), heard()).transition
    assert report is not None
    assert report.cause is None
