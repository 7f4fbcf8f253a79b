"""H04 and H01.FR.16/17 through all layers: Expired and Removed, by the station's word or by our own sweep."""

import pytest
from e2e_stage import FREE, RESERVED, answered, heard, id_token, journey, online, problem, reserved, said, told

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def call(csms, station_id, action, payload, **query):
    """A raw call of the operator."""
    return await csms.request("POST", f"/stations/{station_id}/calls/{action}", json=payload, params=query)


def availability(status, **evse):
    """A ChangeAvailability."""
    return {"operationalStatus": status, "evse": evse}


@pytest.mark.req("H04.FR.01", "H04.FR.02", "H04.FR.03")
@pytest.mark.parametrize("update_first", [False, True], ids=["status-first", "update-first"])
async def test_a_reservation_expires_by_the_stations_word(csms, update_first):
    """Expired and confirmed in either order of the reports; answered with {}; the EVSE can be reserved anew."""
    name = f"EXPIRES-{update_first}"
    async with online(csms, name, faulty={"update_before_status": update_first}) as station:
        body = await reserved(csms, name, evseId=1, seconds=1.5)
        await csms.until_connectors(name, {(1, 1): RESERVED})
        known = await csms.until(body["id"], "Expired", confirmed=True)
        assert known["cause"] is None
        await csms.until_connectors(name, {(1, 1): FREE})
        update = {"reservationId": body["id"], "reservationUpdateStatus": "Expired"}
        assert said(station, "ReservationStatusUpdate") == [update]
        await station.settled()
        assert answered(station, "ReservationStatusUpdate") == [{}]
        await reserved(csms, name, evseId=1)


@pytest.mark.req("H04.FR.01", "H04.FR.03")
@pytest.mark.parametrize("reports", ["event", "both"])
async def test_an_expiry_reported_by_notify_event(csms, reports):
    """The connector is Available again by NotifyEvent."""
    name = f"EXPIRES-{reports}"
    async with online(csms, name, reports=reports):
        body = await reserved(csms, name, evseId=1, seconds=1.2)
        await csms.until(body["id"], "Expired", confirmed=True)
        await csms.until_connectors(name, {(1, 1): FREE})


@pytest.mark.row(44)
@pytest.mark.req("H04.FR.02")
async def test_our_own_sweep_when_no_report_comes(csms):
    """Expired without the station's word, told as expired, and the EVSE can be reserved anew."""
    async with online(csms, "SWEPT", faulty={"no_update": True}) as station:
        body = await reserved(csms, "SWEPT", evseId=1, seconds=1.0)
        known = await csms.until(body["id"], "Expired")
        assert known["confirmed"] is False
        assert (await csms.history(body["id"]))[-1]["by"] == "csms"
        await station.wait_for(lambda: station.state.reservations == {})
        await csms.until_connectors("SWEPT", {(1, 1): FREE})
        events = await told(csms, "reservation.expired", stationId="SWEPT", name="reservation.*")
        assert events[-1].data["reservation"]["id"] == body["id"]
        await reserved(csms, "SWEPT", evseId=1)


@pytest.mark.row(44)
async def test_a_station_that_is_away_at_the_expiry(csms):
    """Our sweep does not wait for it; when it is back its connectors tell that it is over."""
    async with online(csms, "AWAY") as station:
        body = await reserved(csms, "AWAY", evseId=1, seconds=1.5)
        await csms.until_connectors("AWAY", {(1, 1): RESERVED})
        await station.go_offline()
        await csms.until(body["id"], "Expired", confirmed=False)
        await station.wait_for(lambda: station.state.reservations == {})
        assert await csms.connectors("AWAY") == {(1, 1): RESERVED, (2, 1): FREE}
        await station.go_online()
        await csms.until_connectors("AWAY", {(1, 1): FREE})
        assert said(station, "ReservationStatusUpdate") == []


@pytest.mark.row(27)
async def test_a_report_of_the_expiry_that_was_queued(csms):
    """Expired by our sweep becomes Expired by the station's word."""
    async with online(csms, "QUEUED", queue_all=True) as station:
        body = await reserved(csms, "QUEUED", evseId=1, seconds=1.5)
        await station.go_offline()
        await csms.until(body["id"], "Expired", confirmed=False)
        await station.wait_for(lambda: station.state.reservations == {})
        await station.go_online()
        await csms.until(body["id"], "Expired", confirmed=True)


@pytest.mark.req("H01.FR.16")
async def test_a_fault_removes_the_reservation(csms):
    """Removed and confirmed; the connector is Faulted and, repaired, Available; the claim is given up."""
    async with online(csms, "FAULT") as station:
        body = await reserved(csms, "FAULT", evseId=1)
        await station.fault(1)
        known = await csms.until(body["id"], "Removed")
        assert known["confirmed"] is True
        await csms.until_connectors("FAULT", {(1, 1): "Faulted", (2, 1): FREE})
        assert answered(station, "ReservationStatusUpdate") == [{}]
        events = await told(csms, "reservation.removed", stationId="FAULT", name="reservation.*")
        assert events[-1].data["reservation"]["status"] == "Removed"
        await station.clear_fault(1)
        await csms.until_connectors("FAULT", {(1, 1): FREE})
        await reserved(csms, "FAULT", evseId=1)


@pytest.mark.req("H01.FR.16")
async def test_a_fault_takes_the_last_evse_from_a_reservation_without_one(csms):
    """Removed although it named no EVSE; while another was left it stayed Active."""
    async with online(csms, "FAULT-ANY") as station:
        body = await reserved(csms, "FAULT-ANY")
        await station.fault(1)
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        await station.fault(2)
        await csms.until(body["id"], "Removed", confirmed=True)


@pytest.mark.req("H01.FR.17")
async def test_an_evse_made_inoperative_by_the_operator(csms):
    """409 lists the reservations that would end; forced, the station removes them."""
    async with online(csms, "INOPERATIVE") as station:
        body = await reserved(csms, "INOPERATIVE", evseId=1)
        order = availability("Inoperative", id=1)
        affected = problem(
            await call(csms, "INOPERATIVE", "ChangeAvailability", order), status=409, name="reservations-affected"
        )
        assert affected["reservationIds"] == [body["id"]]
        assert heard(station, "ChangeAvailability") == []
        other = await call(csms, "INOPERATIVE", "ChangeAvailability", availability("Inoperative", id=2))
        assert (other.status_code, other.json()) == (200, {"result": {"status": "Accepted"}})
        forced = await call(csms, "INOPERATIVE", "ChangeAvailability", order, force="true")
        assert (forced.status_code, forced.json()) == (200, {"result": {"status": "Accepted"}})
        await csms.until(body["id"], "Removed", confirmed=True)
        await csms.until_connectors("INOPERATIVE", {(1, 1): "Unavailable", (2, 1): "Unavailable"})


@pytest.mark.req("H01.FR.17")
async def test_an_evse_made_unavailable_at_the_station(csms):
    """The station's own report is enough."""
    async with online(csms, "UNAVAILABLE") as station:
        body = await reserved(csms, "UNAVAILABLE", evseId=1)
        await station.set_operative(1, False)
        await csms.until(body["id"], "Removed", confirmed=True)


@pytest.mark.req("G03.FR.09")
@pytest.mark.row(57)
async def test_a_connector_made_operative_again_is_reserved_again(csms):
    """Reserved, Unavailable, Reserved: as reported, and the reservation stays Active through it."""
    async with online(csms, "G03", connectors=(("cCCS2", "cType2"),)):
        body = await reserved(csms, "G03", evseId=1)
        await csms.until_connectors("G03", {(1, 1): RESERVED, (1, 2): RESERVED})
        for status, seen in (("Inoperative", "Unavailable"), ("Operative", RESERVED)):
            order = availability(status, id=1, connectorId=2)
            answer = await call(csms, "G03", "ChangeAvailability", order, force="true")
            assert answer.json() == {"result": {"status": "Accepted"}}
            await csms.until_connectors("G03", {(1, 1): RESERVED, (1, 2): seen})
        assert (await csms.reservation(body["id"]))["status"] == "Active"


@pytest.mark.row(26, 42)
async def test_ends_that_mean_nothing(csms):
    """A report after the end, and one of another station's id, are answered and change nothing."""
    async with online(csms, "FIRST") as first, online(csms, "SECOND") as second:
        body = await reserved(csms, "FIRST", evseId=1)
        theirs = await reserved(csms, "SECOND", evseId=1, idToken=id_token("DDCCBBAA"))
        await csms.request("DELETE", f"/reservations/{body['id']}")
        # SECOND speaks of FIRST's id: its own record is changed under its feet.
        second.state.reservations[body["id"]] = second.state.reservations.pop(theirs["id"])
        object.__setattr__(second.state.reservations[body["id"]], "id", body["id"])
        await second.fault(1)
        assert said(second, "ReservationStatusUpdate")[0]["reservationId"] == body["id"]
        assert answered(second, "ReservationStatusUpdate") == [{}]
        assert (await csms.reservation(body["id"]))["status"] == "Canceled"
        assert (await csms.reservation(theirs["id"]))["status"] == "Active"
        assert await journey(csms, body["id"]) == [(None, "Pending"), ("Pending", "Active"), ("Active", "Canceled")]
        await first.settled()
