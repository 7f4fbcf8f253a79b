"""H02: the wish is committed first, and kept until the station's word or the expiry."""

from dataclasses import replace

import pytest
from station_script import (
    AWAY,
    ONLINE,
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

from evhold.domain.errors import (
    CancelInProgress,
    NoCancelRequest,
    NothingToAsk,
    OrderInProgress,
    ReservationEnded,
    ReservationUnknown,
    StationOffline,
    VersionConflict,
)
from evhold.domain.events import OrderDue
from evhold.domain.facts import Accepted, CancelAccepted
from evhold.domain.reservation import Due, Phase, State
from evhold.domain.values import By
from evhold.usecases import h02_cancel
from evhold.usecases.h02_cancel import CancelOrder


@pytest.fixture
async def active(stage):
    """An Active reservation of EVSE 1; nothing is noted of it."""
    known = await stage.reserve()
    stage.stations.told()
    stage.told()
    return known


@pytest.mark.req("H02.FR.01")
@pytest.mark.row(11)
async def test_accepted_cancels(stage, active):
    """By the station's word, and the EVSE is free."""
    canceled = await stage.cancel(active)

    known = canceled.reservation
    assert (known.phase, known.cause, known.confirmed, canceled.error) == (
        Phase.CANCELED_CLOSED,
        "requested",
        True,
        None,
    )
    assert (stage.stations.told(), stage.told()) == ([("cancel", active.id)], ["canceled"])
    assert (await stage.reserve()).state is State.ACTIVE


@pytest.mark.row(20)
async def test_the_wish_and_its_ask_are_stored_in_one_step(stage, active):
    """The row is written once, with the wish's history and its event, and the ask open."""
    storing = stage.storage.transact
    saved = []

    def transact(work):
        def counting(tx):
            save = tx.reservations.save
            tx.reservations.save = lambda step: (saved.append(step), save(step))
            return work(tx)

        return storing(counting)

    stage.storage.transact = transact
    wished = await stage.wish(active)

    (step,) = saved
    assert step.reservation == wished.reservation == await stage.get(active)
    assert (step.reservation.version, step.reservation.ask) == (active.version + 1, wished.ask)
    assert (step.transition.fact, [type(one) for one in step.events]) == ("CancelOrdered", [OrderDue])


@pytest.mark.row(20)
async def test_a_wish_that_changes_nothing_is_asked_all_the_same(stage, active):
    """Wished while the station was away, and again by the same one when it is there: the ask is stored and sent."""
    stage.stations.presences["CS1"] = AWAY
    await stage.cancel(active)
    known = await stage.get(active)
    assert (known.due, known.ask) == (Due.CANCEL, None)
    stage.stations.presences["CS1"] = THERE
    wished = await stage.wish(active)
    assert wished.ask is not None
    assert (await stage.get(active)).ask == wished.ask


@pytest.mark.req("H02.FR.02")
@pytest.mark.row(12)
@pytest.mark.parametrize(("at", "phase"), [(0, Phase.REMOVED_OPEN), (900, Phase.EXPIRED_OPEN)])
async def test_rejected_means_that_it_is_gone(stage, active, at, phase):
    """Past its expiry by the station's clock it expired, else it was removed; never is it Active again."""
    stage.stations.answers("cancel", cancel_rejected(stage.after(at)))

    assert (await stage.cancel(active)).reservation.phase is phase


@pytest.mark.row(20)
async def test_the_wish_is_committed_before_the_station_is_asked(stage, active):
    """With who wished it, and its ask open."""
    wished = await stage.wish(active, by=By.OPERATOR)

    known = await stage.get(active)
    assert (known.cancel_requested_at, known.cancel_requested_by) == (stage.after(0), By.OPERATOR)
    assert (known.ask, stage.stations.sent) == (wished.ask, [])
    assert (await stage.history(active))[-1].by is By.OPERATOR


@pytest.mark.row(20)
async def test_a_second_wish_waits_for_the_first_ones_answer(stage, active):
    """One ask at a time."""
    await stage.wish(active)
    assert (await stage.wish(active)).ask is None


@pytest.mark.row(21)
async def test_what_ended_is_not_canceled(stage, active):
    """Nor what is not there, or not as the caller thinks."""
    with pytest.raises(VersionConflict):
        await stage.wish(active, if_match=active.version + 1)
    assert (await stage.wish(active, if_match=active.version)).ask is not None
    ended = await stage.reserve(evse_id=2)
    await stage.cancel(ended)
    with pytest.raises(ReservationEnded):
        await stage.wish(ended)
    with pytest.raises(ReservationUnknown):
        await stage.wish(replace(active, id=99))


# A wish that waits


@pytest.mark.row(20)
@pytest.mark.parametrize("presence", [AWAY, ONLINE])
async def test_a_wish_is_sent_when_the_station_is_registered(stage, active, presence):
    """Kept meanwhile, and sent right after the accepted boot."""
    stage.stations.presences["CS1"] = presence
    canceled = await stage.cancel(active)
    assert (canceled.reservation.state, stage.stations.sent) == (State.ACTIVE, [])

    station = await stage.connect()
    stage.stations.presences["CS1"] = presence
    await stage.boot(station)

    assert await stage.phase(active) is Phase.CANCELED_CLOSED
    assert stage.stations.told() == [("cancel", active.id)]


@pytest.mark.row(17)
@pytest.mark.parametrize(
    "answer", [silent, lost, errored("GenericError"), errored("SecurityError"), never_left("station-busy")]
)
async def test_it_is_asked_again_until_it_is_answered(stage, active, answer):
    """After 5, 10, 20 ... seconds, at most 5 minutes, each time with a new message id."""
    stage.stations.answers("cancel", answer)
    await stage.cancel(active)
    times = []
    for _ in range(8):
        waits = (await stage.get(active)).retry_at - stage.clock.now()
        times.append(waits.total_seconds())
        await stage.move(times[-1])

    assert times == [5, 10, 20, 40, 80, 160, 300, 300]
    ids = [one.ask.message_id for one in stage.stations.sent]
    assert (len(set(ids)), await stage.phase(active)) == (9, Phase.ACTIVE)
    stage.stations.answers("cancel", cancel_accepted)
    await stage.move(300)
    assert await stage.phase(active) in (Phase.CANCELED_CLOSED, Phase.EXPIRED_OPEN)


@pytest.mark.row(17)
async def test_the_driver_need_not_wait_for_the_repeat(stage, active):
    """A second cancel goes out at once."""
    stage.stations.answers("cancel", silent, cancel_accepted)
    await stage.cancel(active)
    await stage.move(1)

    assert (await stage.cancel(active)).reservation.phase is Phase.CANCELED_CLOSED


@pytest.mark.row(18)
@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
async def test_a_station_that_can_not_cancel(stage, active, code):
    """The caller is told, the wish dropped, nothing repeated."""
    stage.stations.answers("cancel", errored(code))

    canceled = await stage.cancel(active)
    await stage.move(400)

    assert (canceled.error.code, canceled.reservation.cancel_requested_at) == (code, None)
    assert stage.stations.told() == [("cancel", active.id)]
    assert await stage.phase(active) is Phase.ACTIVE


# Pending and Unconfirmed


@pytest.mark.row(2)
@pytest.mark.row(19)
async def test_a_reserve_that_still_waits_in_the_queue_is_taken_back(stage):
    """Canceled, and nothing ever reached the station."""
    stage.stations.answers("reserve", Stations.QUEUE)
    placed = await stage.place()
    stage.orders.start(stage.ask(placed), name="reserve")
    await stage.settle()

    canceled = await stage.cancel(placed.reservation)

    assert (canceled.reservation.phase, canceled.reservation.cause) == (Phase.CANCELED_CLOSED, "requested")
    assert (stage.stations.sent, stage.told()) == ([], ["canceled"])
    assert await stage.rows(placed.reservation) == [1, 19, 2]


@pytest.mark.row(19)
@pytest.mark.parametrize(
    ("answer", "phase", "sent"),
    [
        (accepted, Phase.CANCELED_CLOSED, 1),
        (refused(), Phase.REFUSED, 0),
        (silent, Phase.CANCELED_CLOSED, 1),
    ],
)
async def test_a_reserve_that_has_left_is_waited_for(stage, answer, phase, sent):
    """Row 3: once Active it is canceled at once; rows 5, 7 go on."""
    known = await stage.reserving()
    assert (await stage.cancel(known)).reservation.state is State.PENDING

    stage.stations.answer(answer)
    await stage.settle()

    assert await stage.phase(known) is phase
    assert [kind for kind, _ in stage.stations.told()] == ["reserve"] + ["cancel"] * sent


@pytest.mark.row(19)
async def test_a_reserve_that_was_committed_but_not_sent_yet(stage):
    """Nobody waits in a queue for it: it goes on."""
    placed = await stage.place()
    assert (await stage.cancel(placed.reservation)).reservation.state is State.PENDING


@pytest.mark.row(9)
@pytest.mark.row(10)
@pytest.mark.parametrize(
    ("answer", "wishes", "phase", "cause"),
    [
        (cancel_accepted, False, Phase.CANCELED_CLOSED, "retracted"),
        (cancel_accepted, True, Phase.CANCELED_CLOSED, "requested"),
        (cancel_rejected(), False, Phase.FAILED_OPEN, "unknown-at-station"),
        (cancel_rejected(), True, Phase.CANCELED_OPEN, "requested"),
    ],
)
async def test_the_retraction_settles_an_unconfirmed_one(stage, answer, wishes, phase, cause):
    """With the driver's wish, or without."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", Stations.HOLD)
    known = await stage.reserve()
    if wishes:
        assert (await stage.cancel(known)).reservation.state is State.UNCONFIRMED

    stage.stations.answer(answer)
    await stage.settle()

    known = await stage.get(known)
    assert (known.phase, known.cause) == (phase, cause)


@pytest.mark.row(18)
@pytest.mark.row(44)
async def test_an_unconfirmed_one_that_can_not_be_canceled_waits_for_its_expiry(stage):
    """Neither repeated nor asked for by the driver; then the sweep ends it."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", errored("NotSupported"))
    known = await stage.reserve()
    assert (await stage.wish(known)).ask is None
    stage.sweeper.start()

    await stage.move(929)
    assert [kind for kind, _ in stage.stations.told()] == ["reserve", "cancel"]
    assert await stage.phase(known) is Phase.UNCONFIRMED
    await stage.move(1)

    assert await stage.phase(known) is Phase.EXPIRED_OPEN


# Late answers


@pytest.mark.row(3)
async def test_a_late_accepted_before_the_cancel_left(stage):
    """Active, and nothing is retracted any more."""
    known = await stage.reserving()
    ask = stage.stations.held()[0].ask
    stage.stations.presences["CS1"] = AWAY
    stage.stations.answer(lost)
    await stage.settle()
    assert await stage.phase(known) is Phase.UNCONFIRMED

    assert await stage.late(ask, lambda ask: Accepted(ask=ask))
    await stage.connect()
    await stage.move(5)

    assert await stage.phase(known) is Phase.ACTIVE
    assert stage.told() == ["unconfirmed", "accepted"]
    assert stage.stations.told() == [("reserve", known.id)]


@pytest.mark.row(4)
@pytest.mark.row(10)
async def test_a_late_accepted_after_the_cancel_left(stage):
    """Nobody is told Active for a moment: the cancel decides, and what had existed is cleaned up."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", Stations.HOLD)
    stage.stations.answers("clean-up", cancel_rejected())
    known = await stage.reserve()
    ask = stage.stations.sent[0].ask

    await stage.late(ask, lambda ask: Accepted(ask=ask))
    assert await stage.phase(known) is Phase.UNCONFIRMED
    stage.stations.answer(cancel_rejected())
    await stage.settle()

    assert await stage.phase(known) is Phase.REMOVED_OPEN
    assert stage.told() == ["unconfirmed", "removed"]
    assert [kind for kind, _ in stage.stations.told()] == ["reserve", "cancel", "clean-up"]


@pytest.mark.row(11)
async def test_a_cancels_late_answer_counts(stage, active):
    """Nothing is asked again."""
    stage.stations.answers("cancel", silent)
    await stage.cancel(active)

    await stage.late(stage.stations.sent[-1].ask, lambda ask: CancelAccepted(ask=ask))
    await stage.move(60)

    assert await stage.phase(active) is Phase.CANCELED_CLOSED
    assert len(stage.stations.told()) == 1


@pytest.mark.row(59)
async def test_a_wish_that_waits_for_its_station_can_be_dropped(stage, active):
    """Nothing is sent when it comes back."""
    stage.stations.presences["CS1"] = AWAY
    await stage.cancel(active)
    kept = await h02_cancel.keep(of(active), storage=stage.storage, clock=stage.clock)
    assert (kept.state, kept.cancel_requested_at, kept.due) == (State.ACTIVE, None, None)

    stage.stations.presences["CS1"] = THERE
    await stage.move(60)
    assert stage.stations.told() == []
    with pytest.raises(NoCancelRequest):
        await h02_cancel.keep(of(active), storage=stage.storage, clock=stage.clock)


@pytest.mark.row(59)
async def test_a_cancel_that_went_unanswered_can_not_be_taken_back(stage, active):
    """It may have reached the station; the wish stays."""
    stage.stations.answers("cancel", silent)
    await stage.cancel_only(active)
    with pytest.raises(CancelInProgress):
        await h02_cancel.keep(of(active), storage=stage.storage, clock=stage.clock)
    assert (await stage.get(active)).cancel_requested_at is not None


async def test_an_order_that_waits_is_sent_at_once(stage, active):
    """Minutes early, once; with nothing to ask, or nobody to be asked, that is said."""
    with pytest.raises(NothingToAsk):
        await hasten(stage, active)
    stage.stations.answers("cancel", silent, Stations.HOLD)
    await stage.cancel_only(active)
    stage.stations.presences["CS1"] = AWAY
    with pytest.raises(StationOffline):
        await hasten(stage, active)

    stage.stations.presences["CS1"] = THERE
    await hasten(stage, active)
    await stage.settle()
    assert [one.ask.kind for one in stage.stations.sent].count("cancel") == 2
    with pytest.raises(OrderInProgress):
        await hasten(stage, active)


def of(known):
    """The driver's order about it."""
    return CancelOrder(reservation_id=known.id, by=By.DRIVER)


async def hasten(stage, known):
    """Ask now."""
    return await h02_cancel.hasten(of(known), storage=stage.storage, stations=stage.stations, clock=stage.clock)
