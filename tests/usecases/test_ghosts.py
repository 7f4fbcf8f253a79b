"""The ghost hunt: a connector is Reserved for a minute, and nothing that we know of can be why."""

import pytest
from station_script import AWAY, Stations, accepted, cancel_accepted, cancel_rejected, errored, refused, silent
from usecase_fakes import TAG_B

from evhold.domain.reservation import Phase
from evhold.domain.station import Registration

pytestmark = pytest.mark.row(57)


@pytest.fixture
async def station(stage):
    """CS1, connected."""
    return await stage.connect()


async def swept(stage, **given):
    """A reservation that our sweep called Expired: the station never said so."""
    known = await stage.reserve(expiry=10, **given)
    stage.sweeper.start()
    await stage.move(40)
    assert await stage.phase(known) is Phase.EXPIRED_OPEN
    stage.stations.told()
    return known


@pytest.mark.row(15)
async def test_what_ended_without_the_stations_word_is_asked_about(stage, station):
    """The station held it all the same: canceled there, closed here, the operator told."""
    known = await swept(stage)
    await stage.status(station, "Reserved")
    await stage.move(59)
    assert stage.stations.sent == []

    await stage.move(1)

    assert stage.stations.told() == [("clean-up", known.id)]
    assert await stage.phase(known) is Phase.EXPIRED_CLOSED
    ghost = stage.ghosts[0]
    assert (ghost.station_id, ghost.evse_id, ghost.connector_id) == ("CS1", 1, 1)
    assert (ghost.asked, ghost.removed) == ((known.id,), known.id)
    assert (await stage.history(known))[-1].fact == "CancelAccepted"


@pytest.mark.row(16)
async def test_then_what_was_canceled(stage, station):
    """Likeliest first, and no further once the ghost is found; a canceled one that was there is an anomaly."""
    canceled = await stage.reserve(evse_id=2)
    await stage.cancel(canceled)
    older = await stage.reserve(evse_id=2)
    await stage.cancel(older)
    open_end = await swept(stage)
    stage.stations.answers("clean-up", cancel_rejected(), cancel_accepted)
    await stage.status(station, "Reserved", evse_id=2)

    await stage.move(60)

    assert stage.stations.told() == [("clean-up", open_end.id), ("clean-up", older.id)]
    assert (await stage.history(older))[-1].anomaly
    assert stage.ghosts[0].removed == older.id
    await stage.move(60)
    assert stage.stations.told() == [("clean-up", canceled.id)]


@pytest.mark.parametrize(
    "terms",
    [{"evse_id": 1}, {"evse_id": None}, {"evse_id": None, "connector_type": "cCCS2"}],
)
async def test_a_live_reservation_explains_it(stage, station, terms):
    """One of this EVSE, or one that names none (H01.FR.20)."""
    await swept(stage)
    await stage.reserve(**terms)
    stage.stations.told()
    await stage.status(station, "Reserved")
    await stage.move(120)
    assert (stage.stations.told(), stage.ghosts) == ([], [])


async def test_a_replacement_explains_it(stage, station):
    """Both of its EVSEs."""
    known = await stage.reserve(evse_id=2)
    stage.stations.answers("replace", Stations.HOLD)
    proposed = await stage.propose(known, evse_id=1)
    stage.orders.start(stage.ask_replacement(proposed), name="replace")
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.ghosts == []


async def test_an_unproven_use_explains_it(stage, station):
    """A proven one does not."""
    await swept(stage)
    known = await stage.reserve()
    await stage.transaction(station, reservation_id=known.id)
    stage.stations.told()
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.ghosts == []

    await stage.transaction(station, "Updated", seq_no=1, id_token=known.terms.id_token)
    await stage.move(60)

    assert len(stage.ghosts) == 1


async def test_a_reservation_of_another_evse_explains_nothing(stage, station):
    """The hunt is on."""
    known = await swept(stage)
    await stage.reserve(evse_id=2)
    stage.stations.told()
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.stations.told() == [("clean-up", known.id)]


async def test_what_a_reservation_explained_is_wondered_at_when_it_ends(stage, station):
    """Expired by our sweep, and the connector stays Reserved."""
    await stage.status(station, "Reserved")
    known = await swept(stage)
    assert stage.ghosts == []
    await stage.move(60)
    assert stage.ghosts[0].removed == known.id


async def test_a_connector_that_is_reserved_no_more(stage, station):
    """Within the minute: nothing is asked."""
    await swept(stage)
    await stage.status(station, "Reserved")
    await stage.move(30)
    await stage.status(station, "Available")
    await stage.move(60)
    assert (stage.stations.told(), stage.ghosts) == ([], [])


async def test_a_connector_that_becomes_free_meanwhile_ends_the_hunt(stage, station):
    """The others are left alone."""
    first = await swept(stage)
    second = await swept(stage, evse_id=2)
    stage.stations.answers("clean-up", Stations.HOLD)
    await stage.status(station, "Reserved")
    await stage.move(60)
    await stage.status(station, "Available")
    stage.stations.answer(cancel_rejected())
    await stage.settle()
    assert stage.stations.told() == [("clean-up", second.id)]
    assert await stage.phase(first) is Phase.EXPIRED_OPEN


async def test_nothing_that_might_be_it(stage, station):
    """Refused, used, removed by the station's word, too long ago: only the operator is told."""
    stage.stations.answers("reserve", refused(), accepted)
    await stage.reserve()
    reported = await stage.reserve()
    await stage.report(reported, "Removed")
    await stage.move(86_400)
    await stage.status(station, "Reserved")
    stage.stations.told()
    await stage.move(60)
    assert [(one.asked, one.removed) for one in stage.ghosts] == [((), None)]
    assert stage.stations.told() == []


async def test_what_is_more_than_a_day_old_is_left(stage, station):
    """Nobody would hold it that long."""
    await swept(stage)
    await stage.move(86_400)
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.ghosts[0].asked == ()


async def test_what_is_being_cleaned_up_is_left_to_that(stage, station):
    """Its clean-up waits for its repeat already."""
    known = await stage.reserving()
    await stage.report(known, "Removed")
    stage.stations.answers("clean-up", silent)
    stage.stations.answer(accepted)
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.ghosts[0].asked == ()


async def test_nobody_is_asked_twice_in_one_connection(stage, station):
    """A station that says No is not asked again for the same id."""
    known = await swept(stage)
    stage.stations.answers("clean-up", cancel_rejected())
    await stage.status(station, "Reserved")
    await stage.move(60)
    await stage.status(station, "Available")
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.stations.told() == [("clean-up", known.id)]
    assert [one.asked for one in stage.ghosts] == [(known.id,), ()]

    await stage.disconnect(station)
    await stage.connect()
    await stage.move(60)
    assert stage.stations.told() == [("clean-up", known.id)]


async def test_what_another_hunt_asks_about_is_not_asked_twice_at_once(stage, station):
    """Two connectors, one suspect."""
    known = await swept(stage)
    stage.stations.answers("clean-up", Stations.HOLD)
    await stage.status(station, "Reserved", connector_id=1)
    await stage.status(station, "Reserved", connector_id=2)
    await stage.move(60)
    assert [one.reservation_id for one in stage.stations.held()] == [known.id]
    stage.stations.answer(errored("NotImplemented"))
    await stage.settle()
    assert {one.connector_id for one in stage.ghosts} == {1, 2}


async def test_two_hunts_share_the_suspects(stage, station):
    """Each is asked about by one of them."""
    suspects = {(await swept(stage)).id, (await swept(stage, evse_id=2)).id}
    stage.stations.answers("clean-up", Stations.HOLD)
    for number in (1, 2):
        await stage.status(station, "Reserved", connector_id=number)
    await stage.move(60)
    assert {one.reservation_id for one in stage.stations.held()} == suspects
    for _ in suspects:
        stage.stations.answer(cancel_rejected())
        await stage.settle()
    assert [len(one.asked) for one in stage.ghosts] == [1, 1]


async def test_a_station_that_is_gone_or_not_accepted_is_not_asked(stage, station):
    """Its timers end with its socket; Rejected, nothing is sent to it (B03)."""
    await swept(stage)
    await stage.status(station, "Reserved")
    await stage.change_station(registration=Registration.REJECTED)
    await stage.boot(station)
    await stage.move(60)
    await stage.disconnect(station)
    await stage.move(600)
    assert (stage.stations.told(), stage.ghosts) == ([], [])


async def test_a_station_that_leaves_in_the_middle_of_the_hunt(stage, station):
    """The rest waits for another day."""
    await swept(stage)
    second = await swept(stage, evse_id=2, id_token=TAG_B, force=True)
    stage.stations.answers("clean-up", Stations.HOLD)
    await stage.status(station, "Reserved")
    await stage.move(60)
    stage.stations.presences["CS1"] = AWAY
    stage.stations.answer(cancel_rejected())
    await stage.settle()
    assert stage.stations.told() == [("clean-up", second.id)]


async def test_a_connector_that_was_reserved_before_our_restart(stage, station):
    """It is known from the database."""
    known = await swept(stage)
    await stage.status(station, "Reserved")
    stage.reactions = stage.new_reactions()
    await stage.connect()
    await stage.move(60)
    assert ("clean-up", known.id) in stage.stations.told()
