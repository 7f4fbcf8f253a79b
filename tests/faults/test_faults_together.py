"""Many at the same moment, at a real node: nobody is double booked, nobody's answer is wrong."""

import asyncio
from collections import Counter

import pytest
from faults_stage import heard, rows, until

from csms import in_seconds

SLOW = {"answer_delay": {"ReserveNow": 0.2}}


def kind(answer):
    """Status, and the name of a problem."""
    return answer.status_code, answer.json().get("type", "").removeprefix("/problems/")


async def test_two_drivers_for_one_evse(node, station):
    """Exactly one 201; the other is told whose it is not, and no ReserveNow was sent for him."""
    one = await station("TWO", evses=5)
    for evse_id in range(1, 6):
        answers = await asyncio.gather(*(node.reserve("TWO", evseId=evse_id) for _ in range(2)))
        assert sorted(kind(answer) for answer in answers) == [(201, ""), (409, "evse-already-reserved")]
    assert len(heard(one, "ReserveNow")) == 5
    assert rows(node, "SELECT evse_id FROM claims ORDER BY 1") == [(number,) for number in range(1, 6)]


async def test_the_same_key_at_the_same_moment(node, station):
    """One reservation, one ReserveNow; the others get the same one, or are told that the first still runs."""
    one = await station("KEY", faulty=SLOW)
    body = {"evseId": 1, "expiryDateTime": in_seconds(60), "headers": {"Idempotency-Key": "all of us"}}
    answers = await asyncio.gather(*(node.reserve("KEY", **body) for _ in range(20)))
    kinds = Counter(kind(answer) for answer in answers)
    assert kinds.keys() <= {(201, ""), (202, ""), (409, "request-in-progress")}
    assert kinds[201, ""] >= 1
    assert len({answer.json()["id"] for answer in answers if answer.status_code < 300}) == 1
    assert len(heard(one, "ReserveNow")) == 1
    assert rows(node, "SELECT count(*) FROM reservations") == [(1,)]
    again = await node.reserve("KEY", **body)
    first = next(answer for answer in answers if answer.status_code == 201)
    assert (again.status_code, again.content) == (201, first.content)


async def test_one_key_with_two_bodies(node, station):
    """The second body is refused, whichever comes second."""
    await station("BODIES", faulty=SLOW)
    key = {"Idempotency-Key": "one of us"}
    answers = await asyncio.gather(*(node.reserve("BODIES", evseId=number, headers=key) for number in (1, 2)))
    assert sorted(kind(answer) for answer in answers) == [(201, ""), (422, "idempotency-key-reused")]
    assert rows(node, "SELECT count(*) FROM reservations") == [(1,)]


@pytest.mark.parametrize("round_", range(6))
async def test_cancel_replace_and_use_at_once(node, station, round_):
    """Each is answered, the station and we agree, and nothing is left open."""
    one = await station(f"ALL{round_}", faulty={"answer_delay": {"CancelReservation": 0.05 * (round_ % 3)}})
    body = (await node.reserve(one.id, evseId=1)).json()
    path = f"/reservations/{body['id']}"
    await one.plug_in(1)
    works = [
        node.request("DELETE", path),
        node.request("PATCH", path, json={"expiryDateTime": in_seconds(500)}),
        one.present(1, "AABBCCDD"),
    ]
    ordered = [works[(number + round_) % 3] for number in range(3)]
    results = await asyncio.gather(*ordered)
    answers = [result for result in results if hasattr(result, "status_code")]
    assert {answer.status_code for answer in answers} <= {200, 202, 409}, [answer.text for answer in answers]
    await node.until(body["id"], "Used", "Canceled")
    await until(lambda: one.state.reservations == {})
    await one.settled()
    # A use after a second ReserveNow is followed by a clean-up cancel.
    await until(lambda: rows(node, "SELECT * FROM reservations WHERE ask_message_id IS NOT NULL OR due <> ''") == [])
    known = await node.reservation(body["id"])
    assert known["replacement"] is None
    named = [row for row in rows(node, "SELECT reservation_id FROM transactions") if row[0] is not None]
    assert (known["status"] == "Used") == (named == [(body["id"],)])


@pytest.mark.parametrize("node", [{"call_timeout": 20.0}], indirect=True)
async def test_hundreds_at_one_station(node, station):
    """300 orders for 100 EVSEs: 503 station-busy beyond the queue, no double booking, and all is settled."""
    one = await station("BIG", evses=100)
    orders = [node.reserve("BIG", evseId=number % 100 + 1) for number in range(300)]
    answers = await asyncio.gather(*orders)
    kinds = Counter(kind(answer) for answer in answers)
    print(dict(kinds))
    assert kinds.keys() <= {(201, ""), (503, "station-busy"), (409, "evse-already-reserved")}
    assert kinds[201, ""] >= 16
    accepted = {answer.json()["id"]: answer.json()["evseId"] for answer in answers if answer.status_code == 201}
    assert {number: held.evse_id for number, held in one.state.reservations.items()} == accepted
    assert dict(rows(node, "SELECT reservation_id, evse_id FROM claims")) == accepted
    left = rows(node, "SELECT DISTINCT status FROM reservations ORDER BY 1")
    assert left == [("Active",), ("Failed",)]
    assert rows(node, "SELECT count(*) FROM reservations WHERE ask_message_id IS NOT NULL") == [(0,)]


async def test_hundreds_of_cancels_at_one_station(node, station):
    """Cancels go before all others, and those beyond the queue are kept and sent: all end Canceled."""
    one = await station("CANCELS", evses=60)
    numbers = [(await node.reserve("CANCELS", evseId=number)).json()["id"] for number in range(1, 61)]
    answers = await asyncio.gather(*(node.request("DELETE", f"/reservations/{number}") for number in numbers))
    assert {answer.status_code for answer in answers} <= {200, 202}
    for number in numbers:
        await node.until(number, "Canceled")
    assert one.state.reservations == {}
    assert rows(node, "SELECT * FROM claims") == []
