"""The main flows with a station that this project did not write, provisioned with a password."""

import pytest
import pytest_asyncio
from e2e_stage import DRIVER, FREE, GROUP, OCCUPIED, RESERVED, id_token, journey, problem, register, reserved
from foreign_station import booted, raw_status

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

MEMBER = "4E4D4209"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(strict_csms):
    """A server that knows the driver, a member of the group, and nobody else."""
    await register(strict_csms, DRIVER)
    await register(strict_csms, MEMBER, group=GROUP)
    return strict_csms


@pytest.mark.req("H01.FR.03", "H01.FR.23", "H02.FR.02", "H02.FR.04")
async def test_reserve_a_specific_evse_and_cancel(csms):
    """H01 S2 and H02."""
    async with booted(csms, "F-S2") as station:
        body = await reserved(csms, "F-S2", evseId=1)
        asked = await station.until_asked("ReserveNow")
        assert (asked["id"], asked["evse_id"]) == (body["id"], 1)
        assert asked["id_token"] == {"id_token": DRIVER, "type": "ISO14443"}
        await station.status(1, RESERVED)
        await csms.until_connectors("F-S2", {(1, 1): RESERVED, (2, 1): FREE})
        answer = await csms.request("DELETE", f"/reservations/{body['id']}")
        assert (answer.status_code, answer.json()["status"], answer.json()["confirmed"]) == (200, "Canceled", True)
        assert await station.until_asked("CancelReservation") == {"reservation_id": body["id"]}
        await station.status(1, FREE)
        await csms.until_connectors("F-S2", {(1, 1): FREE})


@pytest.mark.req("H01.FR.04", "H01.FR.06", "H01.FR.18", "H01.FR.20")
@pytest.mark.parametrize("terms", [{}, {"connectorType": "cCCS2"}], ids=["any", "type"])
async def test_reserve_any_evse_or_a_type(csms, terms):
    """H01 S1 and S3; NonEvseSpecific is read as "True", all connectors reported Reserved are kept so."""
    name = f"F-ANY{len(terms)}"
    async with booted(csms, name) as station:
        await reserved(csms, name, **terms)
        asked = await station.until_asked("ReserveNow")
        assert "evse_id" not in asked
        assert asked.get("connector_type") == terms.get("connectorType")
        shown = (await csms.station(name))["reservations"]
        assert shown == {"available": True, "enabled": True, "nonEvseSpecific": True}
        for evse_id in (1, 2):
            await station.notify_state(evse_id, RESERVED)
            await station.notify_state(evse_id, RESERVED, component="EVSE")
        await csms.until_connectors(name, {(1, 1): RESERVED, (2, 1): RESERVED})


@pytest.mark.req("H01.FR.23")
async def test_the_status_may_come_before_the_answer(csms):
    """Reserved, then Accepted: both are kept."""
    async with booted(csms, "F-EARLY") as station:
        station.early = [raw_status("early", 1, RESERVED)]
        await reserved(csms, "F-EARLY", evseId=1)
        await csms.until_connectors("F-EARLY", {(1, 1): RESERVED})


@pytest.mark.req("H01.FR.01", "H01.FR.11", "H01.FR.12", "H01.FR.14")
@pytest.mark.parametrize("status", ["Rejected", "Occupied", "Faulted", "Unavailable"])
async def test_every_refusal_is_told_with_its_words(csms, status):
    """409 with ocppStatus and statusInfo; the claim on the EVSE is given up."""
    async with booted(csms, f"F-{status}") as station:
        station.answers["ReserveNow"] = status
        answer = await csms.reserve(f"F-{status}", evseId=1)
        body = problem(answer, status=409, name="reservation-refused")
        assert body["ocppStatus"] == status
        assert body["statusInfo"] == {"reasonCode": "Test", "additionalInfo": "as told"}
        assert body["reservation"]["status"] == "Refused"
        station.answers["ReserveNow"] = "Accepted"
        await reserved(csms, f"F-{status}", evseId=1)


@pytest.mark.req("H02.FR.01")
async def test_a_cancel_is_rejected(csms):
    """The station knows no such reservation: Removed, not Canceled."""
    async with booted(csms, "F-STALE") as station:
        body = await reserved(csms, "F-STALE", evseId=1)
        station.answers["CancelReservation"] = "Rejected"
        answer = await csms.request("DELETE", f"/reservations/{body['id']}")
        assert (answer.status_code, answer.json()["status"], answer.json()["confirmed"]) == (200, "Removed", False)


@pytest.mark.req("H03.FR.01", "H03.FR.09", "H03.FR.10", "E03.FR.02", "E03.FR.03", "H01.FR.15")
async def test_use_with_the_token_first(csms):
    """H03 S1 A: Authorize, Available, Started with idToken and reservationId, Occupied."""
    async with booted(csms, "F-USE-A") as station:
        body = await reserved(csms, "F-USE-A", evseId=1)
        answer = await station.authorize(DRIVER)
        assert answer.id_token_info == {"status": "Accepted"}
        await station.status(1, FREE)
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        answer = await station.event("Started", "A1", 0, token=DRIVER, reservation_id=body["id"])
        assert answer.id_token_info == {"status": "Accepted"}
        await station.status(1, OCCUPIED)
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["transactionId"], known["usedEvseId"], known["usedBy"]) == ("A1", 1, id_token())
        await csms.until_connectors("F-USE-A", {(1, 1): OCCUPIED})


@pytest.mark.req("H03.FR.01", "E01.FR.13", "E02.FR.02", "E02.FR.03", "G01.FR.06", "G01.FR.09")
async def test_use_with_the_cable_first(csms):
    """H03 S1 B: Started says nothing, the connector stays Reserved, Updated brings token and reservation."""
    async with booted(csms, "F-USE-B") as station:
        body = await reserved(csms, "F-USE-B", evseId=1)
        await station.status(1, RESERVED)
        assert (await station.event("Started", "B1", 0)).id_token_info is None
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        answer = await station.event("Updated", "B1", 1, token=DRIVER, reservation_id=body["id"])
        assert answer.id_token_info == {"status": "Accepted"}
        await csms.until(body["id"], "Used", proven=True, transactionId="B1")


@pytest.mark.req("H03.FR.04", "H03.FR.08", "E01.FR.11", "E01.FR.12")
async def test_use_by_a_member_of_the_group(csms):
    """H03 S2: groupIdToken comes from Authorize and from TransactionEvent, and the use is proven by it."""
    async with booted(csms, "F-GROUP") as station:
        body = await reserved(csms, "F-GROUP", evseId=1, groupIdToken=GROUP)
        assert (await station.until_asked("ReserveNow"))["group_id_token"]["id_token"] == "GROUP001"
        info = {"status": "Accepted", "group_id_token": {"id_token": "GROUP001", "type": "Central"}}
        assert (await station.authorize(MEMBER.lower())).id_token_info == info
        answer = await station.event("Started", "G1", 0, token=MEMBER, reservation_id=body["id"])
        assert answer.id_token_info == info
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["usedBy"], known["tokenMismatch"]) == (id_token(MEMBER), False)


@pytest.mark.req("H03.FR.08", "E01.FR.11")
async def test_a_token_that_nobody_registered(csms):
    """Unknown for the station, 409 with tokenStatus for the caller."""
    async with booted(csms, "F-UNKNOWN") as station:
        assert (await station.authorize("FEEDBEEF")).id_token_info == {"status": "Unknown"}
        answer = await station.event("Started", "U1", 0, token="FEEDBEEF")
        assert answer.id_token_info == {"status": "Unknown"}
        answer = await csms.reserve("F-UNKNOWN", evseId=1, idToken=id_token("FEEDBEEF"))
        assert problem(answer, status=409, name="token-not-accepted")["tokenStatus"] == "Unknown"


@pytest.mark.req("H04.FR.01", "H04.FR.03", "H01.FR.16", "H01.FR.17")
@pytest.mark.parametrize("status", ["Expired", "Removed"])
async def test_an_end_that_the_station_reports(csms, status):
    """H04 and the faults: the state is the station's word, the connector what it reports."""
    async with booted(csms, f"F-{status}") as station:
        body = await reserved(csms, f"F-{status}", evseId=1)
        await station.status(1, RESERVED)
        await station.update(body["id"], status)
        await station.status(1, FREE if status == "Expired" else "Faulted")
        known = await csms.until(body["id"], status)
        assert known["confirmed"] is True
        await station.update(body["id"], status)
        assert len(await journey(csms, body["id"])) == 3


@pytest.mark.row(38)
@pytest.mark.req("E04.FR.02", "E04.FR.03")
async def test_a_use_in_time_that_comes_after_the_report_of_the_expiry(csms):
    """The end must not depend on the order of arrival: Expired by the station's word becomes Used."""
    async with booted(csms, "F-LATE") as station:
        body = await reserved(csms, "F-LATE", evseId=1)
        await station.update(body["id"], "Expired")
        await csms.until(body["id"], "Expired", confirmed=True)
        await station.event("Started", "L1", 0, token=DRIVER, reservation_id=body["id"], offline=True, at=-1.0)
        await csms.until(body["id"], "Used", proven=True)


@pytest.mark.row(29, 33)
async def test_a_transaction_without_a_token_proves_nothing(csms):
    """A foreign car names the reservation and leaves: Used unproven, then Active again."""
    async with booted(csms, "F-CAR") as station:
        body = await reserved(csms, "F-CAR", evseId=1)
        await station.event("Started", "C1", 0, reservation_id=body["id"])
        assert (await csms.reservation(body["id"]))["proven"] is False
        await station.event("Ended", "C1", 1, charging_state="Idle")
        await csms.until(body["id"], "Active", transactionId=None)


@pytest.mark.row(29)
async def test_a_foreign_token_that_consumed_the_reservation(csms):
    """Used it is, by the station's word; the mismatch is flagged."""
    async with booted(csms, "F-MISMATCH") as station:
        body = await reserved(csms, "F-MISMATCH", evseId=1)
        await station.event("Started", "M1", 0, token=MEMBER, reservation_id=body["id"])
        known = await csms.until(body["id"], "Used")
        assert (known["tokenMismatch"], known["usedBy"]) == (True, id_token(MEMBER))


@pytest.mark.row(42)
@pytest.mark.req("E13")
@pytest.mark.parametrize("number", [0, -1, 4711])
async def test_ids_that_mean_nothing(csms, number):
    """0, negative and unknown ids are answered normally, also twice, and change nothing."""
    async with booted(csms, f"F-ID{number}") as station:
        body = await reserved(csms, f"F-ID{number}", evseId=1)
        for _ in range(2):
            answer = await station.event("Started", "N1", 0, token=DRIVER, reservation_id=number)
            assert answer.id_token_info == {"status": "Accepted"}
            await station.update(number, "Expired")
        assert await csms.reservation(body["id"]) == body
