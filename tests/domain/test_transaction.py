"""A transaction is the fold of its events, in whatever order and however often they come."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evhold.domain.transaction import CHARGING, Event, Transaction, fold
from evhold.domain.values import ConnectorId, EvseId, IdToken, ReservationId, StationId, TransactionId

AT = datetime(2026, 12, 15, 12, 0, tzinfo=UTC)
TOKEN = IdToken("AABBCCDD", "ISO14443")
OTHER = IdToken("DEADBEEF", "ISO14443")


def event(seq_no: int, kind: str = "Updated", **more: object) -> Event:
    """One event, stamped a minute after the one before it."""
    return Event(
        station_id=StationId("CS1"),
        transaction_id=TransactionId("tx-1"),
        type=kind,
        stamp=AT + timedelta(minutes=seq_no),
        seq_no=seq_no,
        trigger="CablePluggedIn",
        **more,  # type: ignore[arg-type]
    )


def folded(*events: Event, accepted: frozenset[int] = frozenset()) -> Transaction:
    """All of them, in this order; a repeat is left out, as the use case does."""
    known: Transaction | None = None
    for one in events:
        if known is None or not known.has_seen(one.seq_no):
            known = fold(known, one, token_accepted=one.seq_no in accepted)
    assert known is not None
    return known


WHOLE = (
    event(0, "Started", evse_id=EvseId(1), connector_id=ConnectorId(2)),
    event(1, id_token=TOKEN, reservation_id=ReservationId(42)),
    event(2, charging_state=CHARGING, energy_wh=10.0),
    event(3, energy_wh=20.0),
    event(4, "Ended", stopped_reason="EVDisconnected"),
)


def test_a_whole_transaction():
    """What any event told is known at the end."""
    whole = folded(*WHOLE, accepted=frozenset({1}))
    assert (whole.state, whole.seen, whole.is_complete) == ("Ended", ((0, 4),), True)
    assert (whole.evse_id, whole.connector_id, whole.reservation_id, whole.id_token) == (1, 2, 42, TOKEN)
    assert (whole.token_accepted, whole.ever_charged, whole.energy_wh) == (True, True, 20.0)
    assert (whole.started_at, whole.ended_at, whole.last_stamp) == (AT, WHOLE[4].stamp, WHOLE[4].stamp)
    assert whole.stopped_reason == "EVDisconnected"


@pytest.mark.req("E04.FR.02")
@given(st.permutations(WHOLE))
def test_the_order_of_arrival_does_not_matter(events):
    """Events made offline come late; their own stamps count."""
    assert folded(*events, accepted=frozenset({1})) == folded(*WHOLE, accepted=frozenset({1}))


@pytest.mark.req("E13")
@given(st.lists(st.sampled_from(WHOLE), min_size=1))
def test_a_repeat_is_seen(events):
    """The same seqNo again is known, so it changes nothing."""
    known = folded(*events)
    assert folded(*events, *events) == known
    assert all(known.has_seen(one.seq_no) for one in events)


def test_the_first_event_gives_the_state_and_later_ones_update_it():
    """An end stays an end, whatever comes after it."""
    assert folded(WHOLE[0]).state == "Started"
    assert folded(WHOLE[1]).state == "Updated"
    assert folded(*WHOLE[:2]).state == "Updated"
    assert folded(WHOLE[4], WHOLE[0]).state == "Ended"


def test_the_first_token_is_kept():
    """Who swipes to stop it does not become its owner."""
    assert folded(event(0, "Started", id_token=TOKEN), event(1, "Ended", id_token=OTHER)).id_token == TOKEN


@given(st.sets(st.integers(min_value=0, max_value=30), min_size=1))
def test_the_seen_ranges_are_sorted_and_joined(numbers):
    """They hold exactly what came, with a gap between any two."""
    seen = folded(*(event(number) for number in numbers)).seen
    assert {number for low, high in seen for number in range(low, high + 1)} == numbers
    assert all(one[1] + 1 < two[0] for one, two in itertools.pairwise(seen))


CLEAN = (event(0, "Started"), event(1, id_token=OTHER), event(2, "Ended"))


@pytest.mark.row(33)
def test_row_33_a_clean_end_is_complete_and_nobody_charged():
    """A foreign token that was refused does not spoil it."""
    assert folded(*CLEAN).ended_clean
    assert folded(*reversed(CLEAN)).ended_clean


@pytest.mark.row(34)
@pytest.mark.parametrize(
    ("events", "accepted"),
    [
        (CLEAN[:2], set()),
        ((CLEAN[0], CLEAN[2]), set()),
        (CLEAN[1:], set()),
        (CLEAN, {1}),
        ((*CLEAN, event(3, charging_state=CHARGING)), set()),
        ((event(0, "Started", remote_start_id=0), *CLEAN[1:]), set()),
    ],
    ids=["not ended", "gap", "no start", "accepted token", "charged", "remote start"],
)
def test_row_34_any_doubt_makes_an_end_not_clean(events, accepted):
    """Then nobody can say that the reservation was not used."""
    assert not folded(*events, accepted=frozenset(accepted)).ended_clean


def test_an_energy_value_of_an_older_event_does_not_replace_a_newer_one():
    """But it is better than none."""
    assert folded(WHOLE[3], WHOLE[2]).energy_wh == 20.0
    assert folded(WHOLE[4], WHOLE[2]).energy_wh == 10.0
    assert folded(WHOLE[0], WHOLE[4]).energy_wh is None
