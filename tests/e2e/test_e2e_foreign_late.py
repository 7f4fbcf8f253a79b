"""Words that come late, twice, on another socket or in an odd order, from a station that this project did not write."""

import json

import pytest
import pytest_asyncio
from e2e_stage import DRIVER, GROUP, id_token, journey, problem, register, reserved
from foreign_station import booted, connected, provisioned, raw_update

from csms import in_seconds
from ocpp.v201 import call

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

MEMBER = "4E4D420A"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(strict_csms):
    """A server that knows the driver and a member of the group."""
    await register(strict_csms, DRIVER)
    await register(strict_csms, MEMBER, group=GROUP)
    return strict_csms


@pytest.mark.row(3, 5)
@pytest.mark.parametrize(("status", "state"), [("Accepted", "Active"), ("Occupied", "Refused")])
async def test_an_answer_on_a_new_socket(csms, status, state):
    """It is the station's word on the ReserveNow that the old socket lost; nothing is asked any more."""
    name = f"L-SOCKET-{state}"
    password = await provisioned(csms, name)
    async with connected(csms, name, password) as station:
        assert await station.boot() == "Accepted"
        await csms.until_online(name)
        station.closes_on.add("ReserveNow")
        answer = await csms.reserve(name, evseId=1)
        assert (answer.status_code, answer.json()["status"]) == (202, "Unconfirmed")
        message_id = station.last_id("ReserveNow")
    async with connected(csms, name, password) as station:
        await station.socket.send(json.dumps([3, message_id, {"status": status}]))
        known = await csms.until(answer.json()["id"], state)
        assert (known["ocppStatus"], known["confirmed"]) == (status, state == "Refused")
        for _ in range(2):
            await station.say(call.Heartbeat())
        assert not [text for text in station.texts if "CancelReservation" in text]


@pytest.mark.row(25)
async def test_an_expiry_of_the_old_terms(csms):
    """A station that reports Expired for terms that were replaced is asked for the new ones once more."""
    async with booted(csms, "L-RENEW") as station:
        body = await reserved(csms, "L-RENEW", evseId=1)
        later = {"expiryDateTime": in_seconds(300)}
        assert (await csms.request("PATCH", f"/reservations/{body['id']}", json=later)).status_code == 200
        await station.update(body["id"], "Expired")
        asked = [await station.until_asked("ReserveNow") for _ in range(3)]
        assert asked[1] == asked[2] != asked[0]
        known = await csms.until(body["id"], "Active")
        assert known["expiryDateTime"] > body["expiryDateTime"]


@pytest.mark.row(23)
@pytest.mark.parametrize(("status", "state"), [("Accepted", "Active"), ("Rejected", "Removed")])
async def test_a_report_while_a_replacement_is_open(csms, status, state):
    """Accepted: it was about the old terms. Refused: it counts."""
    name = f"L-HELD-{state}"
    async with booted(csms, name) as station:
        body = await reserved(csms, name, evseId=1)
        station.early = [raw_update("held", body["id"], "Removed")]
        station.answers["ReserveNow"] = status
        answer = await csms.request("PATCH", f"/reservations/{body['id']}", json={"evseId": 2})
        assert answer.status_code == (200 if status == "Accepted" else 409), answer.text
        known = await csms.until(body["id"], state)
        assert (known["evseId"], known["replacement"]) == (2 if status == "Accepted" else 1, None)


@pytest.mark.row(23, 24)
@pytest.mark.parametrize("status", ["Expired", "Removed"])
async def test_an_end_before_the_answer(csms, status):
    """The order of report and answer is not fixed: 201 with the state reached by then, which is the end."""
    name = f"L-EARLY-{status}"
    async with booted(csms, name) as station:
        station.early = [raw_update("early", 0, status)]
        answer = await csms.reserve(name, evseId=1)
        assert (answer.status_code, answer.json()["status"]) == (201, status), answer.text
        known = await csms.reservation(answer.json()["id"])
        assert (known["status"], known["confirmed"]) == (status, True)
        assert await station.until_asked("CancelReservation") == {"reservation_id": known["id"]}
        station.early = []
        await reserved(csms, name, evseId=1)


@pytest.mark.row(41)
@pytest.mark.req("E04.FR.02")
async def test_a_use_before_the_cancel_that_is_told_after_it(csms):
    """Stamped before the cancel was sent it is a use; stamped after it, it changes nothing."""
    async with booted(csms, "L-CANCELED") as station:
        for at, state in ((-2.0, "Used"), (2.0, "Canceled")):
            body = await reserved(csms, "L-CANCELED", evseId=1)
            assert (await csms.request("DELETE", f"/reservations/{body['id']}")).json()["status"] == "Canceled"
            more = {"token": DRIVER, "reservation_id": body["id"], "at": at, "offline": True}
            answer = await station.event("Started", f"X{state}", 0, **more)
            assert answer.id_token_info == {"status": "Accepted"}
            assert (await csms.reservation(body["id"]))["status"] == state


@pytest.mark.row(30, 32)
async def test_a_second_transaction_names_the_reservation(csms):
    """A foreign car first, then the right driver's: bound to the new one, whose token proves it."""
    async with booted(csms, "L-SECOND") as station:
        body = await reserved(csms, "L-SECOND", evseId=1, groupIdToken=GROUP)
        await station.event("Started", "S1", 0, reservation_id=body["id"])
        await station.event("Started", "S2", 0, reservation_id=body["id"])
        known = await csms.until(body["id"], "Used", transactionId="S2")
        assert known["proven"] is False
        await station.event("Ended", "S1", 1, charging_state="Idle")
        assert (await csms.reservation(body["id"]))["status"] == "Used"
        await station.event("Updated", "S2", 1, token=MEMBER)
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["usedBy"], known["transactionId"]) == (id_token(MEMBER), "S2")


@pytest.mark.row(26, 35)
async def test_what_comes_after_a_proven_use(csms):
    """Expired, Removed and another transaction are answered, kept in the history, and change nothing."""
    async with booted(csms, "L-PROVEN") as station:
        body = await reserved(csms, "L-PROVEN", evseId=1)
        await station.event("Started", "P1", 0, token=DRIVER, reservation_id=body["id"])
        before = await csms.until(body["id"], "Used", proven=True)
        await station.update(body["id"], "Expired")
        await station.update(body["id"], "Removed")
        await station.event("Started", "P2", 0, token=DRIVER, reservation_id=body["id"])
        known = await csms.reservation(body["id"])
        assert {name: known[name] for name in ("status", "proven", "transactionId")} == {
            name: before[name] for name in ("status", "proven", "transactionId")
        }
        assert [row for row in await csms.history(body["id"]) if row.get("anomaly")]
        assert len(await journey(csms, body["id"])) == 3


@pytest.mark.row(9, 22)
async def test_a_ghost_is_cleaned_up(csms):
    """Retracted, then Accepted after all: one more CancelReservation for it, and it stays Canceled."""
    name = "L-GHOST"
    password = await provisioned(csms, name)
    async with connected(csms, name, password) as station:
        assert await station.boot() == "Accepted"
        await csms.until_online(name)
        station.closes_on.add("ReserveNow")
        answer = await csms.reserve(name, evseId=1)
        message_id = station.last_id("ReserveNow")
    async with connected(csms, name, password) as station:
        await station.say(call.Heartbeat())
        await csms.until(answer.json()["id"], "Canceled", cause="retracted")
        await station.until_asked("CancelReservation")
        await station.socket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
        assert await station.until_asked("CancelReservation") == {"reservation_id": answer.json()["id"]}
        assert (await csms.reservation(answer.json()["id"]))["status"] == "Canceled"
        await reserved(csms, name, evseId=1)


async def test_a_wish_is_refused_while_the_answer_proves_the_use(csms):
    """A proven use ends the matter: 409 for a cancel and for other terms."""
    async with booted(csms, "L-USED") as station:
        body = await reserved(csms, "L-USED", evseId=1)
        await station.event("Started", "U1", 0, token=DRIVER, reservation_id=body["id"])
        await csms.until(body["id"], "Used", proven=True)
        path = f"/reservations/{body['id']}"
        problem(await csms.request("DELETE", path), status=409, name="reservation-ended")
        problem(await csms.request("PATCH", path, json={"evseId": 2}), status=409, name="reservation-ended")
