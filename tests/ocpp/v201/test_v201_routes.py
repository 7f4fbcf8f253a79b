"""routes: every action that a station may send is answered, and every raw call is checked."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from evhold.domain.errors import InvalidOrder
from evhold.domain.values import IdToken
from evhold.ocpp.rpc.errors import NotImplemented_, NotSupported, RpcError
from evhold.ocpp.v201.messages import ACTIONS
from evhold.ocpp.v201.routes import FROM_CSMS, Payloads, check, schemas

RECORDINGS = sorted((Path(__file__).parents[2] / "replay" / "recordings").glob("*.jsonl"))
FROM_STATION = sorted(
    action for action, (request, _) in ACTIONS.items() if "CSMS to Charging Station" not in (request.__doc__ or "")
)


def recorded(path: Path, sender: str) -> list[tuple[str, dict]]:
    """Action and payload of every CALL that this side sent in a recording."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    frames = (line["frame"] for line in lines if line.get("dir", "").startswith(f"{sender}->"))
    return [(frame[2], frame[3]) for frame in frames if frame[0] == 2]


def test_there_is_a_route_for_every_action_of_a_station(csms):
    """The table covers them all, and holds no other."""
    assert sorted(csms.version.routes) == FROM_STATION


def test_every_action_has_a_direction():
    """What is not from a station is from a CSMS; DataTransfer is from both."""
    assert {"DataTransfer"} == FROM_CSMS & set(FROM_STATION)
    assert set(ACTIONS) == FROM_CSMS | set(FROM_STATION)


@pytest.mark.parametrize("action", FROM_STATION)
async def test_every_action_of_a_station_is_answered(csms, example, action):
    """The answer to the smallest valid request is valid by the official schema."""
    await csms.answer(action, example(action))


async def test_an_action_of_the_csms_is_not_supported(csms, example):
    """A station that sends ReserveNow has taken us for a station."""
    with pytest.raises(NotSupported):
        await csms.answer("ReserveNow", example("ReserveNow"))
    with pytest.raises(NotImplemented_):
        await csms.answer("Dance", {})


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
async def test_everything_that_real_stations_sent_is_answered(csms, path):
    """Every recorded CALL of a station is decoded and answered, validly."""
    calls = recorded(path, "CS")
    assert calls
    for action, payload in calls:
        await csms.answer(action, payload)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_everything_that_real_stations_were_sent_may_be_sent(path):
    """Every recorded CALL to a station passes the check of raw calls."""
    for action, payload in recorded(path, "CSMS"):
        check(action, json.dumps(payload).encode())


@pytest.mark.parametrize("action", ["Dance", "Heartbeat", "BootNotification"])
def test_a_raw_call_is_one_that_a_csms_may_send(action):
    """Unknown actions, and those of stations, are refused."""
    with pytest.raises(InvalidOrder) as refused:
        check(action, b"{}")
    assert refused.value.field == "action"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"type":"Never"}', "type"),
        (b"{}", "type"),
        (b'{"type":"OnIdle","evseId":"1"}', "evseId"),
        (b'{"type":"OnIdle","hard":true}', "hard"),
        (b"[]", "payload"),
        (b"{", "payload"),
        (b'{"type":"\xff"}', "payload"),
    ],
)
def test_a_raw_call_obeys_the_schema(payload, field):
    """The refusal names the field, and says what is wrong with it once."""
    with pytest.raises(InvalidOrder) as refused:
        check("Reset", payload)
    assert field == refused.value.field
    assert refused.value.reason
    assert not refused.value.reason.startswith(field)


async def test_a_vendors_extension_is_answered_truthfully(csms):
    """No vendor is known here."""
    assert await csms.answer("DataTransfer", {"vendorId": "org.example", "data": [1]}) == {"status": "UnknownVendorId"}


async def test_certificates_are_not_promised(csms, example):
    """Nothing that needs a certificate authority is accepted."""
    assert await csms.answer("SignCertificate", {"csr": "x"}) == {"status": "Rejected"}
    assert (await csms.answer("Get15118EVCertificate", example("Get15118EVCertificate")))["status"] == "Failed"
    assert (await csms.answer("GetCertificateStatus", example("GetCertificateStatus")))["status"] == "Failed"


def test_a_raw_availability_change_is_read():
    """Operative or not, of an EVSE or the whole station."""
    change = Payloads().availability_change(b'{"operationalStatus":"Inoperative","evse":{"id":2}}')
    assert (change.operative, change.evse_id) == (False, 2)
    change = Payloads().availability_change(b'{"operationalStatus":"Operative"}')
    assert (change.operative, change.evse_id) == (True, None)


@pytest.mark.req("F01.FR.21", "F01.FR.22")
def test_a_raw_remote_start_gets_the_group_put_in():
    """The rest of the payload stays as the operator wrote it."""
    payload = b'{"idToken":{"idToken":"A","type":"Central"},"remoteStartId":7,"evseId":1}'
    start = Payloads().remote_start(payload)
    assert (IdToken("a", "Central"), 1, None) == (start.id_token, start.evse_id, start.group_id_token)
    changed = Payloads().with_group(payload, IdToken("G", "Local"))
    check("RequestStartTransaction", changed)
    assert json.loads(changed) == json.loads(payload) | {"groupIdToken": {"idToken": "G", "type": "Local"}}
    assert IdToken("G", "Local") == Payloads().remote_start(changed).group_id_token


@pytest.mark.parametrize("action", FROM_STATION)
async def test_a_payload_that_is_no_object_is_refused(csms, action):
    """It becomes a CALLERROR, not a failure of ours."""
    with pytest.raises(RpcError) as refused:
        await csms.answer(action, [])
    assert refused.value.code == "FormatViolation"


def test_every_action_of_a_csms_has_the_schema_of_its_payload(example):
    """Readable by itself: what is valid by OCPP's own schema is valid, and what is not allowed is not."""
    assert set(schemas()) == FROM_CSMS
    for action, text in schemas().items():
        schema = json.loads(text)
        assert schema["type"] == "object", action
        judge = jsonschema_rs.validator_for(schema)
        assert judge.is_valid(example(action)), action
        assert not judge.is_valid(example(action) | {"noSuchField": 1}), action


def test_a_schema_names_what_is_needed_and_what_may_be():
    """Fields, lists of words, and what other types they refer to."""
    schema = json.loads(schemas()["ChangeAvailability"])
    assert schema["required"] == ["operationalStatus"]
    assert schema["properties"]["operationalStatus"]["enum"] == ["Inoperative", "Operative"]
    assert schema["properties"]["evse"] == {"$ref": "#/$defs/EVSEType"}
    assert schema["$defs"]["EVSEType"]["required"] == ["id"]


def test_a_schema_tells_a_time_from_other_text():
    """Needed or not, in the request or in what it refers to."""
    update = json.loads(schemas()["UpdateFirmware"])["$defs"]["FirmwareType"]["properties"]
    assert (update["retrieveDateTime"]["format"], update["installDateTime"]["format"]) == ("date-time", "date-time")
    assert "format" not in update["location"]
    assert json.loads(schemas()["ReserveNow"])["properties"]["expiryDateTime"]["format"] == "date-time"
