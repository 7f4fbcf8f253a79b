"""H01: a row is committed before the station is asked, and its answer, or its silence, is stored."""

import asyncio

import pytest
from station_script import (
    AWAY,
    ONLINE,
    Stations,
    accepted,
    cancel_accepted,
    errored,
    lost,
    never_left,
    refused,
    silent,
)
from usecase_fakes import START, TAG_A, TAG_B, seconds

from evhold.domain.authorization import TokenStatus
from evhold.domain.errors import (
    EvseAlreadyReserved,
    IdempotencyKeyReused,
    InvalidOrder,
    RequestInProgress,
    ReservationsNotSupported,
    StationOffline,
    StationUnknown,
    TokenNotAccepted,
    UnspecifiedEvseNotSupported,
)
from evhold.domain.facts import PROVES_NON_EXECUTION
from evhold.domain.reservation import Phase, State
from evhold.domain.station import Capabilities
from evhold.domain.values import AskKind
from evhold.usecases import h01_reserve
from evhold.usecases.h01_reserve import Placed
from evhold.usecases.late import recover
from evhold.usecases.ports import Rules
from evhold.usecases.stores import IdempotentRequest, Remembered

REQUEST = IdempotentRequest(api_key_id=1, key="K1", body_hash=b"one")
OFF = Capabilities(available=False, enabled=False, non_evse_specific=False)


@pytest.mark.row(1)
async def test_the_row_is_committed_before_the_station_is_asked(stage):
    """Pending, with its claim and its open ask, and nothing was sent yet."""
    placed = await stage.place()

    known = await stage.get(placed.reservation)
    assert (known.state, known.ask.kind, known.reserves_sent) == (State.PENDING, AskKind.RESERVE, 1)
    assert stage.stations.sent == []
    with pytest.raises(EvseAlreadyReserved):
        await stage.place()


@pytest.mark.req("H01.FR.03", "H01.FR.04", "H01.FR.06")
@pytest.mark.row(3)
@pytest.mark.parametrize("where", [{"evse_id": 2}, {"evse_id": None, "connector_type": "cCCS2"}, {"evse_id": None}])
async def test_accepted_is_active(stage, where):
    """A specific EVSE, a connector type, any EVSE: sent with these very terms."""
    known = await stage.reserve(**where)

    assert (known.state, known.ocpp_status, known.was_active) == (State.ACTIVE, "Accepted", True)
    assert stage.stations.sent[0].ask.terms == known.terms
    assert (known.terms.evse_id, known.terms.connector_type) == (where["evse_id"], where.get("connector_type"))
    assert stage.told() == ["accepted"]


@pytest.mark.req("H01.FR.01", "H01.FR.11", "H01.FR.12", "H01.FR.14")
@pytest.mark.row(5)
@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_every_refusal_is_kept(stage, status):
    """Refused with the station's status, its claim given back."""
    stage.stations.answers("reserve", refused(status), accepted)

    known = await stage.reserve()

    assert (known.state, known.ocpp_status) == (State.REFUSED, status)
    assert stage.told() == ["refused"]
    assert (await stage.reserve()).state is State.ACTIVE


@pytest.mark.row(6)
@pytest.mark.parametrize("code", sorted(PROVES_NON_EXECUTION))
async def test_a_callerror_that_proves_non_execution_is_a_refusal(stage, code):
    """No status, the code as cause, and nothing is retracted."""
    stage.stations.answers("reserve", errored(code))

    known = await stage.reserve()

    assert (known.state, known.ocpp_status, known.cause) == (State.REFUSED, None, code)
    assert stage.stations.told() == [("reserve", known.id)]


@pytest.mark.row(7)
@pytest.mark.parametrize("answer", [errored("InternalError"), errored("GenericError"), errored("Foo"), silent, lost])
async def test_no_answer_is_not_a_no(stage, answer):
    """Unconfirmed, its EVSE still claimed, and a retraction follows at once."""
    stage.stations.answers("reserve", answer)
    stage.stations.answers("cancel", Stations.HOLD)

    known = await stage.reserve()

    assert known.state is State.UNCONFIRMED
    assert stage.stations.told() == [("reserve", known.id), ("cancel", known.id)]
    assert stage.told() == ["unconfirmed"]
    with pytest.raises(EvseAlreadyReserved):
        await stage.place()


@pytest.mark.row(2)
@pytest.mark.parametrize("reason", ["station-offline", "station-busy", "expired-in-queue"])
async def test_what_never_left_failed(stage, reason):
    """The cause says why, and the EVSE is free."""
    stage.stations.answers("reserve", never_left(reason), accepted)

    known = await stage.reserve()

    assert (known.phase, known.cause, known.confirmed) == (Phase.FAILED_CLOSED, reason, True)
    assert known.reserves_sent == 0
    assert (await stage.reserve()).state is State.ACTIVE


@pytest.mark.row(2)
async def test_a_station_lost_between_the_check_and_the_frame(stage):
    """It was there when the row was committed, and gone when it was to be asked."""
    placed = await stage.place()
    stage.stations.presences["CS1"] = AWAY

    known = await stage.ask(placed)

    assert (known.state, known.cause) == (State.FAILED, "station-offline")


# The order of refusals


async def test_an_unknown_station_comes_first(stage):
    """Before everything that is wrong with the order."""
    with pytest.raises(StationUnknown):
        await stage.place(station="CS9", expiry=-1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"connector_type": "cCCS2"}, "connectorType"),
        ({"expiry": 0}, "expiryDateTime"),
        ({"expiry": -1}, "expiryDateTime"),
    ],
)
async def test_then_terms_that_mean_nothing(stage, given, field):
    """An EVSE together with a connector type; an expiry that is not ahead."""
    stage.stations.presences["CS1"] = AWAY
    with pytest.raises(InvalidOrder) as refusal:
        await stage.place(**given)
    assert refusal.value.field == field


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize("presence", [AWAY, ONLINE])
async def test_then_a_station_that_is_not_there(stage, presence):
    """Offline, or not accepted: no row, even by force."""
    await stage.change_station(capabilities=OFF)
    stage.stations.presences["CS1"] = presence
    for force in (False, True):
        with pytest.raises(StationOffline):
            await stage.place(force=force)
    assert await stage.count() == 0


@pytest.mark.parametrize(
    ("capabilities", "variable"),
    [(OFF, "ReservationCtrlr.Available"), (Capabilities(enabled=False), "ReservationCtrlr.Enabled")],
)
async def test_then_a_station_that_takes_no_reservations(stage, capabilities, variable):
    """Known to be so: the variable is named, the token not looked at."""
    await stage.change_station(capabilities=capabilities)
    with pytest.raises(ReservationsNotSupported) as refusal:
        await stage.place(id_token=TAG_B)
    assert refusal.value.variable == variable


@pytest.mark.req("H01.FR.18", "H01.FR.19")
async def test_then_one_that_reserves_named_evses_only(stage):
    """Without an EVSE it is not even asked; with one it is."""
    await stage.change_station(capabilities=Capabilities(available=True, enabled=True, non_evse_specific=False))
    for terms in ({}, {"connector_type": "cCCS2"}):
        with pytest.raises(UnspecifiedEvseNotSupported) as refusal:
            await stage.place(evse_id=None, **terms)
        assert refusal.value.variable == "ReservationCtrlr.NonEvseSpecific"
    assert stage.stations.sent == []
    assert (await stage.reserve()).state is State.ACTIVE


async def test_then_a_token_that_is_not_accepted(stage):
    """Unknown, or with another status; nothing is written."""
    await stage.add_token(TAG_B, status=TokenStatus.BLOCKED)
    with pytest.raises(TokenNotAccepted) as refusal:
        await stage.place(id_token=TAG_B)
    assert refusal.value.token_status == "Blocked"
    await stage.storage.transact(lambda tx: tx.tokens.remove(TAG_B))
    with pytest.raises(TokenNotAccepted) as refusal:
        await stage.place(id_token=TAG_B)
    assert refusal.value.token_status == "Unknown"
    assert await stage.count() == 0


async def test_unknown_tokens_may_be_accepted(stage):
    """As the settings say."""
    stage.rules = Rules(accept_unknown_tokens=True)
    assert (await stage.reserve(id_token=TAG_B)).state is State.ACTIVE


async def test_force_asks_all_the_same(stage):
    """Variables and tokens are overridden; the station decides."""
    await stage.change_station(capabilities=OFF)
    assert (await stage.reserve(evse_id=None, id_token=TAG_B, force=True)).state is State.ACTIVE


@pytest.mark.req("H01.FR.18")
async def test_what_is_not_known_is_no_no(stage):
    """A station that never told its variables is asked."""
    await stage.change_station(capabilities=Capabilities())
    assert (await stage.reserve(evse_id=None)).state is State.ACTIVE


async def test_the_last_refusal_is_an_evse_that_is_held(stage):
    """By the database itself; another EVSE, or none, is no trouble."""
    await stage.reserve(evse_id=1)
    with pytest.raises(EvseAlreadyReserved) as refusal:
        await stage.place(evse_id=1)
    assert (refusal.value.station_id, refusal.value.evse_id) == ("CS1", 1)
    assert await stage.count() == 1
    await stage.reserve(evse_id=2)
    await stage.reserve(evse_id=None)


async def test_of_two_at_once_one_gets_the_evse(stage):
    """The other is told so."""
    both = await asyncio.gather(stage.place(), stage.place(), return_exceptions=True)
    assert sorted(type(one).__name__ for one in both) == ["EvseAlreadyReserved", "Placed"]


# Idempotency-Key (design decision 4)


async def test_a_repeat_while_the_first_still_runs(stage):
    """It is told so, and nothing is made."""
    await stage.place(request=REQUEST)
    with pytest.raises(RequestInProgress):
        await stage.place(request=REQUEST)
    assert await stage.count() == 1


async def test_a_repeat_after_the_answer_gets_it_again(stage):
    """No second reservation, no second ReserveNow."""
    known = await stage.reserve(request=REQUEST)
    await h01_reserve.remember(REQUEST, status=201, body=b"{}", storage=stage.storage)

    assert await stage.place(request=REQUEST) == Remembered(reservation_id=known.id, status=201, body=b"{}")
    assert len(stage.stations.sent) == 1


async def test_a_repeat_between_the_end_and_the_answer(stage):
    """The reservation is known, the answer not yet."""
    known = await stage.reserve(request=REQUEST)
    assert await stage.place(request=REQUEST) == Remembered(reservation_id=known.id, status=0, body=b"")


async def test_the_key_with_another_body(stage):
    """Refused before anything else."""
    await stage.place(request=REQUEST)
    with pytest.raises(IdempotencyKeyReused):
        await stage.place(request=IdempotentRequest(api_key_id=1, key="K1", body_hash=b"two"), station="CS9")


async def test_a_repeat_after_a_crash(stage):
    """The reservation was in flight: it is Unconfirmed now, and that is the answer."""
    placed = await stage.place(request=REQUEST)
    assert await recover(storage=stage.storage, clock=stage.clock) == 1

    repeated = await stage.place(request=REQUEST)

    assert (repeated.reservation_id, repeated.status) == (placed.reservation.id, 0)
    assert (await stage.get(placed.reservation)).state is State.UNCONFIRMED


async def test_a_refused_order_leaves_no_trace_of_its_key(stage):
    """The repeat runs anew; so it does when the first is forgotten."""
    with pytest.raises(InvalidOrder):
        await stage.place(request=REQUEST, expiry=-1)
    assert isinstance(await stage.place(request=REQUEST), Placed)
    await h01_reserve.forget(REQUEST, storage=stage.storage)
    assert isinstance(await stage.place(request=REQUEST, evse_id=2), Placed)


# The times and the events


async def test_the_history_names_who_ordered_and_who_answered(stage):
    """The driver, then the station."""
    known = await stage.reserve()
    rows = await stage.history(known)
    assert [(row.row, row.by, row.at) for row in rows] == [(1, "driver", START), (3, "station", START)]


async def test_events_come_in_the_order_of_their_commits(stage):
    """Told Unconfirmed before Canceled."""
    stage.stations.answers("reserve", silent)
    stage.stations.answers("cancel", cancel_accepted)

    known = await stage.reserve(id_token=TAG_A, expiry=60)

    assert stage.told() == ["unconfirmed", "canceled"]
    assert (await stage.get(known)).terms.expiry == START + seconds(60)
