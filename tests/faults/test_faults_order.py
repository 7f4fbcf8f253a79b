"""An order is in flight while the database goes away: its end is stored when it is back, whole."""

import asyncio
from datetime import timedelta

import pytest
from faults_stage import heard, locked, rows, until, until_ready

from csms import in_seconds
from evhold.usecases import reactions

SLOW = {"answer_delay": {"ReserveNow": 0.2, "CancelReservation": 0.2}}


async def in_flight(one, action, calling):
    """The order, and its frame at the station."""
    before = len(heard(one, action))
    task = asyncio.create_task(calling)
    await until(lambda: len(heard(one, action)) > before)
    return task


async def test_the_stations_yes_is_stored_when_the_database_is_back(node, station):
    """The caller gets 201, late; nothing was done twice."""
    one = await station("YES", faulty=SLOW)
    task = await in_flight(one, "ReserveNow", node.reserve("YES", evseId=1))
    with locked(node) as lock:
        await until(lambda: node.app.health.is_long)
        assert not task.done()
        assert rows(node, "SELECT status FROM reservations") == [("Pending",)]
        lock.release()
    answer = await task
    assert (answer.status_code, answer.json()["status"]) == (201, "Active")
    assert [row["to"] for row in await node.history(answer.json()["id"])] == ["Pending", "Active"]
    assert list(one.state.reservations) == [answer.json()["id"]]
    assert len(heard(one, "ReserveNow")) == 1


async def test_a_caller_who_does_not_wait_gets_202(node, station):
    """While the database is away; and the reservation becomes Active when it is back. A repeat gets it then."""
    one = await station("WAIT", faulty=SLOW)
    body = {
        "evseId": 1,
        "expiryDateTime": in_seconds(60),
        "headers": {"Prefer": "wait=1", "Idempotency-Key": "of WAIT"},
    }
    task = await in_flight(one, "ReserveNow", node.reserve("WAIT", **body))
    with locked(node) as lock:
        answer = await task
        assert (answer.status_code, answer.json()["status"]) == (202, "Pending")
        await until(lambda: node.app.health.is_long)
        lock.release()
    known = await node.until(answer.json()["id"], "Active")
    again = await node.reserve("WAIT", **body)
    assert (again.status_code, again.json()) == (201, known)


async def test_a_silence_is_stored_too_and_settled(node, station, monkeypatch):
    """The station was sent away before it answered: Unconfirmed, and retracted when it is back."""
    monkeypatch.setattr(reactions, "NO_BOOT_AFTER", timedelta(seconds=0.2))
    one = await station("SILENCE", faulty={"answer_delay": {"ReserveNow": 30.0}})
    task = await in_flight(one, "ReserveNow", node.reserve("SILENCE", evseId=1))
    with locked(node) as lock:
        await until(lambda: not one.is_connected)
        lock.release()
    answer = await task
    assert answer.status_code == 202
    known = await node.until(answer.json()["id"], "Canceled")
    assert known["cause"] == "retracted"
    assert one.state.reservations == {}
    assert rows(node, "SELECT * FROM claims") == []


async def test_a_cancel_in_flight_ends_whole(node, station):
    """Canceled, its claim given up in the same commit."""
    one = await station("CANCEL", faulty=SLOW)
    reserved = (await node.reserve("CANCEL", evseId=1)).json()
    task = await in_flight(one, "CancelReservation", node.request("DELETE", f"/reservations/{reserved['id']}"))
    with locked(node) as lock:
        await until(lambda: node.app.health.trouble is not None)
        assert rows(node, "SELECT evse_id FROM claims") == [(1,)]
        lock.release()
    answer = await task
    assert (answer.status_code, answer.json()["status"]) == (200, "Canceled")
    assert rows(node, "SELECT * FROM claims") == []
    assert one.state.reservations == {}


async def test_a_replacement_in_flight_ends_whole(node, station):
    """New terms, one claim."""
    one = await station("REPLACE", faulty=SLOW)
    reserved = (await node.reserve("REPLACE", evseId=1)).json()
    calling = node.request("PATCH", f"/reservations/{reserved['id']}", json={"evseId": 2})
    task = await in_flight(one, "ReserveNow", calling)
    with locked(node) as lock:
        await until(lambda: node.app.health.trouble is not None)
        assert rows(node, "SELECT evse_id FROM claims ORDER BY 1") == [(1,), (2,)]
        lock.release()
    answer = await task
    assert (answer.status_code, answer.json()["evseId"], answer.json()["replacement"]) == (200, 2, None)
    assert rows(node, "SELECT evse_id FROM claims") == [(2,)]


@pytest.mark.parametrize("node", [{"patience_s": 10.0}], indirect=True)
async def test_the_station_may_leave_while_the_database_is_away(node, station):
    """That it is offline is told when it can be written, and it can come back meanwhile."""
    one = await station("LEAVES")
    with locked(node) as lock:
        await one.go_offline()
        await until(lambda: node.app.health.trouble is not None)
        coming = asyncio.create_task(one.go_online())
        await until(lambda: one.is_connected)
        lock.release()
    await coming
    await until_ready(node, 200)
    await node.until_online("LEAVES")
    assert rows(node, "SELECT epoch FROM stations") == [(2,)]


async def test_a_node_stops_while_the_database_is_away(node, station):
    """Soon: nobody waits for it any more. What was not stored is settled by the next start."""
    one = await station("STOPS", faulty=SLOW)
    task = await in_flight(one, "ReserveNow", node.reserve("STOPS", evseId=1))
    with locked(node):
        await until(lambda: node.app.health.trouble is not None)
        async with asyncio.timeout(8):
            await node.app.stop()
    answer = (await asyncio.gather(task, return_exceptions=True))[0]
    assert isinstance(answer, Exception) or answer.status_code >= 500
    assert rows(node, "SELECT status FROM reservations") == [("Pending",)]
