"""B01-B04, B11 around reservations: registration, reboots, resets, short and long absence."""

import pytest
from e2e_stage import FREE, OCCUPIED, RESERVED, heard, online, problem, reserved, said, station_of, told

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def provision(csms, station_id, **fields):
    """The station is provisioned so; its password where it is new."""
    answer = await csms.request("PUT", f"/stations/{station_id}", json=fields)
    assert answer.status_code in (200, 201), answer.text
    return answer.json().get("password")


@pytest.mark.req("B01")
async def test_a_boot_is_accepted_and_the_station_known(csms):
    """Vendor, model, EVSEs, connector types and capabilities are shown; online is told."""
    async with online(csms, "BOOT", connectors=(("cCCS2", "cType2"), ("cCCS2",))) as station:
        await csms.until_connectors("BOOT", {(1, 1): FREE, (1, 2): FREE, (2, 1): FREE})
        await station.wait_for("NotifyReport")
        await station.settled()
        shown = await csms.station("BOOT")
        assert (shown["online"], shown["vendorName"], shown["model"]) == (True, "evhold", "Simulator")
        assert shown["firmwareVersion"] == "1.0"
        assert shown["ocppVersion"] is not None
        types = [[one["type"] for one in evse["connectors"]] for evse in shown["evses"]]
        assert types == [["cCCS2", "cType2"], ["cCCS2"]]
        events = await told(csms, "station.online", stationId="BOOT")
        assert events[-1].data["online"] is True
    await csms.until_online("BOOT", online=False)


@pytest.mark.req("B02")
async def test_a_pending_station(csms):
    """It is not asked to reserve; accepted and triggered to boot again it is."""
    password = await provision(csms, "PENDING", registration="Pending")
    async with station_of(csms, "PENDING", password=password) as station:
        await station.wait_for("BootNotification")
        assert station.is_connected
        assert not station.is_online
        problem(await csms.reserve("PENDING", evseId=1), status=503, name="station-offline")
        await provision(csms, "PENDING", registration="Accepted")
        problem(await csms.reserve("PENDING", evseId=1), status=503, name="station-offline")
        order = {"requestedMessage": "BootNotification"}
        answer = await csms.request("POST", "/stations/PENDING/calls/TriggerMessage", json=order)
        assert answer.json() == {"result": {"status": "Accepted"}}
        await station.online()
        await csms.until_online("PENDING")
        await reserved(csms, "PENDING", evseId=1)


@pytest.mark.req("B03", "B03.FR.03")
async def test_a_rejected_station(csms):
    """Nothing at all is sent to it, not even what an operator asks for."""
    password = await provision(csms, "REJECTED", registration="Rejected")
    async with station_of(csms, "REJECTED", password=password) as station:
        await station.wait_for("BootNotification")
        problem(await csms.reserve("REJECTED", evseId=1), status=503, name="station-offline")
        order = {"requestedMessage": "BootNotification"}
        answer = await csms.request("POST", "/stations/REJECTED/calls/TriggerMessage", json=order)
        problem(answer, status=503, name="station-offline")
        assert (await csms.station("REJECTED"))["online"] is False
        assert [frame for frame in station.frames if not frame.sent and frame.text.startswith(b"[2,")] == []


@pytest.mark.req("B01.FR.13")
async def test_a_reservation_survives_a_reboot(csms):
    """Active before and after, Reserved again, and the station is not asked a second time."""
    async with online(csms, "REBOOT") as station:
        body = await reserved(csms, "REBOOT", evseId=1)
        await station.reboot()
        await csms.until_connectors("REBOOT", {(1, 1): RESERVED, (2, 1): FREE})
        assert (await csms.reservation(body["id"])) == body
        assert len(heard(station, "ReserveNow")) == 1


@pytest.mark.req("B11.FR.05")
async def test_a_reservation_survives_a_reset(csms):
    """Reset by the operator: BootNotification RemoteReset, Reserved again, still Active."""
    async with online(csms, "RESET") as station:
        body = await reserved(csms, "RESET", evseId=1)
        answer = await csms.request("POST", "/stations/RESET/calls/Reset", json={"type": "Immediate"})
        assert answer.json() == {"result": {"status": "Accepted"}}
        await station.wait_for(lambda: len(said(station, "BootNotification")) == 2)
        await station.online()
        assert said(station, "BootNotification")[1]["reason"] == "RemoteReset"
        await csms.until_connectors("RESET", {(1, 1): RESERVED})
        assert (await csms.reservation(body["id"]))["status"] == "Active"


@pytest.mark.row(56)
async def test_a_forgotten_reservation_is_restored(csms):
    """All connectors Available since the boot: ReserveNow with the same id and terms, and Reserved again."""
    async with online(csms, "FORGETS", forget_on_reboot=True) as station:
        body = await reserved(csms, "FORGETS", evseId=1)
        await station.reboot()
        await csms.until_connectors("FORGETS", {(1, 1): FREE})
        await station.wait_for(lambda: len(heard(station, "ReserveNow")) == 2)
        first, second = heard(station, "ReserveNow")
        assert first == second
        await csms.until_connectors("FORGETS", {(1, 1): RESERVED})
        known = await csms.until(body["id"], "Active")
        assert known["expiryDateTime"] == body["expiryDateTime"]


@pytest.mark.row(56)
async def test_a_station_that_is_set_not_to_restore(csms):
    """restoreAfterBoot false: nothing is sent, the expiry ends it."""
    password = await provision(csms, "FORGETS-ON", restoreAfterBoot=False)
    async with online(csms, "FORGETS-ON", password=password, forget_on_reboot=True) as station:
        body = await reserved(csms, "FORGETS-ON", evseId=1, seconds=2.0)
        await station.reboot()
        await csms.until(body["id"], "Expired", confirmed=False)
        assert len(heard(station, "ReserveNow")) == 1


@pytest.mark.req("B04.FR.02")
async def test_a_short_absence_reports_the_changed_connectors_only(csms):
    """What is not reported again is as it was."""
    async with online(csms, "SHORT") as station:
        body = await reserved(csms, "SHORT", evseId=1)
        await csms.until_connectors("SHORT", {(1, 1): RESERVED})
        before = len(said(station, "StatusNotification"))
        await station.go_offline()
        await station.plug_in(2)
        await station.go_online()
        await csms.until_connectors("SHORT", {(1, 1): RESERVED, (2, 1): OCCUPIED})
        assert [one["evseId"] for one in said(station, "StatusNotification")[before:]] == [2]
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        assert len(said(station, "BootNotification")) == 1


@pytest.mark.req("B04.FR.01")
async def test_a_long_absence_reports_every_connector(csms):
    """The repeats are answered and change nothing."""
    async with online(csms, "LONG", offline_threshold_s=0.0) as station:
        body = await reserved(csms, "LONG", evseId=1)
        await csms.until_connectors("LONG", {(1, 1): RESERVED})
        before = len(said(station, "StatusNotification"))
        await station.go_offline()
        await station.go_online()
        assert len(said(station, "StatusNotification")) == before + 2
        assert await csms.connectors("LONG") == {(1, 1): RESERVED, (2, 1): FREE}
        assert (await csms.reservation(body["id"]))["status"] == "Active"


async def test_a_station_that_is_removed(csms):
    """Its socket is closed and it is known no more; what was reserved there can still be read."""
    password = await provision(csms, "REMOVED")
    async with online(csms, "REMOVED", password=password, backoff_s=60.0) as station:
        body = await reserved(csms, "REMOVED", evseId=1)
        assert (await csms.request("DELETE", "/stations/REMOVED")).status_code == 204
        problem(await csms.request("GET", "/stations/REMOVED"), status=404, name="station-unknown")
        problem(await csms.reserve("REMOVED", evseId=2), status=404, name="station-unknown")
        assert (await csms.reservation(body["id"]))["stationId"] == "REMOVED"
        await station.wait_for(lambda: not station.is_connected)


async def test_a_second_connection_replaces_the_first(csms):
    """The newer socket is the station's; the older one is closed and the station stays online."""
    async with online(csms, "TWIN", backoff_s=60.0) as first, online(csms, "TWIN") as second:
        await first.wait_for(lambda: not first.is_connected)
        await reserved(csms, "TWIN", evseId=1)
        assert len(heard(second, "ReserveNow")) == 1
        assert heard(first, "ReserveNow") == []
