"""Event -> follow-up order: when orders go out, in which order, how often; boots, reports, statuses."""

from dataclasses import replace

import pytest
from station_script import (
    AWAY,
    THERE,
    Stations,
    accepted,
    cancel_accepted,
    cancel_rejected,
    errored,
    lost,
    never_left,
    refused,
    silent,
)
from usecase_fakes import TAG_B, CountedReads

from evhold.domain.errors import StationUnknown
from evhold.domain.events import OrderDue, RegistryChanged
from evhold.domain.reservation import Due, Phase
from evhold.domain.station import Registration
from evhold.domain.transitions import asked
from evhold.usecases.reactions import World


async def unconfirmed(stage, **given):
    """An Unconfirmed reservation, its station away."""
    stage.stations.answers("reserve", lost)
    placed = await stage.place(**given)
    known = await stage.ask(placed)
    stage.stations.answers("reserve", accepted)
    return known


# Retract, do not repeat


@pytest.mark.row(7)
@pytest.mark.row(9)
async def test_silence_is_settled_by_a_retraction(stage):
    """Unconfirmed, told, and canceled at once; no ReserveNow is repeated."""
    stage.stations.answers("reserve", silent)
    known = await stage.reserve()
    assert stage.stations.told() == [("reserve", known.id), ("cancel", known.id)]
    assert await stage.phase(known) is Phase.CANCELED_CLOSED
    assert stage.told() == ["unconfirmed", "canceled"]


@pytest.mark.row(17)
async def test_a_retraction_is_repeated_until_it_is_answered(stage):
    """After 5 s, 10 s, ... 5 min; each ask is committed before it is sent, with an id of its own."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", silent)
    known = await stage.reserve(expiry=7200)
    sent = []
    for _ in range(1400):
        before = len(stage.stations.sent)
        await stage.move(1)
        sent += [stage.clock.monotonic()] * (len(stage.stations.sent) - before)
        if len(sent) == 8:
            break

    assert sent == [5, 15, 35, 75, 155, 315, 615, 915]
    assert len({one.ask.message_id for one in stage.stations.sent}) == 10
    stage.stations.answers("cancel", cancel_rejected())
    await stage.move(300)
    assert await stage.phase(known) is Phase.FAILED_OPEN


@pytest.mark.row(17)
async def test_one_reservations_long_wait_does_not_hold_up_another(stage):
    """Each is asked at its own time."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", silent)
    first = await stage.reserve(evse_id=1, expiry=7200)
    await stage.move(400)
    stage.stations.told()
    second = await stage.reserve(evse_id=2, expiry=7200)
    await stage.move(5)
    assert [pair for pair in stage.stations.told() if pair[1] == second.id][-2:] == [("cancel", second.id)] * 2
    assert await stage.phase(first) is Phase.UNCONFIRMED


# When orders go out


@pytest.mark.row(55)
async def test_right_after_an_accepted_boot(stage):
    """The orders first, then the variables, then the report."""
    known = await unconfirmed(stage)
    stage.stations.told()
    station = await stage.connect()
    assert stage.stations.sent == []

    await stage.boot(station)

    assert stage.stations.told() == [("cancel", known.id)]
    assert (stage.capabilities_read, stage.stations.requested) == (["CS1"], [("CS1", "report")])
    await stage.move(20)
    assert stage.stations.requested == [("CS1", "report")]


@pytest.mark.row(55)
async def test_without_a_boot_after_the_first_other_call(stage):
    """Once; a second CALL finds nothing to do."""
    known = await unconfirmed(stage)
    stage.stations.told()
    station = await stage.connect()
    stage.reactions.heard(station)
    stage.reactions.heard(station)
    await stage.settle()
    assert stage.stations.told() == [("cancel", known.id)]


@pytest.mark.row(55)
async def test_or_after_five_seconds(stage):
    """And not before."""
    known = await unconfirmed(stage)
    stage.stations.told()
    await stage.connect()
    await stage.move(4.9)
    assert stage.stations.sent == []
    await stage.move(0.1)
    assert stage.stations.told() == [("cancel", known.id)]


@pytest.mark.row(17)
@pytest.mark.row(55)
async def test_a_boot_cuts_a_long_wait_to_five_seconds(stage):
    """What waited minutes for its next turn is asked 5 s after the boot, not at once and not minutes later."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", silent)
    known = await stage.reserve(expiry=7200)
    await stage.move(400)
    station = await stage.connect()
    await stage.boot(station)
    stage.stations.told()
    await stage.move(4.9)
    assert stage.stations.told() == []
    await stage.move(0.1)
    assert stage.stations.told() == [("cancel", known.id)]


@pytest.mark.req("B03", "B03.FR.03", "B02")
@pytest.mark.parametrize("status", [Registration.PENDING, Registration.REJECTED])
async def test_nothing_goes_to_a_station_that_is_not_accepted(stage, status):
    """Neither after its boot nor at a reconnect."""
    known = await unconfirmed(stage)
    await stage.change_station(registration=status)
    station = await stage.connect()
    await stage.boot(station)
    stage.stations.told()
    await stage.move(30)
    await stage.disconnect(station)
    again = await stage.connect()
    stage.reactions.heard(again)
    await stage.move(30)

    assert stage.stations.sent == stage.stations.requested == []
    await stage.change_station(registration=Registration.ACCEPTED)
    await stage.boot(again)
    assert stage.stations.told() == [("cancel", known.id)]


@pytest.mark.req("B01", "B03")
@pytest.mark.parametrize("by_call", [True, False])
async def test_a_station_that_was_never_seen_is_asked_to_boot(stage, by_call):
    """After its first CALL, or 5 s; nothing else is asked of it."""
    await stage.add_station("CS2", boot_status=None)
    station = await stage.connect("CS2")
    assert stage.stations.requested == []
    if by_call:
        stage.reactions.heard(station)
        await stage.settle()
    else:
        await stage.move(5)
    assert stage.stations.requested == [("CS2", "BootNotification")]
    await stage.move(100)
    assert len(stage.stations.requested) == 1


@pytest.mark.row(55)
async def test_the_order_of_orders(stage):
    """Retractions, then wishes, then clean-ups and the rest."""
    undone = await stage.reserve(evse_id=1)
    wished = await stage.reserve(evse_id=2)
    ghost = await stage.reserve(evse_id=3)
    await stage.report(ghost, "Removed")
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", never_left("station-busy"), accepted)
    await stage.replaced(undone, expiry=stage.after(500))
    stage.stations.presences["CS1"] = AWAY
    await stage.cancel(wished)
    await stage.storage.transact(lambda tx: _due(tx, ghost.id, Due.CLEAN_UP))
    stage.stations.presences["CS1"] = THERE
    doubtful = await unconfirmed(stage, evse_id=4)
    stage.clock.move(6)
    stage.stations.told()

    stage.reactions.go("CS1")
    await stage.settle()

    assert stage.stations.told() == [
        ("cancel", doubtful.id),
        ("cancel", wished.id),
        ("clean-up", ghost.id),
        ("undo", undone.id),
    ]


def _due(tx, number, follow):
    """This order is due."""
    known = tx.reservations.get(number)
    tx.reservations.save(asked(replace(known, follow=follow, version=known.version + 1)))


async def test_one_run_at_a_time_for_a_station(stage):
    """What becomes due meanwhile is sent by the run that is under way."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", Stations.HOLD)
    first = await stage.reserve(evse_id=1)
    second = await stage.reserve(evse_id=2)
    assert [one.reservation_id for one in stage.stations.held()] == [first.id]

    stage.stations.answer(cancel_accepted)
    await stage.settle()

    assert [one.reservation_id for one in stage.stations.held()] == [second.id]


async def test_two_stations_do_not_wait_for_each_other(stage):
    """Each has a run of its own."""
    await stage.add_station("CS2")
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", Stations.HOLD)
    await stage.reserve()
    await stage.reserve(station="CS2")
    assert {one.station_id for one in stage.stations.held()} == {"CS1", "CS2"}


async def test_a_station_that_leaves_in_the_middle(stage):
    """What was not sent yet stays due, without an attempt counted."""
    first, second = await unconfirmed(stage, evse_id=1), await unconfirmed(stage, evse_id=2)
    stage.stations.answers("cancel", Stations.HOLD)
    await stage.settle()
    assert [one.reservation_id for one in stage.stations.held()] == [first.id]

    stage.stations.presences["CS1"] = AWAY
    stage.stations.answer(lost)
    await stage.settle()

    assert [(await stage.get(one)).attempts for one in (first, second)] == [1, 0]
    stage.reactions.go("CS1")
    await stage.settle()
    assert (await stage.get(second)).due is Due.RETRACT


@pytest.mark.row(20)
async def test_an_order_that_is_open_is_not_looked_for(stage):
    """The wish is told, with its ask open: nothing is read for it. Told without one, one reading finds that nothing is due."""
    known = await stage.reserve()
    reads = CountedReads(stage.storage)
    stage.reactions = stage.new_reactions(storage=reads)
    wished = await stage.wish(known)
    await stage.settle()
    assert wished.ask is not None
    assert reads.reads == 0
    (told,) = [one.event for one in await stage.log.after(0) if isinstance(one.event, OrderDue)]
    assert told.asked
    stage.reactions.on_event(replace(told, asked=False))
    await stage.settle()
    assert reads.reads == 1
    assert stage.stations.told() == [("reserve", known.id)]


@pytest.mark.row(17)
@pytest.mark.row(44)
async def test_who_closes_an_ask_tells_what_is_due_then(stage):
    """The cancel never left: it is asked again at its time, though nothing was due when the wish was told."""
    known = await stage.reserve()
    stage.stations.told()
    stage.stations.answers("cancel", never_left())
    await stage.cancel(known)
    assert stage.stations.told() == [("cancel", known.id)]
    assert (await stage.get(known)).due is Due.CANCEL
    stage.stations.answers("cancel", cancel_accepted)
    await stage.move(4)
    assert stage.stations.told() == []
    await stage.move(1)
    assert stage.stations.told() == [("cancel", known.id)]
    assert await stage.phase(known) is Phase.CANCELED_CLOSED


@pytest.mark.row(29)
async def test_what_is_due_no_more_is_not_sent(stage):
    """The second was used while the first was asked."""
    await stage.add_token(TAG_B)
    station = await stage.connect()
    first, second = await unconfirmed(stage, evse_id=1), await unconfirmed(stage, evse_id=2)
    stage.stations.answers("cancel", Stations.HOLD)
    await stage.settle()
    await stage.transaction(station, reservation_id=second.id, id_token=second.terms.id_token)
    stage.stations.answer(cancel_accepted)
    await stage.settle()

    assert [number for kind, number in stage.stations.told() if kind == "cancel"] == [first.id]
    assert await stage.phase(second) is Phase.USED_PROVEN


@pytest.mark.row(20)
async def test_a_wish_that_was_asked_meanwhile_is_not_asked_twice(stage):
    """Its ask is open, whoever opened it."""
    known = await stage.reserve()
    stage.stations.answers("cancel", Stations.HOLD)
    stage.orders.start(stage.cancel_only(known), name="cancel")
    await stage.settle()
    stage.reactions.go("CS1")
    await stage.settle()
    assert len(stage.stations.held()) == 1


async def test_a_station_that_goes_before_its_run_begins(stage):
    """Nothing is sent."""
    await unconfirmed(stage)
    stage.stations.told()
    stage.reactions.go("CS1")
    stage.stations.presences["CS1"] = AWAY
    await stage.settle()
    assert stage.stations.sent == []


async def test_what_was_removed_meanwhile_harms_nobody(stage):
    """A station that nobody knows any more."""

    async def unknown(station_id):
        raise StationUnknown(station_id)

    stage._read_capabilities = unknown
    stage.reactions = stage.new_reactions()
    station = await stage.connect()
    await stage.boot(station)
    stage.reactions.on_event(
        OrderDue(at=stage.after(0), station_id="CS1", reservation_id=99, not_before=stage.after(0))
    )
    await stage.settle()
    assert stage.stations.requested == []


async def test_a_station_that_is_removed_at_its_boot(stage):
    """No report is asked for."""
    station = await stage.connect()
    await stage.storage.transact(lambda tx: tx.stations.remove("CS1"))
    stage.reactions.booted(station, at=stage.after(0), restarted=False)
    await stage.settle()
    assert stage.stations.requested == []


async def test_events_of_others_are_none_of_ours(stage):
    """The registry's, and connectors of stations that are on another node."""
    stage.reactions.on_event(RegistryChanged(at=stage.after(0), kind="station", key="CS1"))
    elsewhere = await stage.connect()
    stage.reactions.closed(elsewhere)
    await stage.status(elsewhere, "Reserved")
    assert stage.clock.timers == []


# The socket goes


async def test_a_closed_connection_has_no_timers(stage):
    """Nor does an older one end those of a newer."""
    old = await stage.connect()
    await stage.disconnect(old)
    assert stage.clock.timers == []
    await stage.connect()
    timers = list(stage.clock.timers)
    stage.reactions.closed(old)
    assert stage.clock.timers == timers != []


async def test_ghosts_need_nobody_to_be_told(stage):
    """The operator's ear may be left out."""
    stage.reactions._world = World(
        **{name: getattr(stage.reactions._world, name) for name in World.__slots__ if name != "tell_ghost"}
    )
    station = await stage.connect()
    await stage.status(station, "Reserved")
    await stage.move(60)
    assert stage.ghosts == []


@pytest.mark.row(18)
async def test_a_station_that_can_not_cancel_is_asked_once(stage):
    """The sweep will end it."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", errored("NotImplemented"))
    known = await stage.reserve()
    await stage.move(500)
    assert stage.stations.told() == [("reserve", known.id), ("cancel", known.id)]
    assert await stage.phase(known) is Phase.UNCONFIRMED
