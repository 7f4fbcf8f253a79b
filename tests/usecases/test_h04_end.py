"""H04, H01.FR.16, H01.FR.17: reported by the station, or swept when no report came."""

import pytest
from station_script import AWAY, Stations, accepted, lost, silent
from usecase_fakes import START, seconds

from evhold.domain.reservation import Phase, State
from evhold.usecases import h04_end


async def sweep(stage):
    """One sweep now; when the next will be."""
    return await h04_end.sweep(storage=stage.storage, clock=stage.clock, rules=stage.rules)


# The station's reports


@pytest.mark.req("H04.FR.01", "H01.FR.16", "H01.FR.17")
@pytest.mark.row(23)
@pytest.mark.parametrize(("status", "phase"), [("Expired", Phase.EXPIRED_CLOSED), ("Removed", Phase.REMOVED_CLOSED)])
async def test_the_stations_word_ends_it(stage, status, phase):
    """Closed, told, and the EVSE free."""
    known = await stage.reserve()

    assert await stage.report(known, status)

    assert (await stage.phase(known), stage.told()) == (phase, ["accepted", status.lower()])
    assert (await stage.reserve()).state is State.ACTIVE


@pytest.mark.row(28)
async def test_the_same_report_again_changes_nothing(stage):
    """It is known, that is all."""
    known = await stage.reserve()
    await stage.report(known)
    before = await stage.get(known)
    assert await stage.report(known)
    assert await stage.get(known) == before


@pytest.mark.row(42)
@pytest.mark.parametrize("number", [0, -1, 4711, 2**40])
async def test_an_id_that_names_nothing(stage, number):
    """Answered normally."""
    assert not await stage.report(number)


@pytest.mark.row(42)
async def test_another_stations_report(stage):
    """Touches nothing."""
    known = await stage.reserve()
    await stage.add_station("CS2")
    assert not await stage.report(known, station="CS2")
    assert await stage.phase(known) is Phase.ACTIVE


@pytest.mark.row(24)
@pytest.mark.row(22)
async def test_a_report_that_overtakes_the_answer(stage):
    """Ended, then Accepted: a ghost perhaps, and one clean-up cancel."""
    known = await stage.reserving()
    await stage.report(known, "Removed")

    stage.stations.answer(accepted)
    await stage.settle()

    assert await stage.phase(known) is Phase.REMOVED_CLOSED
    assert stage.stations.told() == [("reserve", known.id), ("clean-up", known.id)]


@pytest.mark.row(27)
@pytest.mark.parametrize(("status", "phase"), [("Expired", Phase.EXPIRED_CLOSED), ("Removed", Phase.REMOVED_CLOSED)])
async def test_a_report_after_our_sweep_closes_it(stage, status, phase):
    """The station's word is the last."""
    known = await stage.reserve(expiry=10)
    await stage.move(41)
    await sweep(stage)
    await stage.report(known, status)
    assert await stage.phase(known) is phase


# One sweep


@pytest.mark.row(25)
@pytest.mark.parametrize(("offset", "phase"), [(-45, Phase.ACTIVE), (0, Phase.REMOVED_CLOSED)])
async def test_a_removed_of_a_station_whose_clock_is_slow_may_be_of_the_hold_before(stage, offset, phase):
    """Past the expiry by ours, and not by its own: it may hold what it took anew, and is asked."""
    await stage.change_station(clock_offset=seconds(offset))
    known = await stage.reserve(expiry=100)
    await stage.replaced(known, expiry=stage.after(110))
    await stage.move(120)
    await stage.report(known, "Removed")
    assert await stage.phase(known) is phase


@pytest.mark.row(44)
@pytest.mark.parametrize("offset", [0, 45, -45])
async def test_the_sweep_is_exact_by_the_stations_clock(stage, offset):
    """Expiry and grace, and not a millisecond before."""
    await stage.change_station(clock_offset=seconds(offset))
    known = await stage.reserve(expiry=100)
    await stage.move(130 - offset - 0.001)
    assert await sweep(stage) == stage.after(0.001)
    assert await stage.phase(known) is Phase.ACTIVE

    await stage.move(0.001)
    assert await sweep(stage) is None

    assert await stage.phase(known) is Phase.EXPIRED_OPEN
    assert [row.by for row in await stage.history(known)][-1] == "csms"


@pytest.mark.row(44)
async def test_it_goes_on_until_nothing_is_left(stage):
    """In batches, so that nobody waits long behind it."""
    many = h04_end.BATCH * 2 + 1
    for _ in range(many):
        await stage.ask(await stage.place(evse_id=None, expiry=10))
    later = await stage.reserve(expiry=500)
    await stage.move(40)

    assert await sweep(stage) == START + seconds(530)

    counts = await stage.storage.read(lambda tx: tx.reservations.count_by_state())
    assert (counts[State.EXPIRED], await stage.phase(later)) == (many, Phase.ACTIVE)


@pytest.mark.row(43)
@pytest.mark.row(44)
async def test_rows_with_an_open_ask_are_left(stage):
    """Pending, or Active with a cancel in flight: the answer comes first."""
    active = await stage.reserve(evse_id=1, expiry=10)
    pending = await stage.reserving(evse_id=2, expiry=10)
    await stage.wish(active)
    await stage.move(100)

    assert await sweep(stage) is None

    assert [await stage.phase(one) for one in (active, pending)] == [Phase.ACTIVE, Phase.PENDING]


@pytest.mark.row(43)
async def test_an_unproven_use_loses_its_claim_and_stays(stage):
    """Past its expiry and grace; should it end clean, it expired."""
    known = await stage.reserve(expiry=10)
    station = await stage.connect()
    await stage.transaction(station, reservation_id=known.id)
    await stage.move(40)
    assert await sweep(stage) is None

    assert await stage.phase(known) is Phase.USED_UNPROVEN
    assert (await stage.reserve()).state is State.ACTIVE
    await stage.transaction(station, "Ended", seq_no=1)
    assert await stage.phase(known) is Phase.EXPIRED_OPEN


@pytest.mark.row(44)
async def test_a_station_that_was_removed(stage):
    """Its reservations end all the same, by our clock."""
    known = await stage.reserve(expiry=10)
    await stage.storage.transact(lambda tx: tx.stations.remove("CS1"))
    await stage.move(40)
    await sweep(stage)
    assert await stage.phase(known) is Phase.EXPIRED_OPEN


# The sweeper


@pytest.mark.row(44)
@pytest.mark.parametrize("offset", [None, 45, -45])
async def test_the_sweeper_comes_when_the_expiry_and_its_grace_have_passed(stage, offset):
    """It expects what it is told of, by the clock of the station that is connected."""
    await stage.change_station(clock_offset=seconds(offset or 0))
    await stage.connect()
    stage.sweeper.start()
    await stage.settle()
    known = await stage.reserve(expiry=100)

    await stage.move(129.999 - (offset or 0))
    assert await stage.phase(known) is Phase.ACTIVE
    await stage.move(0.001)

    assert await stage.phase(known) is Phase.EXPIRED_OPEN
    assert stage.sweeper.lag_s == 0


async def test_it_sweeps_at_least_once_a_minute(stage):
    """Also when nothing is expected: what nobody told it of is found."""
    stage.sweeper.start()
    await stage.settle()
    known = await stage.ask(await stage.place(expiry=10))
    stage.position = await stage.log.last()

    await stage.move(59.9)
    assert await stage.phase(known) is Phase.ACTIVE
    await stage.move(0.1)

    assert await stage.phase(known) is Phase.EXPIRED_OPEN
    await stage.move(120)
    assert [one.at for one in stage.clock.timers] == [240.0]


async def test_what_is_expected_during_a_sweep_is_not_lost(stage):
    """The sweep may have looked before it was there."""
    stage.sweeper.start()
    stage.sweeper.expect(stage.after(-10))
    stage.sweeper.expect(stage.after(30))
    await stage.settle()
    known = await stage.ask(await stage.place(expiry=5))

    await stage.move(35)

    assert await stage.phase(known) is Phase.EXPIRED_OPEN


async def test_a_later_expiry_moves_nothing(stage):
    """The sooner one stands."""
    stage.sweeper.start()
    await stage.settle()
    stage.sweeper.expect(stage.after(-25))
    stage.sweeper.expect(stage.after(-20))
    assert [one.at for one in stage.clock.timers] == [5.0]


async def test_what_is_expected_before_the_start_waits_for_it(stage):
    """One timer, one sweep."""
    stage.sweeper.expect(stage.after(900))
    stage.sweeper.start()
    await stage.settle()
    assert len(stage.clock.timers) == 1


async def test_how_late_it_came_is_measured(stage):
    """For the metrics."""
    stage.sweeper.start()
    await stage.settle()
    stage.clock.move(63)
    await stage.move(0)
    assert stage.sweeper.lag_s == 3


async def test_a_sweep_that_fails_is_tried_again(stage):
    """A minute later."""
    stage.sweeper.start()
    await stage.settle()
    broken, stage.sweeper._storage = stage.sweeper._storage, None
    stage.clock.next_due(60).call()
    with pytest.raises(AttributeError):
        await stage.settle()
    stage.sweeper._storage = broken
    assert len(stage.clock.timers) == 1


@pytest.mark.parametrize("waits", [True, False])
async def test_a_stopped_sweeper_sweeps_no_more(stage, waits):
    """Whether it waited, ran, or never began."""
    if waits:
        stage.sweeper.start()
        await stage.settle()
    stage.sweeper.stop()
    stage.sweeper.start()
    stage.sweeper.expect(stage.after(-100))
    await stage.settle()
    assert (stage.clock.timers, stage.orders.tasks) == ([], set())


async def test_a_sweep_that_runs_when_it_is_stopped_is_the_last(stage):
    """It ends, and arms nothing."""
    stage.sweeper.start()
    stage.sweeper._wake()
    stage.sweeper.stop()
    await stage.settle()
    assert stage.clock.timers == []


@pytest.mark.row(44)
async def test_closing_an_ask_arms_the_sweep_again(stage):
    """The expiry passed while a cancel was unanswered."""
    stage.sweeper.start()
    known = await stage.reserve(expiry=10)
    stage.stations.answers("cancel", Stations.HOLD)
    stage.orders.start(stage.cancel_only(known), name="cancel")
    await stage.settle()
    await stage.move(45)
    assert await stage.phase(known) is Phase.ACTIVE

    stage.stations.presences["CS1"] = AWAY
    stage.stations.answer(lost)
    await stage.move(0.05)

    assert await stage.phase(known) is Phase.EXPIRED_OPEN
    assert stage.stations.told() == [("reserve", known.id), ("cancel", known.id)]


@pytest.mark.row(44)
async def test_an_expired_one_is_not_retracted_any_more(stage):
    """Wish and retraction are dropped."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", silent)
    stage.sweeper.start()
    known = await stage.reserve(expiry=60)
    await stage.move(100)
    stage.stations.told()

    await stage.move(600)

    assert ((await stage.get(known)).due, stage.stations.told()) == (None, [])
