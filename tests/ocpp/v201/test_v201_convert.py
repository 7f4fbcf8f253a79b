"""convert: structs in, domain values out, and back."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import UNSET

from evhold.domain.authorization import TokenInfo
from evhold.domain.values import IdToken, StatusInfo, Terms
from evhold.ocpp.router import Context
from evhold.ocpp.rpc.connection import CallReceived
from evhold.ocpp.rpc.errors import PropertyConstraintViolation
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.datatypes import EVSEType, IdTokenType, StatusInfoType
from evhold.ocpp.v201.messages import ReserveNowRequest, TransactionEventRequest, decode, encode
from evhold.usecases.ports import CallFailed, CallResult

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = {
    "eventType": "Started",
    "timestamp": "2026-03-01T12:00:00Z",
    "triggerReason": "CablePluggedIn",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "t1"},
}


def event(**changes):
    """The domain's event of a TransactionEvent with these fields."""
    request = decode(json.dumps(EVENT | changes).encode(), TransactionEventRequest)
    return convert.event(request, station_id="CS1")


def energy(*samples, stamp="2026-03-01T12:00:00Z"):
    """A meterValue field with one meter value of these samples."""
    return [{"timestamp": stamp, "sampledValue": list(samples)}]


def test_an_event_without_options_has_none():
    """What was left out is None, and offline is false."""
    told = event()
    assert (
        told.station_id,
        told.transaction_id,
        told.type,
        told.seq_no,
        told.trigger,
    ) == ("CS1", "t1", "Started", 0, "CablePluggedIn")
    assert told.stamp == NOON
    assert told.offline is False
    left_out = ("evse_id", "connector_id", "id_token", "reservation_id", "charging_state", "stopped_reason")
    assert {None} == {getattr(told, name) for name in (*left_out, "remote_start_id", "energy_wh")}


@pytest.mark.req("E04.FR.01")
def test_an_event_with_everything_keeps_it():
    """Token, place, state, reason, remote start, reservation, and that it was made offline."""
    told = event(
        eventType="Ended",
        offline=True,
        evse={"id": 2, "connectorId": 1},
        idToken={"idToken": "TAG_A", "type": "ISO14443"},
        reservationId=17,
        transactionInfo={
            "transactionId": "t1",
            "chargingState": "Idle",
            "stoppedReason": "EVDisconnected",
            "remoteStartId": 5,
        },
        meterValue=energy({"value": 1010.5}),
    )
    assert (True, 2, 1, IdToken("tag_a", "ISO14443")) == (told.offline, told.evse_id, told.connector_id, told.id_token)
    assert (
        told.reservation_id,
        told.charging_state,
        told.stopped_reason,
        told.remote_start_id,
    ) == (17, "Idle", "EVDisconnected", 5)
    assert told.energy_wh == 1010.5


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**30])
def test_a_reservation_id_that_we_never_give_is_none(number):
    """Stations send 0 and -1 for "none"; no number of theirs can reach another row (row 42)."""
    assert event(reservationId=number).reservation_id is None
    assert convert.reservation_id(UNSET) is None


@pytest.mark.parametrize("number", [1, 2**31 - 1])
def test_every_other_reservation_id_is_kept(number):
    """1 and 2^31-1 are ids."""
    assert number == event(reservationId=number).reservation_id


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00", "2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00.000Z"])
def test_a_stamp_is_utc(text):
    """A stamp without a zone is taken as UTC, one with another zone is turned."""
    stamp = event(timestamp=text).stamp
    assert stamp == NOON
    assert UTC is stamp.tzinfo


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": "0001-01-01T00:00:00+12:00"},
        {"seqNo": 2**31},
        {"evse": {"id": 2**40}},
        {"evse": {"id": 1, "connectorId": -(2**40)}},
        {"transactionInfo": {"transactionId": "t1", "remoteStartId": 2**31}},
    ],
)
def test_what_is_out_of_range_is_refused(changes):
    """No number beyond 32 bits, and no time outside of the calendar, reaches a use case."""
    with pytest.raises(PropertyConstraintViolation):
        event(**changes)


@pytest.mark.parametrize(
    ("sample", "wh"),
    [
        ({"value": 3}, 3),
        ({"value": 3, "measurand": "Energy.Active.Import.Register", "location": "Outlet"}, 3),
        ({"value": 3, "unitOfMeasure": {"unit": "kWh"}}, 3000),
        ({"value": 3, "unitOfMeasure": {"multiplier": 3}}, 3000),
        ({"value": 3, "unitOfMeasure": {"unit": "Wh", "multiplier": 0}}, 3),
        ({"value": 3, "unitOfMeasure": {"unit": "Joule"}}, None),
        ({"value": 3, "unitOfMeasure": {"multiplier": 400}}, None),
        ({"value": 3, "measurand": "Power.Active.Import"}, None),
        ({"value": 3, "phase": "L1"}, None),
        ({"value": 3, "location": "Inlet"}, None),
    ],
)
def test_energy_is_the_register_of_all_phases(sample, wh):
    """In Wh, whatever the unit; other measurands, single phases and other places are not it."""
    assert wh == event(meterValue=energy(sample)).energy_wh


def test_the_latest_reading_counts():
    """By its stamp; of equal stamps the last one in the message."""
    late = energy({"value": 30}, stamp="2026-03-01T12:00:02Z")
    same = energy({"value": 40}, stamp="2026-03-01T12:00:02Z")
    early = energy({"value": 20}, stamp="2026-03-01T12:00:01")
    assert event(meterValue=late + same + early).energy_wh == 40


def test_evse_and_connector_0_name_none():
    """They stand for the whole station and the whole EVSE."""
    assert convert.evse(UNSET) == (None, None)
    assert convert.evse(EVSEType(id=0, connector_id=0)) == (None, None)
    assert convert.evse(EVSEType(id=2, connector_id=-1)) == (2, None)
    assert convert.evse(EVSEType(id=2)) == (2, None)


def test_words_beside_a_status_are_kept():
    """An empty reasonCode too."""
    assert StatusInfo("", None) == convert.status_info(StatusInfoType(reason_code=""))
    assert StatusInfo("x", "y") == convert.status_info(StatusInfoType(reason_code="x", additional_info="y"))
    assert convert.status_info(UNSET) is None


@given(
    text=some.text(max_size=36),
    kind=some.sampled_from(["Central", "eMAID", "ISO14443", "NoAuthorization"]),
)
def test_tokens_come_back_as_they_went(text, kind):
    """Letter by letter: comparing without case is the domain's matter."""
    token = IdToken(text, kind)
    assert IdTokenType(id_token=text, type=kind) == convert.id_token_type(token)
    assert (text, kind) == (convert.id_token(convert.id_token_type(token)).id_token, kind)


@pytest.mark.req("H03.FR.08")
def test_what_a_token_is_worth_goes_out_whole():
    """Status, group, cache expiry, and a message cut to what the schema allows."""
    info = TokenInfo(
        status="Blocked",
        group=IdToken("G", "Central"),
        cache_expiry=NOON.replace(tzinfo=None),
        personal_message="é" * 600,
    )
    sent = json.loads(encode(convert.id_token_info(info)))
    assert sent["groupIdToken"] == {"idToken": "G", "type": "Central"}
    assert (sent["status"], sent["cacheExpiryDateTime"]) == ("Blocked", "2026-03-01T12:00:00.000Z")
    assert sent["personalMessage"] == {"format": "UTF8", "content": "é" * 512}
    assert json.loads(encode(convert.id_token_info(TokenInfo(status="Accepted")))) == {"status": "Accepted"}


@pytest.mark.req("H01.FR.04", "H01.FR.06")
@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({}, {}),
        ({"evse_id": 2}, {"evseId": 2}),
        ({"connector_type": "cCCS2"}, {"connectorType": "cCCS2"}),
        ({"group_id_token": IdToken("G", "Local")}, {"groupIdToken": {"idToken": "G", "type": "Local"}}),
    ],
)
def test_terms_go_out_as_reserve_now(place, expected):
    """What is not in the terms is not in the message; the expiry has three decimals and a Z."""
    expiry = NOON.replace(microsecond=123_999)
    request = convert.reserve_now(Terms(id_token=IdToken("A", "Central"), expiry=expiry, **place), reservation_id=7)
    sent = json.loads(encode(request))
    usual = {"id": 7, "expiryDateTime": "2026-03-01T12:00:00.123Z", "idToken": {"idToken": "A", "type": "Central"}}
    assert usual | expected == sent
    assert request.id == decode(encode(request), ReserveNowRequest).id


def test_the_frame_in_hand_is_masked():
    """It is shown as it came, but for the tokens."""
    call = CallReceived("m1", "Authorize", b'{"idToken":{"idToken":"TAG_ABCDEF","type":"Central"}}')
    context = Context(station_id="CS1", epoch=1, version="2.0.1", call=call, heard_at=NOON)
    build = convert.heard(context)
    context.call, context.heard_at = None, NOON.replace(hour=13)
    heard = build()
    assert (heard.at, heard.by) == (NOON, "station")
    assert [frame.sender for frame in heard.frames] == ["CS"]
    frame = json.loads(heard.frames[0].text)
    assert frame == [2, "m1", "Authorize", {"idToken": {"idToken": "******CDEF", "type": "Central"}}]


def test_without_a_call_in_hand_there_is_no_frame():
    """The time is told all the same."""
    heard = convert.heard(Context(station_id="CS1", epoch=1, version="2.0.1", heard_at=NOON))()
    assert (heard.at, heard.frames) == (NOON, ())


def test_answers_are_shown_as_frames():
    """CALLRESULT and CALLERROR, as they were on the wire."""
    result = convert.answer_frame("m1", CallResult(payload=b'{"status":"Accepted"}'), at=NOON)
    assert result.text == '[3,"m1",{"status":"Accepted"}]'
    error = convert.answer_frame("m1", CallFailed(code="NotSupported", description="no"), at=NOON)
    assert error.text == '[4,"m1","NotSupported","no",{}]'
