"""H02 through all layers: Accepted, Rejected, offline, not answered, not known."""

import asyncio

import pytest
from e2e_stage import FREE, RESERVED, heard, id_token, journey, online, problem, reserved, told

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


def path_of(body):
    """Its address."""
    return f"/reservations/{body['id']}"


@pytest.mark.req("H02.FR.02", "H02.FR.03", "H02.FR.04")
async def test_a_cancel_that_the_station_accepts(csms):
    """200 Canceled by the station's word; the connectors are Available and the EVSE can be reserved anew."""
    async with online(csms, "CANCEL", connectors=(("cCCS2", "cType2"),)) as station:
        body = await reserved(csms, "CANCEL", evseId=1)
        await csms.until_connectors("CANCEL", {(1, 1): RESERVED, (1, 2): RESERVED})
        answer = await csms.request("DELETE", path_of(body))
        assert answer.status_code == 200, answer.text
        canceled = answer.json()
        assert (canceled["status"], canceled["confirmed"]) == ("Canceled", True)
        assert heard(station, "CancelReservation") == [{"reservationId": body["id"]}]
        await csms.until_connectors("CANCEL", {(1, 1): FREE, (1, 2): FREE})
        assert await journey(csms, body["id"]) == [(None, "Pending"), ("Pending", "Active"), ("Active", "Canceled")]
        events = await told(csms, "reservation.canceled", stationId="CANCEL", name="reservation.*")
        assert [event.name for event in events] == ["reservation.accepted", "reservation.canceled"]
        again = await reserved(csms, "CANCEL", evseId=1)
        assert again["id"] != body["id"]


@pytest.mark.req("H02.FR.04")
async def test_a_cancel_at_a_station_that_reports_by_notify_event(csms):
    """The connectors are Available again without a StatusNotification."""
    async with online(csms, "CANCEL-NE", reports="event") as station:
        body = await reserved(csms, "CANCEL-NE", evseId=2)
        await csms.until_connectors("CANCEL-NE", {(2, 1): RESERVED})
        await csms.request("DELETE", path_of(body))
        await csms.until_connectors("CANCEL-NE", {(2, 1): FREE})
        assert not [frame for frame in station.frames if b'"StatusNotification"' in frame.text]


@pytest.mark.req("H02.FR.01")
@pytest.mark.row(12)
async def test_a_station_that_knows_no_such_reservation(csms):
    """Rejected is no success: Removed with its cause, not closed by the station's word; the claim is given up."""
    async with online(csms, "STALE") as station:
        body = await reserved(csms, "STALE", evseId=1)
        station.state.reservations.clear()
        answer = await csms.request("DELETE", path_of(body))
        assert answer.status_code == 200, answer.text
        removed = answer.json()
        assert (removed["status"], removed["cause"], removed["confirmed"]) == ("Removed", "unknown-at-station", False)
        await reserved(csms, "STALE", evseId=1, idToken=id_token("DDCCBBAA"))


@pytest.mark.row(21)
async def test_an_ended_reservation_is_not_canceled_again(csms):
    """409, and the station is not asked a second time."""
    async with online(csms, "ENDED") as station:
        body = await reserved(csms, "ENDED", evseId=1)
        await csms.request("DELETE", path_of(body))
        problem(await csms.request("DELETE", path_of(body)), status=409, name="reservation-ended")
        replace = await csms.request("PATCH", path_of(body), json={"evseId": 2})
        problem(replace, status=409, name="reservation-ended")
        assert len(heard(station, "CancelReservation")) == 1


async def test_a_reservation_that_never_was(csms):
    """404."""
    problem(await csms.request("DELETE", "/reservations/2147483647"), status=404, name="reservation-unknown")


@pytest.mark.row(20)
async def test_a_cancel_while_the_station_is_away(csms):
    """202 keeps the wish; it is sent when the station is back, and a replacement must wait for it."""
    async with online(csms, "AWAY") as station:
        body = await reserved(csms, "AWAY", evseId=1)
        await station.go_offline()
        await csms.until_online("AWAY", online=False)
        answer = await csms.request("DELETE", path_of(body))
        assert answer.status_code == 202, answer.text
        wished = answer.json()
        assert (wished["status"], wished["confirmed"]) == ("Active", False)
        assert wished["cancelRequestedAt"] is not None
        await station.plug_in(2)  # so that it has something to tell when it is back
        await station.go_online()
        canceled = await csms.until(body["id"], "Canceled")
        assert canceled["confirmed"] is True
        assert heard(station, "CancelReservation") == [{"reservationId": body["id"]}]
        assert len(heard(station, "ReserveNow")) == 1
        await csms.until_connectors("AWAY", {(1, 1): FREE})


@pytest.mark.row(55)
async def test_a_cancel_that_waits_is_sent_right_after_a_boot(csms):
    """A station that boots gets it after our Accepted."""
    async with online(csms, "AWAY-BOOT") as station:
        body = await reserved(csms, "AWAY-BOOT", evseId=1)
        await station.go_offline()
        await csms.until_online("AWAY-BOOT", online=False)
        assert (await csms.request("DELETE", path_of(body))).status_code == 202
        await station.reboot()
        await csms.until(body["id"], "Canceled", confirmed=True)


@pytest.mark.row(18)
async def test_a_station_that_knows_no_cancel(csms):
    """NotImplemented: 502 with the code, the reservation stays Active and nothing is repeated."""
    async with online(csms, "NO-CANCEL", faulty={"call_error": {"CancelReservation": "NotImplemented"}}):
        body = await reserved(csms, "NO-CANCEL", evseId=1)
        answer = await csms.request("DELETE", path_of(body))
        assert problem(answer, status=502, name="station-call-error")["code"] == "NotImplemented"
        known = await csms.reservation(body["id"])
        assert (known["status"], known["cancelRequestedAt"]) == ("Active", None)


async def silent(csms):
    """A station that carries the cancel out and does not answer; asked again, it knows no such reservation."""
    mute = {"CancelReservation"}
    async with online(csms, "SILENT", faulty={"never_answer": mute}) as station:
        body = await reserved(csms, "SILENT", evseId=1)
        answer = await csms.request("DELETE", path_of(body))
        assert answer.status_code == 202, answer.text
        known = answer.json()
        assert (known["status"], known["confirmed"]) == ("Active", False)
        assert known["cancelRequestedAt"] is not None
        mute.clear()
        await csms.until(body["id"], "Removed", cause="unknown-at-station")
        asked = [frame.text for frame in station.frames if not frame.sent and b'"CancelReservation"' in frame.text]
        assert len(set(asked)) == 2


async def crashing(csms):
    """A station that closes the socket instead of an answer; on the next socket it accepts."""
    closes = {"CancelReservation"}
    async with online(csms, "CRASH", faulty={"close_on": closes}) as station:
        body = await reserved(csms, "CRASH", evseId=1)
        answer = await csms.request("DELETE", path_of(body))
        assert (answer.status_code, answer.json()["status"]) == (202, "Active")
        closes.clear()
        await station.reboot()
        await csms.until(body["id"], "Canceled", confirmed=True)


@pytest.mark.row(17)
async def test_a_cancel_that_is_not_answered_is_asked_again(csms):
    """202; it is asked with a new message id until it is answered. Both stations at a time: each takes 5 s."""
    await asyncio.gather(silent(csms), crashing(csms))
