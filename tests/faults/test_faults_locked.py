"""The database is locked by somebody else: briefly, and for longer than anybody waits."""

import asyncio
from datetime import timedelta

import pytest
from faults_stage import DRIVER, events, heard, locked, rows, station_of, until, until_ready
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from evhold.usecases import reactions

PATIENT = {"patience_s": 10.0}


def problem(answer):
    """Status and name of a problem."""
    return answer.status_code, answer.json()["type"]


async def drive_up(station, evse_id=1, token=DRIVER):
    """A car comes, and its driver holds the token to the reader."""
    await station.plug_in(evse_id)
    await station.present(evse_id, token)


@pytest.mark.parametrize("node", [PATIENT], indirect=True)
async def test_a_brief_lock_is_waited_out(node, station):
    """Answers come late, nothing is lost, the station never notices; readiness says 503 meanwhile."""
    one = await station("BRIEF")
    reserved = (await node.reserve("BRIEF", evseId=1)).json()
    with locked(node) as lock:
        using = asyncio.create_task(drive_up(one))
        await until_ready(node, 503)
        assert events(one, answered=True) == []
        assert (await node.reservation(reserved["id"]))["status"] == "Active"
        lock.release()
    await until_ready(node, 200)
    await using
    await one.settled()
    assert (await node.reservation(reserved["id"]))["status"] == "Used"
    sent = events(one, answered=False)
    assert sent == events(one, answered=True)
    assert len(set(sent)) == len(sent) > 0
    assert rows(node, "SELECT epoch FROM stations WHERE id = 'BRIEF'") == [(1,)]
    assert await node.connectors("BRIEF") == {(1, 1): "Occupied", (2, 1): "Available"}


async def test_what_is_learned_after_a_boot_waits_for_a_long_lock(node):
    """Nobody asks again for the variables of a station: they are stored once that is possible."""
    slow = {"answer_delay": {"GetVariables": 0.2}}
    async with station_of(node, "LEARNED", faulty=slow) as one:
        await until(lambda: heard(one, "GetVariables") != [])
        with locked(node) as lock:
            await one.wait_for("GetVariables")
            await until(lambda: node.app.health.is_long and not one.is_connected)
            lock.release()
        await until_ready(node, 200)
        await until(lambda: rows(node, "SELECT non_evse_specific FROM stations WHERE id = 'LEARNED'") == [(1,)])


@pytest.mark.req("E04.FR.01")
async def test_a_long_lock_sends_stations_away_with_their_events(node, station):
    """No answer to the TransactionEvent in hand, 503 to handshakes; after it all is told again, and the use is known."""
    one = await station("LONG")
    reserved = (await node.reserve("LONG", evseId=1)).json()
    with locked(node) as lock:
        using = asyncio.create_task(drive_up(one))
        await until(lambda: not one.is_connected)
        assert events(one, answered=True) == []
        await until(lambda: node.app.health.is_long)
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{node.stations}/OTHER", subprotocols=["ocpp2.0.1"], proxy=None)
        assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (503, "10")
        await until_ready(node, 503)
        await using
        lock.release()
    await until_ready(node, 200)
    await one.online()
    assert (await node.until(reserved["id"], "Used"))["proven"] is True
    sent = {(transaction, number) for transaction, number, _ in events(one, answered=False)}
    assert sent == {(transaction, number) for transaction, number, _ in events(one, answered=True)}
    (seen,) = rows(node, "SELECT transaction_id, seen FROM transactions")
    assert seen == (one.evse(1).transaction.id, f"[[0,{one.evse(1).transaction.seq_no - 1}]]")
    journey = [row["to"] for row in await node.history(reserved["id"])]
    assert journey == ["Pending", "Active", "Used"]


async def test_statuses_are_asked_for_after_a_long_lock(node, station, monkeypatch):
    """What a station did not tell again by itself, it is asked for."""
    monkeypatch.setattr(reactions, "RESYNC_AFTER", timedelta(seconds=0.2))
    one = await station("ASKED")
    with locked(node) as lock:
        changing = asyncio.create_task(one.set_operative(1, False))
        await until(lambda: not one.is_connected)
        await changing
        lock.release()
    await one.online()
    await node.until_connectors("ASKED", {(1, 1): "Unavailable", (2, 1): "Available"})
    await until(lambda: len(heard(one, "TriggerMessage")) > 0)
    asked = [call for call in heard(one, "TriggerMessage") if call["requestedMessage"] == "StatusNotification"]
    assert asked[0]["evse"] in ({"id": 1, "connectorId": 1}, {"id": 2, "connectorId": 1})


async def test_callers_are_told_at_once_and_nothing_is_stored(node, station):
    """503 storage-unavailable to whatever writes; what can be read is read; the key of a refused POST may be used again."""
    await station("CALLS")
    reserved = (await node.reserve("CALLS", evseId=1)).json()
    count = "SELECT count(*) FROM reservations"
    key = {"Idempotency-Key": "the-same"}
    with locked(node) as lock:
        assert problem(await node.reserve("CALLS", evseId=2, headers=key)) == (503, "/problems/storage-unavailable")
        await until_ready(node, 503)
        async with asyncio.timeout(0.09):  # less than SQLite itself would wait for the lock
            answer = await node.reserve("CALLS", evseId=2, headers=key)
        assert problem(answer) == (503, "/problems/storage-unavailable")
        assert answer.headers["Retry-After"] == "5"
        for method, path, body in (
            ("DELETE", f"/reservations/{reserved['id']}", None),
            ("PATCH", f"/reservations/{reserved['id']}", {"evseId": 2}),
            ("PUT", "/stations/NEW", {}),
            ("PUT", "/tokens/ISO14443/C0FFEE01", {"status": "Accepted"}),
        ):
            answer = await node.request(method, path, json=body)
            assert problem(answer) == (503, "/problems/storage-unavailable"), path
        assert await node.reservation(reserved["id"]) == reserved
        assert rows(node, count) == [(1,)]
        lock.release()
    await until_ready(node, 200)
    assert rows(node, count) == [(1,)]
    again = await node.reserve("CALLS", evseId=2, headers=key)
    assert again.status_code == 201, again.text


async def test_what_expired_meanwhile_is_made_up_by_the_sweep(node, station):
    """Reservations that ended while nobody could write it down."""
    await station("ENDED", faulty={"no_update": True})
    numbers = [(await node.reserve("ENDED", evseId=evse_id, seconds=1.5)).json()["id"] for evse_id in (1, 2)]
    with locked(node) as lock:
        await until(lambda: node.app.health.is_long)
        await until(lambda: node.app.clock.now().timestamp() > expiry(node))
        assert {(await node.reservation(number))["status"] for number in numbers} == {"Active"}
        lock.release()
    for number in numbers:
        assert (await node.until(number, "Expired"))["confirmed"] is False


def expiry(node):
    """When the last reservation ends, in seconds."""
    ((latest,),) = rows(node, "SELECT max(expiry_date_time) FROM reservations")
    return latest / 1e6
