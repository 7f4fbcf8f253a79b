"""H01.FR.02: other terms under the same id. Rows 47 to 54, 25 and 23, through the use cases."""

from dataclasses import replace

import pytest
from station_script import AWAY, Stations, accepted, cancel_rejected, errored, lost, never_left, refused, silent
from usecase_fakes import GROUP, TAG_A, TAG_B, connector

from evhold.domain.errors import (
    EvseAlreadyReserved,
    InvalidOrder,
    OrderInProgress,
    ReservationEnded,
    ReservationUnknown,
    StationOffline,
    UnspecifiedEvseNotSupported,
    VersionConflict,
)
from evhold.domain.facts import Accepted, Refused
from evhold.domain.reservation import Phase, State
from evhold.domain.station import Capabilities
from evhold.usecases.late import recover

pytestmark = pytest.mark.req("H01.FR.02")


@pytest.fixture
async def active(stage):
    """An Active reservation of EVSE 1, 15 minutes long; nothing is noted of it."""
    known = await stage.reserve()
    stage.stations.told()
    stage.told()
    return known


async def claims(stage):
    """The EVSEs of CS1 that nobody can have."""
    taken = set()
    for evse_id in (1, 2):
        try:
            await stage.place(evse_id=evse_id)
        except EvseAlreadyReserved:
            taken.add(evse_id)
    return taken


def gone_silent(stage):
    """No answer, and the station is away: no cancel can leave."""

    def answer(ask):
        stage.stations.presences["CS1"] = AWAY
        return lost(ask)

    return answer


async def connectors(stage, *statuses):
    """EVSE 1 has connectors with these statuses."""
    for number, status in enumerate(statuses, start=1):
        one = connector(connector_id=number, status=status, since=stage.clock.now())
        await stage.storage.transact(lambda tx, one=one: tx.connectors.put(one))


@pytest.mark.row(47)
async def test_old_and_new_terms_are_committed_side_by_side(stage, active):
    """Both EVSEs are claimed, the ask is open, nothing was sent."""
    proposed = await stage.propose(active, evse_id=2)

    known = await stage.get(active)
    assert (known.state, known.terms.evse_id, known.replacement.evse_id) == (State.ACTIVE, 1, 2)
    assert known == proposed.reservation
    assert stage.stations.sent == []
    assert await claims(stage) == {1, 2}


@pytest.mark.row(49)
async def test_accepted_puts_the_new_terms_in_force(stage, active):
    """The same id, all terms sent, the old claim given back."""
    replaced = await stage.replaced(active, evse_id=2, expiry=stage.after(60), id_token=TAG_B, group_id_token=GROUP)

    known = await stage.get(active)
    assert isinstance(replaced.answer, Accepted)
    assert (known.state, known.terms, known.replacement) == (State.ACTIVE, stage.stations.sent[0].ask.terms, None)
    assert (known.terms.id_token, known.terms.group_id_token, known.terms.evse_id) == (TAG_B, GROUP, 2)
    assert (stage.stations.told(), stage.told()) == ([("replace", known.id)], ["replaced"])
    assert await claims(stage) == {2}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"connector_type": "cCCS2"}, (None, "cCCS2")),
        ({"evse_id": None}, (None, None)),
        ({"evse_id": 2}, (2, None)),
        ({}, (1, None)),
    ],
)
async def test_a_place_puts_out_the_other_kind_of_place(stage, active, changes, place):
    """What is not named stays as it was."""
    known = (await stage.replaced(active, **changes)).reservation
    assert (known.terms.evse_id, known.terms.connector_type) == place
    assert (known.terms.id_token, known.terms.expiry) == (TAG_A, active.terms.expiry)


async def test_an_evse_puts_out_a_connector_type(stage):
    """And the other way round."""
    known = await stage.reserve(evse_id=None, connector_type="cCCS2")
    assert (await stage.replaced(known, evse_id=1)).reservation.terms.connector_type is None


# Refused before anything is asked


@pytest.mark.row(48)
async def test_only_an_active_reservation_without_an_order_is_replaced(stage, active):
    """Not one that ended, is Pending, is being replaced or canceled, or is Unconfirmed."""
    with pytest.raises(ReservationUnknown):
        await stage.propose(replace(active, id=9))
    ended = await stage.reserve(evse_id=2)
    await stage.cancel(ended)
    with pytest.raises(ReservationEnded):
        await stage.propose(ended, evse_id=3)
    pending = (await stage.place(evse_id=2)).reservation
    with pytest.raises(OrderInProgress):
        await stage.propose(pending, evse_id=3)
    await stage.propose(active, evse_id=4)
    with pytest.raises(OrderInProgress):
        await stage.propose(active, evse_id=5)
    assert 48 not in await stage.rows(active)


@pytest.mark.row(48)
async def test_not_while_a_wish_is_open(stage, active):
    """It is to be canceled."""
    stage.stations.presences["CS1"] = AWAY
    await stage.cancel(active)
    stage.stations.presences.clear()
    with pytest.raises(OrderInProgress):
        await stage.propose(active, evse_id=2)


@pytest.mark.row(48)
async def test_offline_it_is_refused_and_never_queued(stage, active):
    """Nothing is written."""
    stage.stations.presences["CS1"] = AWAY
    with pytest.raises(StationOffline):
        await stage.propose(active, evse_id=2)
    assert await stage.get(active) == active


async def test_the_new_terms_are_looked_at(stage, active):
    """Their expiry, their place, the version that the caller knows."""
    with pytest.raises(VersionConflict):
        await stage.propose(active, if_match=active.version + 1)
    with pytest.raises(InvalidOrder):
        await stage.propose(active, expiry=stage.after(0))
    with pytest.raises(InvalidOrder):
        await stage.propose(active, evse_id=2, connector_type="cCCS2")
    await stage.change_station(capabilities=Capabilities(non_evse_specific=False))
    with pytest.raises(UnspecifiedEvseNotSupported):
        await stage.propose(active, evse_id=None)
    await stage.reserve(evse_id=2)
    with pytest.raises(EvseAlreadyReserved):
        await stage.propose(active, evse_id=2)
    assert await stage.get(active) == active


# The answers


@pytest.mark.row(50)
@pytest.mark.parametrize(
    "answer", [never_left("station-busy"), never_left("expired-in-queue"), errored("NotSupported")]
)
async def test_what_changed_nothing_at_the_station_leaves_the_old_terms(stage, active, answer):
    """Never sent, or not executed: nothing follows."""
    stage.stations.answers("replace", answer)

    replaced = await stage.replaced(active, evse_id=2)

    assert (replaced.reservation.state, replaced.reservation.terms) == (State.ACTIVE, active.terms)
    assert await claims(stage) == {1}
    assert stage.stations.told() in ([], [("replace", active.id)])


@pytest.mark.row(51)
@pytest.mark.row(53)
async def test_a_refused_replacement_asks_for_the_old_terms_once(stage, active):
    """Accepted: they hold."""
    stage.stations.answers("replace", refused("Rejected"))

    replaced = await stage.replaced(active, evse_id=2)

    assert (replaced.answer.status, replaced.reservation.terms) == ("Rejected", active.terms)
    sent = [(one.ask.kind.value, one.ask.terms.evse_id) for one in stage.stations.sent]
    assert sent == [("replace", 2), ("undo", 1)]
    known = await stage.get(active)
    assert (known.state, known.due, known.terms) == (State.ACTIVE, None, active.terms)


@pytest.mark.row(53)
@pytest.mark.parametrize("answer", [refused("Rejected"), errored("NotImplemented")])
async def test_refused_again_they_hold_while_every_connector_is_reserved(stage, active, answer):
    """The station kept them, and does not take the same id twice."""
    await connectors(stage, "Reserved", "Reserved")
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", answer)

    await stage.replaced(active, evse_id=2)

    assert await stage.phase(active) is Phase.ACTIVE
    assert stage.stations.told() == [("replace", active.id), ("undo", active.id)]


@pytest.mark.row(53)
@pytest.mark.parametrize("statuses", [(), ("Reserved", "Available")])
async def test_refused_again_and_not_all_reserved(stage, active, statuses):
    """Nobody knows: Unconfirmed, and retracted. It had been held, so the station's No means Removed."""
    await connectors(stage, *statuses)
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", refused("Rejected"))
    stage.stations.answers("cancel", cancel_rejected())

    await stage.replaced(active, evse_id=2)

    assert await stage.phase(active) is Phase.REMOVED_OPEN
    assert stage.stations.told() == [("replace", active.id), ("undo", active.id), ("cancel", active.id)]


@pytest.mark.row(53)
async def test_refused_again_after_a_boot(stage, active):
    """What was Reserved before the boot may be forgotten by now: Unconfirmed, and retracted."""
    station = await stage.connect()
    await connectors(stage, "Reserved")
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", never_left("station-busy"), refused("Rejected"))
    stage.stations.answers("cancel", Stations.HOLD)

    await stage.replaced(active, evse_id=2)
    await stage.move(1)
    await stage.boot(station)
    await stage.move(5)

    assert await stage.phase(active) is Phase.UNCONFIRMED


@pytest.mark.row(53)
async def test_refused_again_when_the_boot_was_before_the_replacement(stage, active):
    """Our own orders since the boot are no word of the station: what it accepted before may be forgotten."""
    station = await stage.connect()
    await connectors(stage, "Reserved")
    await stage.move(1)
    await stage.boot(station)
    await stage.move(1)
    stage.stations.answers("replace", refused("Occupied"))
    stage.stations.answers("undo", refused("Occupied"))
    stage.stations.answers("cancel", Stations.HOLD)

    await stage.replaced(active, expiry=stage.after(60))

    assert await stage.phase(active) is Phase.UNCONFIRMED


@pytest.mark.row(53)
async def test_refused_again_for_any_evse(stage):
    """No connector can say that it is held."""
    known = await stage.reserve(evse_id=None)
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", refused("Rejected"))
    stage.stations.answers("cancel", Stations.HOLD)

    await stage.replaced(known, expiry=stage.after(60))

    assert await stage.phase(known) is Phase.UNCONFIRMED


@pytest.mark.row(53)
@pytest.mark.parametrize("answer", [silent, errored("GenericError")])
async def test_silence_to_the_old_terms(stage, active, answer):
    """Unconfirmed."""
    await connectors(stage, "Reserved")
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", answer)
    stage.stations.answers("cancel", Stations.HOLD)

    await stage.replaced(active, evse_id=2)

    assert await stage.phase(active) is Phase.UNCONFIRMED


@pytest.mark.row(53)
async def test_the_old_terms_are_asked_for_again_when_that_never_left(stage, active):
    """5 s later."""
    stage.stations.answers("replace", refused("Rejected"))
    stage.stations.answers("undo", never_left("station-busy"), accepted)

    await stage.replaced(active, evse_id=2)
    assert (await stage.get(active)).retry_at == stage.after(5)
    await stage.move(5)

    known = await stage.get(active)
    assert (known.state, known.due) == (State.ACTIVE, None)


async def test_past_their_expiry_the_old_terms_are_not_asked_for(stage):
    """The sweep ends it."""
    known = await stage.reserve(expiry=10)
    stage.stations.answers("replace", Stations.HOLD)
    proposed = await stage.propose(known, expiry=stage.after(900))
    stage.orders.start(stage.ask_replacement(proposed), name="replace")
    await stage.settle()
    await stage.move(11)

    stage.stations.answer(refused("Rejected"))
    await stage.settle()

    known = await stage.get(known)
    assert (known.state, known.due, "undo" in dict(stage.stations.told())) == (State.ACTIVE, None, False)


@pytest.mark.row(52)
@pytest.mark.parametrize("answer", [silent, errored("InternalError")])
async def test_silence_keeps_both_terms_and_retracts(stage, active, answer):
    """Both EVSEs stay claimed."""
    stage.stations.answers("replace", answer)
    stage.stations.answers("cancel", Stations.HOLD)

    replaced = await stage.replaced(active, evse_id=2)

    known = replaced.reservation
    assert (known.state, known.terms, known.replacement.evse_id) == (State.UNCONFIRMED, active.terms, 2)
    assert stage.stations.told() == [("replace", active.id), ("cancel", active.id)]
    assert await claims(stage) == {1, 2}


@pytest.mark.row(52)
async def test_a_late_accepted_before_the_cancel_left(stage, active):
    """Accepted: Active with the new terms."""
    stage.stations.answers("replace", gone_silent(stage))
    await stage.replaced(active, evse_id=2)
    ask = stage.stations.sent[-1].ask

    assert await stage.late(ask, lambda ask: Accepted(ask=ask))

    known = await stage.get(active)
    assert (known.state, known.terms.evse_id, known.replacement) == (State.ACTIVE, 2, None)
    assert stage.told() == ["unconfirmed", "replaced"]


@pytest.mark.row(51)
@pytest.mark.row(52)
async def test_a_late_refusal_before_the_cancel_left(stage, active):
    """Active, and the old terms are asked for."""
    stage.stations.answers("replace", gone_silent(stage))
    await stage.replaced(active, evse_id=2)
    ask = stage.stations.sent[-1].ask
    stage.stations.presences.clear()

    assert await stage.late(ask, lambda ask: Refused(ask=ask, status="Rejected"))

    assert await stage.phase(active) is Phase.ACTIVE
    assert stage.stations.told()[1:] == [("undo", active.id)]


@pytest.mark.row(52)
async def test_a_late_refusal_after_the_cancel_left(stage, active):
    """The cancel decides."""
    stage.stations.answers("replace", silent)
    stage.stations.answers("cancel", Stations.HOLD)
    await stage.replaced(active, evse_id=2)
    ask = stage.stations.sent[0].ask

    assert await stage.late(ask, lambda ask: Refused(ask=ask, status="Rejected"))
    assert await stage.phase(active) is Phase.UNCONFIRMED
    stage.stations.answer(cancel_rejected())
    await stage.settle()

    assert await stage.phase(active) is Phase.REMOVED_OPEN


@pytest.mark.row(52)
async def test_a_restart_in_the_middle(stage, active):
    """As silence: Unconfirmed, both terms kept."""
    await stage.propose(active, evse_id=2)

    assert await recover(storage=stage.storage, clock=stage.clock) == 1

    known = await stage.get(active)
    assert (known.state, known.cause, known.replacement.evse_id) == (State.UNCONFIRMED, "restart", 2)
    assert await recover(storage=stage.storage, clock=stage.clock) == 0


@pytest.mark.row(52)
async def test_the_expiry_of_both_terms_is_the_later_one(stage, active):
    """The sweep waits for it, by either."""
    stage.stations.answers("replace", silent)
    stage.stations.answers("cancel", errored("NotImplemented"))
    await stage.replaced(active, expiry=stage.after(1800))
    stage.sweeper.start()

    await stage.move(1829)
    assert await stage.phase(active) is Phase.UNCONFIRMED
    await stage.move(1)
    assert await stage.phase(active) is Phase.EXPIRED_OPEN
