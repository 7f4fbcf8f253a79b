"""authorization, transactions, availability, diagnostics: what stations tell while cars come and go."""

import json
from datetime import timedelta

import pytest

from evhold.domain.authorization import TokenInfo
from evhold.domain.values import IdToken
from evhold.ocpp.rpc.errors import PropertyConstraintViolation, SecurityError

TOKEN = {"idToken": "TAG_B", "type": "ISO14443"}
EVENT = {
    "eventType": "Updated",
    "timestamp": "2026-03-01T11:59:59.5Z",
    "triggerReason": "Authorized",
    "seqNo": 3,
    "reservationId": 7,
    "transactionInfo": {"transactionId": "t1"},
}


def state(value="Reserved", *, name="AvailabilityState", component="Connector", evse=None, **more):
    """One event of a NotifyEvent."""
    return {
        "eventId": 1,
        "timestamp": "2026-03-01T11:59:59Z",
        "trigger": "Delta",
        "actualValue": value,
        "component": {"name": component} | ({"evse": evse} if evse else {}),
        "eventNotificationType": "CustomMonitor",
        "variable": {"name": name},
    } | more


def notify(*events):
    """A NotifyEvent with these events."""
    return {"generatedAt": "2026-03-01T12:00:00Z", "seqNo": 0, "eventData": list(events)}


@pytest.mark.req("H03.FR.08", "H03.FR.04")
async def test_authorize_is_answered_with_the_group(csms):
    """The station needs it to match the reservation's groupIdToken."""
    csms.info = TokenInfo(status="Accepted", group=IdToken("GROUP_1", "Central"))
    answer = await csms.answer("Authorize", {"idToken": TOKEN})
    assert answer["idTokenInfo"]["groupIdToken"] == {"idToken": "GROUP_1", "type": "Central"}
    assert "certificateStatus" not in answer
    assert [("authorize", IdToken("tag_b", "ISO14443"))] == csms.told


async def test_a_contract_certificate_is_not_vouched_for(csms):
    """Nobody checked it."""
    answer = await csms.answer("Authorize", {"idToken": TOKEN, "certificate": "pem"})
    assert answer["certificateStatus"] == "NoCertificateAvailable"


@pytest.mark.req("E01.FR.11", "E01.FR.12", "E02.FR.02", "E03.FR.02")
async def test_an_event_with_a_token_is_answered_about_it(csms):
    """As Authorize is, with the group."""
    csms.info = TokenInfo(status="Blocked", group=IdToken("G", "Central"))
    answer = await csms.answer("TransactionEvent", EVENT | {"idToken": TOKEN})
    expected = {"status": "Blocked", "groupIdToken": {"idToken": "G", "type": "Central"}}
    assert {"idTokenInfo": expected} == answer


@pytest.mark.req("E01.FR.13", "E02.FR.03", "E03.FR.03", "F02.FR.06")
@pytest.mark.parametrize("kind", ["Started", "Updated", "Ended"])
async def test_every_event_tells_its_reservation(csms, now, kind):
    """Of any eventType, with the frame that carried it; without a token the answer is empty."""
    assert await csms.answer("TransactionEvent", EVENT | {"eventType": kind}) == {}
    ((_, event, heard),) = csms.told
    assert ("CS1", kind, 7, 3) == (event.station_id, event.type, event.reservation_id, event.seq_no)
    assert timedelta(milliseconds=623, microseconds=456) == heard.at - event.stamp
    assert json.loads(heard.frames[0].text)[2] == "TransactionEvent"
    assert now == heard.at


async def test_a_status_is_told_with_its_stamp(csms, now):
    """Stored before the station is answered."""
    payload = {"timestamp": "2026-03-01T12:00:00Z", "connectorStatus": "Reserved", "evseId": 1, "connectorId": 2}
    assert await csms.answer("StatusNotification", payload) == {}
    stamp = now.replace(microsecond=0)
    assert [("status", "Reserved", 1, 2, stamp, now), ("stored", "Reserved")] == csms.told


async def test_a_status_that_is_no_news_is_answered_at_once(csms):
    """Without waiting for anything; EVSE 0 and connector 0 are fine too."""
    csms.waits = False
    payload = {"timestamp": "2026-03-01T12:00:00", "connectorStatus": "Available", "evseId": 0, "connectorId": 0}
    assert await csms.answer("StatusNotification", payload) == {}
    assert [told[:4] for told in csms.told] == [("status", "Available", 0, 0)]


async def test_a_connector_number_beyond_32_bits_is_refused(csms):
    """It could not be stored everywhere."""
    payload = {"timestamp": "2026-03-01T12:00:00Z", "connectorStatus": "Reserved", "evseId": 2**31, "connectorId": 1}
    with pytest.raises(PropertyConstraintViolation):
        await csms.answer("StatusNotification", payload)


@pytest.mark.parametrize("trigger", ["Delta", "Periodic", "Alerting"])
async def test_a_connectors_state_is_its_status(csms, now, trigger):
    """Whatever the trigger; names compare without case."""
    event = state(trigger=trigger, component="connector", name="availabilitySTATE", evse={"id": 1, "connectorId": 2})
    assert await csms.answer("NotifyEvent", notify(event)) == {}
    stamp = now.replace(microsecond=0) - timedelta(seconds=1)
    assert [("status", "Reserved", 1, 2, stamp, now), ("stored", "Reserved")] == csms.told


@pytest.mark.parametrize(
    "event",
    [
        state(component="EVSE", evse={"id": 1}),
        state(component="ChargingStation"),
        state(evse={"id": 1}),
        state("Broken", evse={"id": 1, "connectorId": 1}),
        state("true", name="Problem", evse={"id": 1, "connectorId": 1}),
        state("true", name="Problem", component="EVSE", evse={"id": 1}, trigger="Alerting", cleared=False),
    ],
)
async def test_other_events_are_accepted(csms, event):
    """They say nothing about one connector's status."""
    assert await csms.answer("NotifyEvent", notify(event)) == {}
    assert csms.told == []


@pytest.mark.parametrize("waits", [True, False])
async def test_events_of_one_message_are_told_in_turn(csms, waits):
    """Each is stored before the next is looked at."""
    csms.waits = waits
    where = {"id": 1, "connectorId": 1}
    events = [state("Reserved", evse=where), state(component="EVSE"), state("Available", evse=where)]
    assert await csms.answer("NotifyEvent", notify(*events)) == {}
    told = [told[:2] for told in csms.told]
    if waits:
        assert told == [
            ("status", "Reserved"),
            ("stored", "Reserved"),
            ("status", "Available"),
            ("stored", "Available"),
        ]
    else:
        assert told == [("status", "Reserved"), ("status", "Available")]


@pytest.mark.req("B02", "B03")
async def test_a_station_that_is_not_accepted_is_not_heard(csms):
    """But for its boot, and what it was asked for."""
    csms.context.registration = "Pending"
    with pytest.raises(SecurityError):
        await csms.answer("Authorize", {"idToken": TOKEN})
    csms.context.expected_reports.add(5)
    await csms.answer("NotifyReport", {"requestId": 5, "generatedAt": "2026-03-01T12:00:00Z", "seqNo": 0})
    assert [told[0] for told in csms.told] == ["report"]
