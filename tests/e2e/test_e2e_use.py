"""H03 S1 and S3 through all layers: the reserved token, in variants A (token first) and B (cable first)."""

import pytest
from e2e_stage import (
    DRIVER,
    FREE,
    GROUP,
    OCCUPIED,
    RESERVED,
    answered,
    id_token,
    journey,
    online,
    problem,
    register,
    reserved,
    said,
    told,
)

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

USED = [(None, "Pending"), ("Pending", "Active"), ("Active", "Used")]


def naming(station, body):
    """The TransactionEvents that name the reservation."""
    return [one for one in said(station, "TransactionEvent") if one.get("reservationId") == body["id"]]


@pytest.mark.req("H03.FR.01", "H03.FR.09", "H03.FR.10", "H01.FR.15", "E01.FR.13", "E03.FR.03")
@pytest.mark.parametrize("start", ["Authorized", "PowerPathClosed", "ParkingBayOccupancy"])
async def test_s1_a_the_reserved_token_first(csms, start):
    """Reserved, Available, Occupied; Used and proven by the transaction that names the reservation, once."""
    name = f"S1A-{start}"
    async with online(csms, name, tx_start_point=start) as station:
        body = await reserved(csms, name, evseId=1)
        await csms.until_connectors(name, {(1, 1): RESERVED})
        assert (await station.present(1, DRIVER)).outcome == "Accepted"
        await csms.until_connectors(name, {(1, 1): FREE})
        await station.plug_in(1)
        known = await csms.until(body["id"], "Used")
        await csms.until_connectors(name, {(1, 1): OCCUPIED})
        event = naming(station, body)[0]
        assert (known["proven"], known["confirmed"], known["tokenMismatch"]) == (True, True, False)
        assert (known["usedEvseId"], known["usedBy"]) == (1, id_token())
        assert known["transactionId"] == event["transactionInfo"]["transactionId"]
        await station.unplug(1)
        await csms.until_connectors(name, {(1, 1): FREE})
        assert len(naming(station, body)) == 1
        assert await journey(csms, body["id"]) == USED
        events = await told(csms, "reservation.used", stationId=name, name="reservation.*")
        assert [event.name for event in events] == ["reservation.accepted", "reservation.used"]


@pytest.mark.req("E03.FR.02", "E01.FR.11")
async def test_events_with_a_token_are_answered_with_its_info(csms):
    """idTokenInfo for the event that carries the idToken, none for the others."""
    async with online(csms, "INFO") as station:
        await reserved(csms, "INFO", evseId=1)
        await station.present(1, DRIVER)
        await station.plug_in(1)
        await station.unplug(1)
        answers = answered(station, "TransactionEvent")
        with_token = ["idToken" in event for event in said(station, "TransactionEvent")]
        assert ["idTokenInfo" in answer for answer in answers] == with_token
        assert answers[with_token.index(True)]["idTokenInfo"]["status"] == "Accepted"


@pytest.mark.req("H03.FR.01", "H03.FR.10", "E01.FR.13", "E02.FR.02", "E02.FR.03", "G01.FR.06", "G01.FR.09")
async def test_s1_b_the_cable_first(csms):
    """EVConnected: a transaction begins and the connector stays Reserved; the token's Updated event makes it Used."""
    async with online(csms, "S1B", tx_start_point="EVConnected") as station:
        body = await reserved(csms, "S1B", evseId=1)
        await csms.until_connectors("S1B", {(1, 1): RESERVED})
        await station.plug_in(1)
        assert [event["eventType"] for event in said(station, "TransactionEvent")] == ["Started"]
        assert (await csms.connectors("S1B"))[1, 1] == RESERVED
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        assert (await station.present(1, DRIVER)).outcome == "Accepted"
        known = await csms.until(body["id"], "Used", proven=True)
        assert known["usedEvseId"] == 1
        await csms.until_connectors("S1B", {(1, 1): OCCUPIED})
        assert [event["eventType"] for event in naming(station, body)] == ["Updated"]
        updated = [event["eventType"] for event in said(station, "TransactionEvent")].index("Updated")
        assert answered(station, "TransactionEvent")[updated]["idTokenInfo"]["status"] == "Accepted"


async def test_s1_b_the_cable_first_where_power_starts_the_transaction(csms):
    """PowerPathClosed: nothing is told at plug-in; Started comes with the token and the reservation."""
    async with online(csms, "S1B-POWER") as station:
        body = await reserved(csms, "S1B-POWER", evseId=1)
        await station.plug_in(1)
        assert said(station, "TransactionEvent") == []
        await station.present(1, DRIVER)
        await csms.until(body["id"], "Used", proven=True)
        assert [event["eventType"] for event in naming(station, body)] == ["Started"]


@pytest.mark.req("H03.FR.03")
@pytest.mark.parametrize("cable_first", [False, True], ids=["A", "B"])
async def test_s3_any_evse_while_others_are_available(csms, cable_first):
    """The connectors were Available all the time; the EVSE that was used is kept."""
    name = f"S3-{cable_first}"
    async with online(csms, name, evses=3, tx_start_point="EVConnected") as station:
        body = await reserved(csms, name)
        if cable_first:
            await station.plug_in(2)
        await station.present(2, DRIVER)
        if not cable_first:
            await station.plug_in(2)
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["evseId"], known["usedEvseId"]) == (None, 2)
        await csms.until_connectors(name, {(1, 1): FREE, (2, 1): OCCUPIED, (3, 1): FREE})
        assert RESERVED not in {one["connectorStatus"] for one in said(station, "StatusNotification")}


@pytest.mark.req("H03.FR.02")
async def test_a_connector_type_is_used_where_it_is(csms):
    """The reservation of a type is Used at the EVSE that has it."""
    async with online(csms, "TYPE", connector_types=("cType2", "cCCS2")) as station:
        body = await reserved(csms, "TYPE", connectorType="cCCS2")
        await csms.until_connectors("TYPE", {(2, 1): RESERVED})
        await station.present(2, DRIVER)
        await station.plug_in(2)
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["connectorType"], known["usedEvseId"]) == ("cCCS2", 2)


async def test_a_foreign_token_is_refused_and_nothing_changes(csms):
    """The connector stays Reserved, the reservation Active, and the right driver still can."""
    async with online(csms, "FOREIGN") as station:
        body = await reserved(csms, "FOREIGN", evseId=1)
        await csms.until_connectors("FOREIGN", {(1, 1): RESERVED})
        assert (await station.present(1, "FEEDBEEF")).outcome == "Refused"
        assert (await csms.connectors("FOREIGN"))[1, 1] == RESERVED
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        assert (await station.present(1, DRIVER)).outcome == "Accepted"


@pytest.mark.req("G01.FR.06")
async def test_a_foreign_car_that_only_stands_there(csms):
    """EVConnected: its transaction begins and ends, it never charges, and the reservation stays Active for its driver."""
    async with online(csms, "FOREIGN-CAR", tx_start_point="EVConnected") as station:
        body = await reserved(csms, "FOREIGN-CAR", evseId=1)
        await station.plug_in(1)
        assert (await station.present(1, "FEEDBEEF")).outcome == "Refused"
        await station.unplug(1)
        assert [event["eventType"] for event in said(station, "TransactionEvent")] == ["Started", "Ended"]
        assert await csms.reservation(body["id"]) == body
        await csms.until_connectors("FOREIGN-CAR", {(1, 1): RESERVED})
        await station.plug_in(1)
        await station.present(1, DRIVER)
        await csms.until(body["id"], "Used", proven=True)


@pytest.mark.req("H03.FR.08", "H03.FR.01")
async def test_authorize_answers_what_is_stored_of_a_token(csms):
    """Blocked keeps even the reserved driver out; the reservation stays Active and the connector Reserved."""
    async with online(csms, "BLOCKED") as station:
        body = await reserved(csms, "BLOCKED", evseId=1, idToken=id_token("B10CCED1"))
        await register(csms, "B10CCED1", status="Blocked")
        assert (await station.present(1, "b10cced1")).outcome == "Refused"
        assert answered(station, "Authorize") == [{"idTokenInfo": {"status": "Blocked"}}]
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        await csms.until_connectors("BLOCKED", {(1, 1): RESERVED})


@pytest.mark.row(29, 30, 33)
@pytest.mark.req("E01.FR.13", "G01.FR.06")
async def test_a_foreign_car_then_the_right_driver(csms):
    """Named without a token: Used but unproven; it drives away: Active again; the driver comes: Used and proven."""
    faulty = {"reservation_id_on_plug_in": True}
    async with online(csms, "GLUED", tx_start_point="EVConnected", faulty=faulty) as station:
        body = await reserved(csms, "GLUED", evseId=1)
        await station.plug_in(1)
        known = await csms.until(body["id"], "Used")
        first = known["transactionId"]
        assert (known["proven"], known["usedBy"], known["tokenMismatch"]) == (False, None, False)
        await station.unplug(1)
        again = await csms.until(body["id"], "Active")
        assert (again["transactionId"], again["usedEvseId"], again["confirmed"]) == (None, None, False)
        await station.plug_in(1)
        await station.present(1, DRIVER)
        proven = await csms.until(body["id"], "Used", proven=True)
        assert proven["usedBy"] == id_token()
        assert proven["transactionId"] not in (None, first)
        events = await told(csms, "reservation.reactivated", stationId="GLUED", name="reservation.*")
        assert [event.name for event in events][-2:] == ["reservation.used", "reservation.reactivated"]


@pytest.mark.row(13)
async def test_an_unproven_use_can_be_canceled(csms):
    """DELETE of a Used one without proof is asked: Accepted, it was a foreign car, and Canceled it is."""
    faulty = {"reservation_id_on_plug_in": True}
    async with online(csms, "GLUED-CANCEL", tx_start_point="EVConnected", faulty=faulty) as station:
        body = await reserved(csms, "GLUED-CANCEL", evseId=1)
        await station.plug_in(1)
        await csms.until(body["id"], "Used", proven=False)
        answer = await csms.request("DELETE", f"/reservations/{body['id']}")
        assert (answer.status_code, answer.json()["status"]) == (200, "Canceled")


@pytest.mark.row(21, 26)
async def test_a_proven_use_is_final(csms):
    """DELETE is refused, and what the station reports of the EVSE later changes nothing."""
    async with online(csms, "FINAL") as station:
        body = await reserved(csms, "FINAL", evseId=1)
        await station.present(1, DRIVER)
        await station.plug_in(1)
        await csms.until(body["id"], "Used", proven=True)
        ended = await csms.request("DELETE", f"/reservations/{body['id']}")
        problem(ended, status=409, name="reservation-ended")
        await station.fault(1)
        assert (await csms.reservation(body["id"]))["status"] == "Used"


@pytest.mark.req("F02.FR.06", "F02.FR.24", "F01.FR.22")
@pytest.mark.parametrize("cable_first", [False, True], ids=["F02", "F01"])
async def test_a_remote_start_gets_the_group_of_its_token(csms, cable_first):
    """RequestStartTransaction goes out with groupIdToken, so the reserved EVSE serves the member; another is Rejected."""
    name = f"REMOTE-{cable_first}"
    member = "4E4D4203"
    await register(csms, member, group=GROUP)
    async with online(csms, name) as station:
        body = await reserved(csms, name, evseId=1, groupIdToken=GROUP)
        if cable_first:
            await station.plug_in(1)
        path = f"/stations/{name}/calls/RequestStartTransaction"
        order = {"remoteStartId": 7, "evseId": 1, "idToken": id_token("FEEDBEEF")}
        foreign = await csms.request("POST", path, json=order)
        assert foreign.json() == {"result": {"status": "Rejected"}}
        started = await csms.request("POST", path, json=order | {"idToken": id_token(member)})
        assert started.json()["result"]["status"] == "Accepted"
        if not cable_first:
            await station.plug_in(1)
        known = await csms.until(body["id"], "Used", proven=True)
        assert known["usedBy"] == id_token(member)
        assert naming(station, body)[0]["transactionInfo"]["remoteStartId"] == 7
