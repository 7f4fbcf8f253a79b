"""provisioning: boots, heartbeats, variables and reports on the wire."""

import json

import pytest

from evhold.domain.station import Registration
from evhold.domain.values import StationId
from evhold.domain.variables import CAPABILITY_VARIABLES, ReportRow, Variable
from evhold.ocpp.v201.provisioning import Provisioning, expect
from evhold.ocpp.v201.routes import Payloads
from evhold.usecases.b01_boot import Boot
from evhold.usecases.b07_base_report import Report
from evhold.usecases.ports import CallFailed, CallResult, Connected, NeverSent, NoAnswer

ENABLED = Variable(component="ReservationCtrlr", variable="Enabled", value="false")


@pytest.fixture
def provisioning(calls, fixed):
    """The ports towards a station."""
    return Provisioning(calls, ids=fixed)


def result(name="Enabled", *, component=None, attribute="attributeStatus", **more):
    """One result of GetVariables or SetVariables."""
    where = {"name": "ReservationCtrlr"} | (component or {})
    return {attribute: "Accepted", "component": where, "variable": {"name": name}} | more


@pytest.mark.req("B01", "B02", "B03")
@pytest.mark.parametrize("status", list(Registration))
async def test_a_boot_is_answered_as_it_was_decided(csms, now, status):
    """Status, interval in seconds, and our time with three decimals."""
    csms.boot_status = status
    station = {"vendorName": "V", "model": "M", "firmwareVersion": "1.0", "serialNumber": "S"}
    answer = await csms.answer("BootNotification", {"reason": "PowerUp", "chargingStation": station})
    assert {"status": status.value, "interval": 300, "currentTime": "2026-03-01T12:00:00.123Z"} == answer
    boot = Boot(vendor_name="V", model="M", reason="PowerUp", firmware_version="1.0", serial_number="S")
    assert [("boot", boot, now)] == csms.told


async def test_a_boot_may_say_little(csms):
    """Vendor and model alone."""
    await csms.answer("BootNotification", {"reason": "Unknown", "chargingStation": {"vendorName": "V", "model": "M"}})
    assert Boot(vendor_name="V", model="M", reason="Unknown") == csms.told[0][1]


async def test_a_heartbeat_is_answered_with_our_time(csms):
    """At once, and nothing else happens."""
    assert await csms.answer("Heartbeat", {}) == {"currentTime": "2026-03-01T12:00:00.123Z"}
    assert csms.told == []


async def test_a_report_is_told_in_rows(csms):
    """Actual attributes, with their EVSE and connector; other attributes and instances are left out."""
    connector = {"name": "Connector", "evse": {"id": 1, "connectorId": 2}}
    rows = [
        {
            "component": connector,
            "variable": {"name": "ConnectorType"},
            "variableAttribute": [{"value": "cCCS2"}, {"type": "MaxSet", "value": "x"}],
        },
        {
            "component": {"name": "ReservationCtrlr"},
            "variable": {"name": "Enabled"},
            "variableAttribute": [{"type": "Actual"}],
        },
        {
            "component": {"name": "Connector", "instance": "i"},
            "variable": {"name": "ConnectorType"},
            "variableAttribute": [{"value": "cType2"}],
        },
        {
            "component": connector,
            "variable": {"name": "ConnectorType", "instance": "i"},
            "variableAttribute": [{"value": "cType2"}],
        },
    ]
    payload = {"requestId": 5, "generatedAt": "2026-03-01T12:00:00Z", "seqNo": 0, "tbc": True, "reportData": rows}
    assert await csms.answer("NotifyReport", payload) == {}
    expected = (
        ReportRow(component="Connector", variable="ConnectorType", value="cCCS2", evse_id=1, connector_id=2),
        ReportRow(component="ReservationCtrlr", variable="Enabled"),
    )
    assert Report(request_id=5, rows=expected, is_last=False) == csms.told[0][1]


@pytest.mark.parametrize("tbc", [{}, {"tbc": False}])
async def test_the_last_part_of_a_report_says_so(csms, tbc):
    """By saying that nothing follows, or by saying nothing; it may be empty."""
    await csms.answer("NotifyReport", {"requestId": 5, "generatedAt": "2026-03-01T12:00:00Z", "seqNo": 1} | tbc)
    assert Report(request_id=5, rows=(), is_last=True) == csms.told[0][1]


async def test_variables_are_read(provisioning, calls):
    """One GetVariables; a value that was left out is None."""
    calls.answers({"getVariableResult": [result(attributeValue="true"), result("Available")]})
    told = await provisioning.get("CS1", CAPABILITY_VARIABLES)
    assert len(calls.sent[0]["payload"]["getVariableData"]) == 4
    assert [(one.variable, one.value, one.status) for one in told] == [
        ("Enabled", "true", "Accepted"),
        ("Available", None, "Accepted"),
    ]


async def test_variables_are_set(provisioning, calls):
    """One SetVariables; each result has the value that was asked for."""
    calls.answers({"setVariableResult": [result("ENABLED") | {"attributeStatus": "RebootRequired"}]})
    told = await provisioning.set("CS1", [ENABLED])
    assert calls.sent[0]["payload"]["setVariableData"][0]["attributeValue"] == "false"
    assert [Variable(component="ReservationCtrlr", variable="ENABLED", value="false", status="RebootRequired")] == told


async def test_nothing_wanted_is_not_asked_for(provisioning, calls):
    """The schema has no empty list."""
    assert await provisioning.get("CS1", []) == []
    assert await provisioning.set("CS1", []) == []
    assert calls.sent == []


@pytest.mark.parametrize(
    "end", [CallFailed(code="NotSupported"), NoAnswer(reason="timeout"), NeverSent(reason="station-offline")]
)
async def test_a_failed_call_is_told_as_it_failed(provisioning, calls, end):
    """It is a value, not an error."""
    calls.answer = end
    assert end == await provisioning.get("CS1", CAPABILITY_VARIABLES)
    assert end == await provisioning.set("CS1", [ENABLED])


async def test_an_answer_that_breaks_the_schema_is_none(provisioning, calls):
    """Nobody knows what it says."""
    calls.answers({"getVariableResult": []})
    assert NoAnswer(reason="unreadable-answer") == await provisioning.get("CS1", CAPABILITY_VARIABLES)


@pytest.mark.parametrize(("status", "will_come"), [("Accepted", True), ("Rejected", False), ("EmptyResultSet", False)])
async def test_a_base_report_is_asked_for(provisioning, calls, csms, status, will_come):
    """The full inventory, under the given request id."""
    calls.answers({"status": status})
    assert will_come is await provisioning.get_base_report(csms.context, 9)
    assert calls.sent[0]["payload"] == {"requestId": 9, "reportBase": "FullInventory"}


async def test_a_station_that_is_silent_reports_nothing(provisioning, csms):
    """No answer is no yes."""
    assert not await provisioning.get_base_report(csms.context, 9)


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize(
    ("answer", "will_come", "may_come"),
    [
        (CallResult(payload=b'{"status":"Accepted"}'), True, True),
        (CallResult(payload=b'{"status":"Rejected"}'), False, False),
        (CallResult(payload=b'{"status":"NotImplemented"}'), False, False),
        (CallFailed(code="NotSupported"), False, False),
        (NeverSent(reason="station-offline"), False, False),
        (NoAnswer(reason="timeout"), False, True),
    ],
)
async def test_a_triggered_message_may_come(provisioning, calls, csms, answer, will_come, may_come):
    """From before the answer on, until the station says no: then it may send it without being accepted."""
    calls.answer = answer
    assert will_come is await provisioning.trigger_message(csms.context, "BootNotification")
    assert may_come is ("BootNotification" in csms.context.triggered)
    assert calls.sent[0]["payload"] == {"requestedMessage": "BootNotification"}


async def test_a_triggered_status_names_its_connector(provisioning, calls, csms):
    """The EVSE alone, or with the connector."""
    calls.answers({"status": "Accepted"})
    await provisioning.trigger_message(csms.context, "StatusNotification", evse_id=2, connector_id=1)
    await provisioning.trigger_message(csms.context, "StatusNotification", evse_id=2)
    assert [sent["payload"]["evse"] for sent in calls.sent] == [{"id": 2, "connectorId": 1}, {"id": 2}]


def test_raw_variables_are_learned():
    """Actual attributes without instances; a set variable's value is the request's."""
    read = {
        "getVariableResult": [
            result(attributeValue="1"),
            result(attributeValue="2", attributeType="MaxSet"),
            result(attributeValue="3", component={"evse": {"id": 1}}),
        ]
    }
    told = Payloads().variables("GetVariables", b"{}", json.dumps(read).encode())
    assert [Variable(component="ReservationCtrlr", variable="Enabled", value="1")] == told
    wanted = {"setVariableData": [{k: v for k, v in result(attributeValue="0").items() if k != "attributeStatus"}]}
    done = {"setVariableResult": [result()]}
    told = Payloads().variables("SetVariables", json.dumps(wanted).encode(), json.dumps(done).encode())
    assert [Variable(component="ReservationCtrlr", variable="Enabled", value="0")] == told


@pytest.mark.parametrize("action", ["GetVariables", "SetVariables", "Reset"])
def test_raw_answers_that_say_nothing_teach_nothing(action):
    """Unreadable ones, and those of other actions."""
    assert Payloads().variables(action, b"{}", b'{"status":"Accepted"}') == []


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize(
    ("requested", "action"), [("StatusNotification", "StatusNotification"), ("SignV2GCertificate", "SignCertificate")]
)
def test_what_an_operator_triggers_may_come(requested, action):
    """The action that will come is expected, whatever the station's registration."""
    connected = Connected(station_id=StationId("CS1"), epoch=1)
    expect(connected, "TriggerMessage", json.dumps({"requestedMessage": requested}).encode())
    assert {action} == connected.triggered
