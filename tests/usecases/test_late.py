"""Ends of asks that nobody waited for: late answers, and what a crash cut off."""

import pytest
from station_script import AWAY, Stations, errored, lost, refused, silent
from usecase_fakes import connector

from evhold.domain.facts import Accepted, Errored, Refused
from evhold.domain.reservation import Phase
from evhold.domain.values import By
from evhold.usecases.late import recover


def take(ask):
    """Accepted."""
    return Accepted(ask=ask)


@pytest.mark.row(7)
@pytest.mark.row(17)
async def test_after_a_crash_no_ask_is_open(stage):
    """Each ended in silence: the reserve is retracted, the cancel asked again, when the station is there."""
    canceling = await stage.reserve(evse_id=1)
    await stage.wish(canceling)
    pending = (await stage.place(evse_id=2)).reservation
    idle = await stage.reserve(evse_id=3)
    stage.stations.told()

    assert await recover(storage=stage.storage, clock=stage.clock) == 2

    assert [await stage.phase(one) for one in (canceling, pending, idle)] == [
        Phase.ACTIVE,
        Phase.UNCONFIRMED,
        Phase.ACTIVE,
    ]
    last = (await stage.history(pending))[-1]
    assert (last.cause, last.by, last.row) == ("restart", By.CSMS, 7)
    stage.reactions = stage.new_reactions()
    station = await stage.connect()
    await stage.boot(station)
    await stage.move(5)
    assert stage.stations.told() == [("cancel", pending.id), ("cancel", canceling.id)]


async def test_recovering_twice_changes_nothing(stage):
    """There is nothing left."""
    await stage.place()
    assert [await recover(storage=stage.storage, clock=stage.clock) for _ in range(2)] == [1, 0]


@pytest.mark.row(3)
async def test_an_answer_after_our_restart_counts(stage):
    """It names the ask by its message id."""
    placed = await stage.place()
    stage.stations.presences["CS1"] = AWAY
    await recover(storage=stage.storage, clock=stage.clock)

    assert await stage.late(placed.reservation.ask, take)

    assert await stage.phase(placed.reservation) is Phase.ACTIVE


async def test_an_answer_counts_once(stage):
    """The same again, and one to an ask that was answered in time, means nothing."""
    known = await stage.reserve()
    assert not await stage.late(stage.stations.sent[0].ask, lambda ask: Refused(ask=ask, status="Occupied"))
    assert await stage.phase(known) is Phase.ACTIVE


async def test_what_is_not_the_stations_own_means_nothing(stage):
    """An unknown message id, another station's, an answer that can't be read."""
    stage.stations.answers("reserve", lost)
    stage.stations.answers("cancel", Stations.HOLD)
    known = await stage.reserve()
    ask = stage.stations.sent[0].ask
    before = await stage.get(known)

    assert not await stage.late(ask, take, station="CS2")
    assert not await stage.late(ask, lambda ask: None)
    assert not await stage.late(type(ask)(message_id="?", kind=ask.kind, terms=None, sent_at=ask.sent_at), take)

    assert await stage.get(known) == before


@pytest.mark.row(5)
@pytest.mark.row(6)
@pytest.mark.row(8)
@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (lambda ask: Refused(ask=ask, status="Faulted"), Phase.REFUSED),
        (lambda ask: Errored(ask=ask, code="NotSupported"), Phase.REFUSED),
        (lambda ask: Errored(ask=ask, code="InternalError"), Phase.UNCONFIRMED),
    ],
)
async def test_a_late_no_to_the_first_reserve(stage, answer, phase):
    """The station's word, as if it had come in time."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", Stations.HOLD)
    known = await stage.reserve()

    assert await stage.late(stage.stations.sent[0].ask, answer)

    assert await stage.phase(known) is phase


@pytest.mark.row(22)
async def test_a_late_accepted_to_what_ended_is_cleaned_up(stage):
    """The station took it after all: one cancel, whose answer changes no state."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", errored("NotImplemented"))
    known = await stage.reserve(expiry=900)
    ask = stage.stations.sent[0].ask
    await stage.report(known, "Removed")
    stage.stations.told()

    assert await stage.late(ask, take)

    assert stage.stations.told() == [("clean-up", known.id)]
    assert await stage.phase(known) is Phase.REMOVED_CLOSED


@pytest.mark.row(53)
async def test_a_late_refusal_of_the_old_terms_looks_at_the_connectors(stage):
    """All Reserved still."""
    known = await stage.reserve()
    one = connector(status="Reserved", since=stage.after(0))
    await stage.storage.transact(lambda tx: tx.connectors.put(one))
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", Stations.HOLD)
    await stage.replaced(known, evse_id=2)

    assert await stage.late(stage.stations.held()[0].ask, lambda ask: Refused(ask=ask, status="Rejected"))

    assert await stage.phase(known) is Phase.ACTIVE
