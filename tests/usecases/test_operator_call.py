"""Raw calls: checked, audited, sent, and what they say of capabilities learned."""

import json
from contextlib import nullcontext

import pytest
from usecase_fakes import GROUP, START, TAG_A, TAG_B, ScriptedStations, connector, reservation

from evhold.domain.access import Actor
from evhold.domain.authorization import Token
from evhold.domain.errors import (
    GoesThroughReservations,
    InvalidOrder,
    ReservationsAffected,
    StationOffline,
    StationUnknown,
)
from evhold.domain.reservation import State
from evhold.domain.station import Registration, Station
from evhold.domain.transitions import created
from evhold.domain.values import Heard
from evhold.ocpp.v201.routes import Payloads, check
from evhold.usecases.operator_call import RawCall, call
from evhold.usecases.ports import CallFailed, CallResult, NeverSent


@pytest.fixture
def stations():
    """Stations that answer with an empty payload."""
    return ScriptedStations()


async def send(storage, stations, clock, action, payload, **given):
    """Send a raw call to cs1."""
    order = RawCall(station_id="cs1", action=action, payload=json.dumps(payload).encode(), who=Actor("key 1"), **given)
    return await call(order, storage=storage, stations=stations, check=check, payloads=Payloads(), clock=clock)


def insert(storage, *reservations):
    """Store them."""
    for one in reservations:
        storage.now.reservations.insert(created(one, Heard(at=START)))


def inoperative(**given):
    """A ChangeAvailability."""
    return {"operationalStatus": "Inoperative", **given}


async def test_a_call_is_audited_and_sent_and_its_answer_handed_on(storage, stations, clock):
    """Under the station's own id; the audit holds no payload."""
    stations.answer = CallFailed(code="GenericError")

    answer = await send(storage, stations, clock, "Reset", {"type": "OnIdle"})

    assert answer == CallFailed(code="GenericError")
    assert [(station, action, json.loads(payload)) for station, action, payload in stations.sent] == [
        ("CS1", "Reset", {"type": "OnIdle"})
    ]
    assert storage.tables.audit == [("key 1", "call Reset", "CS1", "")]


@pytest.mark.parametrize("action", ["ReserveNow", "CancelReservation"])
async def test_reservations_are_not_made_by_raw_calls(storage, stations, clock, action):
    """Nobody would know of them."""
    with pytest.raises(GoesThroughReservations, match=action):
        await send(storage, stations, clock, action, {})
    assert stations.sent == storage.tables.audit == []


@pytest.mark.parametrize(
    ("action", "payload", "field"),
    [("MakeCoffee", {}, "action"), ("BootNotification", {}, "action"), ("Reset", {"type": "Never"}, "type")],
)
async def test_what_a_csms_can_not_send_is_refused(storage, stations, clock, action, payload, field):
    """An unknown action, a station's action, a payload that breaks the schema."""
    with pytest.raises(InvalidOrder) as refused:
        await send(storage, stations, clock, action, payload)
    assert refused.value.field == field
    assert stations.sent == storage.tables.audit == []


async def test_an_unknown_station_is_not_called(storage, stations, clock):
    """Nothing is audited for it."""
    storage.now.stations.remove("CS1")

    with pytest.raises(StationUnknown):
        await send(storage, stations, clock, "ClearCache", {})
    assert stations.sent == []


@pytest.mark.req("B02", "B03.FR.03")
@pytest.mark.parametrize(
    ("boot_status", "action", "payload", "is_sent"),
    [
        (Registration.REJECTED, "TriggerMessage", {"requestedMessage": "BootNotification"}, False),
        (Registration.PENDING, "TriggerMessage", {"requestedMessage": "BootNotification"}, True),
        (Registration.PENDING, "ClearCache", {}, False),
        (None, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, True),
        (None, "ClearCache", {}, False),
    ],
)
async def test_little_is_sent_to_a_station_that_is_not_accepted(
    storage, stations, clock, boot_status, action, payload, is_sent
):
    """To a Rejected one nothing, to the others what B02 allows."""
    storage.now.stations.put(Station(id="CS1", boot_status=boot_status))

    with nullcontext() if is_sent else pytest.raises(StationOffline):
        await send(storage, stations, clock, action, payload)

    assert len(stations.sent) == len(storage.tables.audit) == is_sent


async def test_an_inoperative_evse_ends_its_reservation_so_it_is_refused_first(storage, stations, clock):
    """Those of other EVSEs, unnamed ones while others are left, and ended ones are not hit."""
    storage.now.connectors.put(connector(2))
    storage.now.connectors.put(connector(3))
    ended = reservation(4, evse_id=1, state=State.CANCELED)
    insert(storage, reservation(1, evse_id=1), reservation(2, evse_id=2), reservation(3), ended)

    with pytest.raises(ReservationsAffected) as refused:
        await send(storage, stations, clock, "ChangeAvailability", inoperative(evse={"id": 1}))

    assert refused.value.reservation_ids == [1]
    assert stations.sent == []


async def test_an_inoperative_station_hits_all_live_reservations(storage, stations, clock):
    """Also those without an EVSE; and so does the only EVSE that is known."""
    storage.now.connectors.put(connector(1))
    insert(storage, reservation(1, evse_id=1), reservation(2))

    for payload in (inoperative(), inoperative(evse={"id": 1})):
        with pytest.raises(ReservationsAffected) as refused:
            await send(storage, stations, clock, "ChangeAvailability", payload)
        assert refused.value.reservation_ids == [1, 2]


@pytest.mark.parametrize(("payload", "force"), [(inoperative(), True), ({"operationalStatus": "Operative"}, False)])
async def test_a_forced_or_a_harmless_change_is_sent(storage, stations, clock, payload, force):
    """Operative ends nothing; force is audited."""
    insert(storage, reservation(1, evse_id=1))

    await send(storage, stations, clock, "ChangeAvailability", payload, force=force)

    assert len(stations.sent) == 1
    assert storage.tables.audit[0][3] == ("force" if force else "")


def start(**given):
    """A RequestStartTransaction by TAG_B on EVSE 1."""
    id_token = {"idToken": "TAG_B", "type": "ISO14443"}
    return {"idToken": id_token, "remoteStartId": 1, "evseId": 1, **given}


@pytest.mark.req("F01.FR.22", "F02.FR.24")
async def test_a_remote_start_on_a_reserved_evse_names_the_group(storage, stations, clock):
    """The token's group is the reservation's."""
    storage.now.tokens.put(Token(id_token=TAG_B, group=GROUP))
    insert(storage, reservation(1, evse_id=1, group=GROUP))

    await send(storage, stations, clock, "RequestStartTransaction", start())

    sent = json.loads(stations.sent[0][2])
    assert sent == start(groupIdToken={"idToken": "GROUP_1", "type": "Central"})


@pytest.mark.parametrize(
    ("reserved_group", "token_group", "payload"),
    [
        (GROUP, None, start()),
        (None, GROUP, start()),
        (TAG_A, GROUP, start()),
        (GROUP, GROUP, start(evseId=2)),
        (GROUP, GROUP, start(groupIdToken={"idToken": "OTHER", "type": "Central"})),
    ],
)
async def test_any_other_remote_start_is_sent_as_it_is(storage, stations, clock, reserved_group, token_group, payload):
    """No common group, another EVSE, or a group given."""
    storage.now.tokens.put(Token(id_token=TAG_B, group=token_group))
    insert(storage, reservation(1, evse_id=1, group=reserved_group))

    await send(storage, stations, clock, "RequestStartTransaction", payload)

    assert json.loads(stations.sent[0][2]) == payload


@pytest.mark.req("F01.FR.22", "F02.FR.24")
@pytest.mark.parametrize("held", [1, None])
async def test_a_remote_start_that_may_meet_a_reservation_names_the_group(storage, stations, clock, held):
    """No EVSE is named by the start, or none by the reservation."""
    storage.now.tokens.put(Token(id_token=TAG_B, group=GROUP))
    insert(storage, reservation(1, evse_id=held, group=GROUP))
    payload = {key: value for key, value in start().items() if key != "evseId" or held is None}

    await send(storage, stations, clock, "RequestStartTransaction", payload)

    assert "groupIdToken" in json.loads(stations.sent[0][2])


async def test_an_inoperative_evse_that_an_unnamed_reservation_needs_is_refused_first(storage, stations, clock):
    """One other EVSE is left, and it is held by name: nowhere is left for the one that may be anywhere."""
    for number in (1, 2):
        storage.now.connectors.put(connector(number))
    insert(storage, reservation(2, evse_id=2), reservation(3))

    with pytest.raises(ReservationsAffected) as refused:
        await send(storage, stations, clock, "ChangeAvailability", inoperative(evse={"id": 1}))

    assert refused.value.reservation_ids == [3]


async def test_a_remote_start_by_an_unknown_token_is_sent_as_it_is(storage, stations, clock):
    """The station decides."""
    insert(storage, reservation(1, evse_id=1, group=GROUP))

    await send(storage, stations, clock, "RequestStartTransaction", start())

    assert json.loads(stations.sent[0][2]) == start()


NAMED = {"component": {"name": "ReservationCtrlr"}, "variable": {"name": "Enabled"}}


@pytest.mark.parametrize(
    ("action", "asked", "told"),
    [
        (
            "GetVariables",
            {"getVariableData": [NAMED]},
            {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "0", **NAMED}]},
        ),
        (
            "SetVariables",
            {"setVariableData": [{"attributeValue": "false", **NAMED}]},
            {"setVariableResult": [{"attributeStatus": "Accepted", **NAMED}]},
        ),
    ],
)
async def test_an_answer_about_capabilities_is_learned(storage, stations, clock, action, asked, told):
    """By GetVariables as by SetVariables, and the second time nothing is new."""
    stations.answer = CallResult(payload=json.dumps(told).encode())

    for _ in range(2):
        assert await send(storage, stations, clock, action, asked) == stations.answer

    assert storage.now.stations.get("CS1").capabilities.enabled is False


async def test_nothing_is_learned_from_silence_or_about_a_station_that_was_removed(storage, stations, clock):
    """The outcome is handed on."""
    asked = {"getVariableData": [NAMED]}
    stations.answer = NeverSent(reason="station-offline")
    assert await send(storage, stations, clock, "GetVariables", asked) == stations.answer

    async def remove(station_id, action, payload):
        storage.now.stations.remove("CS1")
        told = {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "0", **NAMED}]}
        return CallResult(payload=json.dumps(told).encode())

    stations.call = remove
    await send(storage, stations, clock, "GetVariables", asked)
    assert storage.tables.stations == {}
