"""The restore rule (row 56): what a station forgot at its boot is asked for again, and nothing else."""

import pytest
from station_script import AWAY, Stations, accepted, cancel_rejected, errored, never_left, refused, silent
from usecase_fakes import seconds

from evhold.domain.reservation import Phase
from evhold.domain.station import Capabilities, Registration

pytestmark = pytest.mark.row(56)


@pytest.fixture
async def station(stage):
    """CS1, connected, its EVSE 1 reported Reserved."""
    connected = await stage.connect()
    await stage.boot(connected)
    await stage.status(connected, "Reserved")
    return connected


@pytest.fixture
async def active(stage, station):
    """An Active reservation of EVSE 1; nothing is noted of it."""
    known = await stage.reserve()
    await stage.move(100)
    stage.stations.told()
    return known


async def reboot(stage, station, *, status="Available"):
    """It boots, and reports the connector so."""
    await stage.boot(station)
    if status is not None:
        await stage.status(station, status)


@pytest.mark.parametrize(
    ("answer", "phase", "sent"),
    [
        (accepted, Phase.ACTIVE, ["restore"]),
        (refused(), Phase.REMOVED_OPEN, ["restore", "clean-up"]),
        (errored("NotSupported"), Phase.REMOVED_OPEN, ["restore", "clean-up"]),
        (silent, Phase.REMOVED_OPEN, ["restore", "cancel"]),
        (errored("GenericError"), Phase.REMOVED_OPEN, ["restore", "cancel"]),
    ],
)
async def test_what_was_forgotten_is_asked_for_again(stage, station, active, answer, phase, sent):
    """The same id and terms, after the delay; a No ends it, silence is settled by a cancel."""
    stage.stations.answers("restore", answer)
    stage.stations.answers("cancel", cancel_rejected(stage.after(0)))
    stage.stations.answers("clean-up", cancel_rejected())
    await reboot(stage, station)
    await stage.move(59.9)
    assert stage.stations.sent == []

    await stage.move(0.1)

    assert [one.ask.terms for one in stage.stations.sent if one.ask.kind == "restore"] == [active.terms]
    assert [kind for kind, _ in stage.stations.told()] == sent
    assert await stage.phase(active) is phase


async def test_what_was_restored_is_not_restored_twice(stage, station, active):
    """Not even by a reconnect soon after."""
    await reboot(stage, station)
    await stage.move(60)
    await stage.disconnect(station)
    again = await stage.connect()
    await stage.status(again, "Available")
    await stage.move(200)
    assert stage.stations.told() == [("restore", active.id)]


@pytest.mark.parametrize("status", ["Reserved", "Occupied", "Faulted", "Unavailable", None])
async def test_a_connector_that_is_not_available(stage, station, active, status):
    """Or was not reported since the boot: nothing is asked."""
    await reboot(stage, station, status=status)
    await stage.move(61)
    assert ("restore", active.id) not in stage.stations.told()


async def test_every_connector_of_the_evse_has_to_be_available(stage, station, active):
    """One is not."""
    await reboot(stage, station)
    await stage.status(station, "Occupied", connector_id=2)
    await stage.move(61)
    assert stage.stations.told() == []


async def test_a_station_that_is_set_not_to_restore(stage, station, active):
    """restoreAfterBoot false."""
    await stage.change_station(restore_after_boot=False)
    await reboot(stage, station)
    await stage.move(61)
    assert stage.stations.told() == []


async def test_a_station_that_was_removed(stage, station, active):
    """There is nothing to restore at."""
    await reboot(stage, station)
    await stage.storage.transact(lambda tx: tx.stations.remove("CS1"))
    await stage.move(61)
    assert stage.stations.told() == []


@pytest.mark.parametrize(("enabled", "sent"), [(False, 0), (None, 1), (True, 1)])
async def test_disabled_reservations_are_dormant(stage, station, active, enabled, sent):
    """Not lost."""
    await stage.change_station(capabilities=Capabilities(enabled=enabled))
    await reboot(stage, station)
    await stage.move(61)
    assert len(stage.stations.told()) == sent


async def test_a_transaction_event_since_the_boot(stage, station, active):
    """It may be the use that we were not told of."""
    await reboot(stage, station)
    await stage.transaction(station, "Ended", transaction_id="T9", seq_no=3)
    await stage.move(61)
    assert stage.stations.told() == []


@pytest.mark.parametrize(("evse_id", "sent"), [(1, 0), (2, 1)])
async def test_a_transaction_that_has_not_ended(stage, station, active, evse_id, sent):
    """On the same EVSE, from before the boot."""
    await stage.transaction(station, transaction_id="T9", evse_id=evse_id)
    await stage.move(1)
    await reboot(stage, station)
    await stage.move(61)
    assert len(stage.stations.told()) == sent


async def test_a_reservation_of_any_evse(stage, station):
    """No connector says that it was forgotten."""
    known = await stage.reserve(evse_id=None)
    await stage.move(1)
    await reboot(stage, station)
    await stage.move(61)
    assert ("restore", known.id) not in stage.stations.told()


async def test_what_the_station_took_since_its_boot(stage, station, active):
    """Made or replaced after it, it can't have been forgotten at it."""
    await reboot(stage, station)
    await stage.status(station, "Available", evse_id=2)
    await stage.move(1)
    await stage.replaced(active, expiry=stage.after(500))
    await stage.reserve(evse_id=2)
    stage.stations.told()
    await stage.move(61)
    assert stage.stations.told() == []


async def test_a_wish_that_came_and_went_since_the_boot(stage, station, active):
    """A station that can't cancel has not taken it anew by saying so."""
    stage.stations.answers("cancel", errored("NotImplemented"))
    await reboot(stage, station)
    await stage.cancel_only(active)
    assert (await stage.get(active)).cancel_requested_at is None

    await stage.move(60)

    assert stage.stations.told() == [("cancel", active.id), ("restore", active.id)]


async def test_only_the_last_boot_counts(stage, station, active):
    """The delay begins anew."""
    await reboot(stage, station)
    await stage.move(30)
    await reboot(stage, station)
    await stage.move(59)
    assert stage.stations.told() == []
    await stage.move(1)
    assert stage.stations.told() == [("restore", active.id)]


async def test_one_after_the_other_and_the_rule_holds_for_each(stage, station, active):
    """While the first was asked, the second's EVSE was taken."""
    other = await stage.reserve(evse_id=2)
    await stage.move(1)
    stage.stations.told()
    stage.stations.answers("restore", Stations.HOLD)
    await reboot(stage, station)
    await stage.status(station, "Available", evse_id=2)
    await stage.move(60)
    assert stage.stations.told() == [("restore", active.id)]

    await stage.status(station, "Occupied", evse_id=2)
    stage.stations.answer(accepted)
    await stage.settle()

    assert stage.stations.told() == [("restore", active.id)]
    assert await stage.phase(other) is Phase.ACTIVE


async def test_a_station_that_leaves_between_two_restores(stage, station, active):
    """The second is not begun, and no ask is left open."""
    await stage.reserve(evse_id=2)
    await stage.move(1)
    stage.stations.told()
    stage.stations.answers("restore", Stations.HOLD)
    await reboot(stage, station)
    await stage.status(station, "Available", evse_id=2)
    await stage.move(60)
    stage.stations.presences["CS1"] = AWAY
    stage.stations.answer(accepted)
    await stage.settle()

    assert await stage.storage.read(lambda tx: tx.reservations.with_open_ask()) == []
    assert stage.stations.told() == [("restore", active.id)]


async def test_a_restore_that_never_left_leaves_nothing_open(stage, station, active):
    """The station went between the commit and the frame."""
    stage.stations.answers("restore", never_left())
    await reboot(stage, station)
    await stage.move(61)
    known = await stage.get(active)
    assert (known.phase, known.ask, known.reserves_sent) == (Phase.ACTIVE, None, 1)


async def test_a_station_that_is_not_there_when_the_delay_ends(stage, station, active):
    """Its last boot was not accepted."""
    await reboot(stage, station)
    await stage.change_station(registration=Registration.REJECTED)
    await stage.boot(station)
    await stage.move(100)
    assert stage.stations.told() == []


# Cut short


@pytest.mark.row(55)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_restore_that_was_cut_short_is_taken_up_again(stage, station, active, restarted):
    """By a lost socket, or by our restart; the connectors are asked for in the new connection."""
    await reboot(stage, station)
    await stage.move(10)
    await stage.disconnect(station)
    if restarted:
        stage.reactions = stage.new_reactions()
    await stage.move(30)
    again = await stage.connect()
    await stage.move(15)
    assert stage.stations.requested[-1] == ("CS1", ("StatusNotification", 1, 1))
    await stage.status(again, "Available")

    await stage.move(60)

    assert stage.stations.told() == [("restore", active.id)]


@pytest.mark.row(55)
async def test_not_when_the_boot_was_long_ago(stage, station, active):
    """It may have been consumed unseen since."""
    await reboot(stage, station)
    await stage.disconnect(station)
    await stage.move(600)
    again = await stage.connect()
    await stage.status(again, "Available")
    await stage.move(100)
    assert stage.stations.told() == []


async def test_a_boot_that_was_accepted_later(stage, station, active):
    """Pending at first; Accepted when it was triggered to boot again."""
    await stage.change_station(registration=Registration.PENDING)
    await stage.boot(station)
    await stage.change_station(registration=Registration.ACCEPTED)
    await stage.move(20)
    await stage.boot(station, reason="Triggered")
    await stage.status(station, "Available")

    await stage.move(71)

    assert stage.stations.told() == [("restore", active.id)]


async def test_a_connection_that_is_gone_takes_nothing_up(stage, station, active):
    """It ended while we looked."""
    await stage.disconnect(station)
    again = await stage.connect()
    stage.reactions.heard(again)
    stage.reactions.closed(again)
    await stage.settle()
    assert [one for one in stage.clock.timers if one.at > stage.clock.monotonic() + 40] == []
    assert await stage.phase(active) is Phase.ACTIVE
    assert stage.clock.now() > active.created_at + seconds(1)
