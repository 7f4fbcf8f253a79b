"""No answer is not a No: silence, late answers, lost sockets, and how they are settled."""

import pytest
from e2e_stage import FREE, RESERVED, heard, journey, online, problem, told

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.row(7, 9)
async def test_a_silent_station_is_asked_to_cancel(csms):
    """202 Unconfirmed after the time-out; CancelReservation is Accepted: it had existed, and is retracted."""
    async with online(csms, "SILENT", faulty={"never_answer": {"ReserveNow"}}) as station:
        answer = await csms.reserve("SILENT", evseId=1)
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert body["status"] == "Unconfirmed"
        assert answer.headers["Location"] == f"/api/v1/reservations/{body['id']}"
        known = await csms.until(body["id"], "Canceled")
        assert (known["cause"], known["confirmed"]) == ("retracted", True)
        assert heard(station, "CancelReservation") == [{"reservationId": body["id"]}]
        assert len(heard(station, "ReserveNow")) == 1
        steps = [(None, "Pending"), ("Pending", "Unconfirmed"), ("Unconfirmed", "Canceled")]
        assert await journey(csms, body["id"]) == steps
        events = await told(csms, "reservation.canceled", stationId="SILENT", name="reservation.*")
        assert [event.name for event in events] == ["reservation.unconfirmed", "reservation.canceled"]


@pytest.mark.row(7, 10)
async def test_a_socket_that_closes_on_reserve_now(csms):
    """Unconfirmed; after the reconnect the cancel is Rejected: Failed, not closed by the station's word."""
    closes = {"ReserveNow"}
    async with online(csms, "CLOSES", faulty={"close_on": closes}) as station:
        answer = await csms.reserve("CLOSES", evseId=1)
        assert (answer.status_code, answer.json()["status"]) == (202, "Unconfirmed")
        closes.clear()
        await station.reboot()
        known = await csms.until(answer.json()["id"], "Failed")
        assert known["confirmed"] is False
        assert len(heard(station, "ReserveNow")) == 1


@pytest.mark.row(4, 9, 22)
async def test_an_answer_that_comes_too_late(csms):
    """Accepted after the retraction: nobody is told Active, and the reservation that it may have made is cleaned up."""
    async with online(csms, "LATE", faulty={"answer_delay": {"ReserveNow": 1.3}}) as station:
        answer = await csms.reserve("LATE", evseId=1)
        assert answer.status_code == 202, answer.text
        known = await csms.until(answer.json()["id"], "Canceled")
        await station.wait_for(lambda: len(heard(station, "CancelReservation")) == 2)
        await csms.until_connectors("LATE", {(1, 1): FREE})
        assert "Active" not in [to for _, to in await journey(csms, known["id"])]
        assert station.state.reservations == {}


@pytest.mark.row(3)
async def test_an_answer_before_the_time_out(csms):
    """A slow station is waited for."""
    async with online(csms, "SLOW", faulty={"answer_delay": {"ReserveNow": 0.4}}):
        answer = await csms.reserve("SLOW", evseId=1)
        assert (answer.status_code, answer.json()["status"]) == (201, "Active")


@pytest.mark.row(3)
async def test_nobody_has_to_wait_for_the_station(csms):
    """Prefer: wait=0 answers 202 Pending at once; the order goes on and becomes Active."""
    async with online(csms, "NO-WAIT", faulty={"answer_delay": {"ReserveNow": 0.4}}):
        answer = await csms.reserve("NO-WAIT", evseId=1, headers={"Prefer": "wait=0"})
        assert (answer.status_code, answer.json()["status"]) == (202, "Pending")
        await csms.until(answer.json()["id"], "Active")


@pytest.mark.row(3, 19)
async def test_a_cancel_while_the_station_still_thinks(csms):
    """202 keeps the wish; once the station has accepted, it is sent at once."""
    async with online(csms, "HASTY", faulty={"answer_delay": {"ReserveNow": 0.5}}) as station:
        body = (await csms.reserve("HASTY", evseId=1, headers={"Prefer": "wait=0"})).json()
        await station.wait_for(lambda: len(heard(station, "ReserveNow")) == 1)
        answer = await csms.request("DELETE", f"/reservations/{body['id']}")
        assert answer.status_code == 202, answer.text
        known = await csms.until(body["id"], "Canceled")
        assert known["confirmed"] is True
        assert station.state.reservations == {}


@pytest.mark.row(47, 49)
async def test_nobody_has_to_wait_for_a_replacement(csms):
    """Prefer: wait=0 answers 202 with old and new terms side by side; an order beside it is 409; then the new ones hold."""
    slow = {}
    async with online(csms, "PATCH-NO-WAIT", faulty={"answer_delay": slow}):
        body = (await csms.reserve("PATCH-NO-WAIT", evseId=1)).json()
        slow["ReserveNow"] = 0.5
        path = f"/reservations/{body['id']}"
        answer = await csms.request("PATCH", path, json={"evseId": 2}, headers={"Prefer": "wait=0"})
        assert answer.status_code == 202, answer.text
        assert (answer.json()["evseId"], answer.json()["replacement"]["evseId"]) == (1, 2)
        beside = await csms.request("PATCH", path, json={"connectorType": "cCCS2"})
        problem(beside, status=409, name="order-in-progress")
        third = await csms.reserve("PATCH-NO-WAIT", evseId=2)
        problem(third, status=409, name="evse-already-reserved")
        known = await csms.until(body["id"], "Active", replacement=None)
        assert known["evseId"] == 2


@pytest.mark.row(52)
async def test_a_replacement_that_is_not_answered(csms):
    """202; what holds is unknown, so the reservation is retracted."""
    silent = set()
    async with online(csms, "PATCH-SILENT", faulty={"never_answer": silent}) as station:
        body = (await csms.reserve("PATCH-SILENT", evseId=1)).json()
        silent.add("ReserveNow")
        answer = await csms.request("PATCH", f"/reservations/{body['id']}", json={"evseId": 2})
        assert answer.status_code == 202, answer.text
        known = await csms.until(body["id"], "Canceled")
        assert known["cause"] == "retracted"
        await csms.until_connectors("PATCH-SILENT", {(1, 1): FREE, (2, 1): FREE})
        assert station.state.reservations == {}


@pytest.mark.row(18, 44)
async def test_the_sweep_settles_what_cannot_be_canceled(csms):
    """Unconfirmed at a station without CancelReservation ends by our own sweep at its expiry."""
    faulty = {"never_answer": {"ReserveNow"}, "call_error": {"CancelReservation": "NotSupported"}, "no_update": True}
    async with online(csms, "NO-CANCEL", faulty=faulty):
        answer = await csms.reserve("NO-CANCEL", evseId=1, seconds=2.5)
        assert (answer.status_code, answer.json()["status"]) == (202, "Unconfirmed")
        await csms.until_connectors("NO-CANCEL", {(1, 1): RESERVED})
        known = await csms.until(answer.json()["id"], "Expired")
        assert known["confirmed"] is False
