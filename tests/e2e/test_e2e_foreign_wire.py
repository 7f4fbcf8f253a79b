"""The wire with a station that this project did not write: admission, registration, other actions, rough manners."""

import asyncio
import json

import pytest
import pytest_asyncio
from e2e_stage import DRIVER, FREE, register, reserved
from foreign_station import basic, booted, connected, provisioned, stamp
from ocpp.exceptions import SecurityError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ocpp.v201 import call

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(strict_csms):
    """A server that knows the driver and nobody else."""
    await register(strict_csms, DRIVER)
    return strict_csms


async def refused(csms, station_id, headers):
    """The answer that the upgrade was refused with."""
    with pytest.raises(InvalidStatus) as error:
        await connect(
            f"{csms.stations}/{station_id}", subprotocols=["ocpp2.0.1"], additional_headers=headers, proxy=None
        )
    return error.value.response


async def test_who_is_not_let_in(csms):
    """404 for a station that nobody provisioned; 401 with WWW-Authenticate for a wrong or missing password."""
    password = await provisioned(csms, "W-AUTH")
    assert (await refused(csms, "W-NOBODY", basic("W-NOBODY", password))).status_code == 404
    for headers in (basic("W-AUTH", password + "x"), basic("W-OTHER", password), {}):
        response = await refused(csms, "W-AUTH", headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")
    async with connected(csms, "W-AUTH", password) as station:
        assert await station.boot() == "Accepted"


async def test_the_station_id_compares_without_case(csms):
    """The address in other letters is the same station."""
    password = await provisioned(csms, "W-Case")
    async with connect(
        f"{csms.stations}/w-case",
        subprotocols=["ocpp2.0.1"],
        additional_headers=basic("w-case", password),
        proxy=None,
    ) as socket:
        assert socket.subprotocol == "ocpp2.0.1"


@pytest.mark.parametrize("offered", [None, ["ocpp1.6"]])
async def test_a_socket_without_our_subprotocol_is_closed(csms, offered):
    """The handshake completes without one, then the socket is closed."""
    name = "W-PROTOCOL" + ("0" if offered is None else "1")
    headers = basic(name, await provisioned(csms, name))
    async with connect(
        f"{csms.stations}/{name}", subprotocols=offered, additional_headers=headers, proxy=None
    ) as socket:
        assert socket.subprotocol is None
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)


@pytest.mark.req("B02")
async def test_a_pending_station_may_only_boot(csms):
    """Its other CALLs are answered SecurityError; nothing that it says is kept."""
    password = await provisioned(csms, "W-PENDING", registration="Pending")
    async with connected(csms, "W-PENDING", password) as station:
        assert await station.boot() == "Pending"
        with pytest.raises(SecurityError):
            await station.status(1, FREE)
        assert await csms.connectors("W-PENDING") == {}
        await csms.request("PUT", "/stations/W-PENDING", json={"registration": "Accepted"})
        assert await station.boot() == "Accepted"
        await csms.until_connectors("W-PENDING", {(1, 1): FREE, (2, 1): FREE})


@pytest.mark.req("B02")
async def test_what_was_triggered_is_heard_while_pending(csms):
    """TriggerMessage(StatusNotification) opens the door for that message alone."""
    password = await provisioned(csms, "W-TRIGGER", registration="Pending")
    async with connected(csms, "W-TRIGGER", password) as station:
        assert await station.boot() == "Pending"
        order = {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}
        answer = await csms.request("POST", "/stations/W-TRIGGER/calls/TriggerMessage", json=order)
        assert answer.json() == {"result": {"status": "Accepted"}}
        await station.status(1, FREE)
        assert await csms.connectors("W-TRIGGER") == {(1, 1): FREE}


@pytest.mark.req("B03")
async def test_a_rejected_station_is_not_listened_to(csms):
    """SecurityError for everything but BootNotification."""
    password = await provisioned(csms, "W-REJECTED", registration="Rejected")
    async with connected(csms, "W-REJECTED", password) as station:
        assert await station.boot() == "Rejected"
        with pytest.raises(SecurityError):
            await station.say(call.Heartbeat())


@pytest.mark.req("B01")
async def test_a_station_that_never_booted_is_asked_to(csms):
    """TriggerMessage(BootNotification) after its first other CALL."""
    password = await provisioned(csms, "W-SILENT")
    async with connected(csms, "W-SILENT", password) as station:
        await station.say(call.Heartbeat())
        assert await station.until_asked("TriggerMessage") == {"requested_message": "BootNotification"}
        assert await station.boot() == "Accepted"
        await csms.until_online("W-SILENT")


@pytest.mark.req("B01")
async def test_a_reconnect_needs_no_boot(csms):
    """The registration holds: after the first CALL the station is asked again."""
    password = await provisioned(csms, "W-BACK")
    async with connected(csms, "W-BACK", password) as station:
        assert await station.boot() == "Accepted"
    async with connected(csms, "W-BACK", password) as station:
        await station.say(call.Heartbeat())
        await csms.until_online("W-BACK")
        await reserved(csms, "W-BACK", evseId=1)


async def test_a_station_that_crashes_on_the_cancel(csms):
    """The socket closes with the CALL unanswered: the wish stays and the reservation is Active until it is known."""
    password = await provisioned(csms, "W-CRASH")
    async with connected(csms, "W-CRASH", password) as station:
        assert await station.boot() == "Accepted"
        body = await reserved(csms, "W-CRASH", evseId=1)
        station.closes_on.add("CancelReservation")
        answer = await csms.request("DELETE", f"/reservations/{body['id']}")
        assert (answer.status_code, answer.json()["status"]) == (202, "Active")
        assert answer.json()["cancelRequestedAt"] is not None
    await csms.until_online("W-CRASH", online=False)
    assert (await csms.reservation(body["id"]))["status"] == "Active"


SAMPLE = {"value": 1.0, "measurand": "Energy.Active.Import.Register"}
OTHERS = [
    call.Heartbeat(),
    call.MeterValues(evse_id=1, meter_value=[{"timestamp": stamp(), "sampled_value": [SAMPLE]}]),
    call.SecurityEventNotification(type="SettingSystemTime", timestamp=stamp()),
    call.FirmwareStatusNotification(status="Installed", request_id=1),
    call.LogStatusNotification(status="Idle"),
    call.NotifyMonitoringReport(request_id=1, seq_no=0, generated_at=stamp()),
    call.NotifyCustomerInformation(data="none", seq_no=0, generated_at=stamp(), request_id=1),
    call.NotifyDisplayMessages(request_id=1),
    call.NotifyChargingLimit(charging_limit={"charging_limit_source": "EMS"}),
    call.ClearedChargingLimit(charging_limit_source="EMS"),
    call.DataTransfer(vendor_id="com.example"),
    call.SignCertificate(csr="none"),
    call.PublishFirmwareStatusNotification(status="Idle"),
]


@pytest.mark.parametrize("payload", OTHERS, ids=lambda one: type(one).__name__)
async def test_other_actions_get_an_answer(csms, payload):
    """The minimal honest one, valid by the official schema."""
    async with booted(csms, f"W-{type(payload).__name__}"[:48]) as station:
        assert await station.say(payload) is not None


async def test_nonsense_is_answered_and_the_connection_lives_on(csms):
    """Unreadable text, wrong shapes and unknown actions get their CALLERROR; the next CALL is served."""
    password = await provisioned(csms, "W-NONSENSE")
    async with connect(
        f"{csms.stations}/W-NONSENSE",
        subprotocols=["ocpp2.0.1"],
        additional_headers=basic("W-NONSENSE", password),
        proxy=None,
    ) as socket:

        async def say(text):
            await socket.send(text)
            while True:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 10))
                if frame[0] != 2:
                    return frame

        boot = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}
        assert (await say(json.dumps([2, "boot", "BootNotification", boot])))[2]["status"] == "Accepted"
        assert (await say("{nonsense"))[:3] == [4, "-1", "RpcFrameworkError"]
        assert (await say('[2,"a","MakeCoffee",{}]'))[:3] == [4, "a", "NotImplemented"]
        assert (await say('[2,"b","Authorize",{}]'))[:3] == [4, "b", "OccurrenceConstraintViolation"]
        assert (await say('[9,"c","Heartbeat",{}]'))[:3] == [4, "c", "MessageTypeNotSupported"]
        await socket.send('[3,"nobody-asked",{}]')
        assert (await say('[2,"d","Heartbeat",{}]'))[:2] == [3, "d"]
