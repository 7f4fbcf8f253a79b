"""Stations whose clocks are wrong by minutes and days, on real sockets: their own time decides what is theirs to decide."""

from datetime import timedelta

import pytest
from faults_stage import rows, until

from csms import in_seconds

DAYS = timedelta(days=2)
OFFSETS = [timedelta(minutes=-5), timedelta(minutes=5), -DAYS, DAYS]


def stored_offset(node, station_id):
    """As learned, to the second."""
    ((offset,),) = rows(node, "SELECT clock_offset FROM stations WHERE id = ?", station_id)
    return round(offset / 1e6)


async def reserve(node, station_id, *, seconds, offset, evse_id=1):
    """For so many seconds by the station's clock."""
    answer = await node.reserve(station_id, evseId=evse_id, expiryDateTime=in_seconds(seconds + offset.total_seconds()))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.mark.row(44)
@pytest.mark.parametrize("offset", [one for one in OFFSETS if one > timedelta()])
async def test_the_sweep_goes_by_a_fast_clock(node, station, offset):
    """Expired when the station's clock says so, minutes or days before ours does."""
    one = await station("FAST", faulty={"clock_offset": offset, "no_update": True})
    await until(lambda: abs(stored_offset(node, "FAST") - offset.total_seconds()) <= 2)
    number = await reserve(node, "FAST", seconds=1.5, offset=offset)
    known = await node.until(number, "Expired")
    assert known["confirmed"] is False
    assert one.state.reservations == {}


@pytest.mark.row(44, 12)
@pytest.mark.parametrize("offset", [one for one in OFFSETS if one < timedelta()])
async def test_a_slow_clock_keeps_it_longer(node, station, offset):
    """Past the expiry by our clock the station still holds it: it stays Active, and can be canceled."""
    one = await station("SLOW", faulty={"clock_offset": offset})
    await until(lambda: abs(stored_offset(node, "SLOW") - offset.total_seconds()) <= 2)
    held = await reserve(node, "SLOW", seconds=1, offset=timedelta())
    other = await reserve(node, "SLOW", seconds=1, offset=timedelta(), evse_id=2)
    expiry = node.app.clock.now() + timedelta(seconds=1)
    await until(lambda: node.app.clock.now() > expiry)
    sweeps = rows(node, "SELECT sweep_at - expiry_date_time FROM reservations")
    assert [abs(after[0] / 1e6 + offset.total_seconds()) < 3 for after in sweeps] == [True, True]
    assert (await node.reservation(held))["status"] == "Active"
    one.state.reservations.pop(other)
    answer = await node.request("DELETE", f"/reservations/{other}")
    # Row 12: Rejected before the expiry by the station's clock: it was dropped, not expired.
    assert (answer.status_code, answer.json()["status"]) == (200, "Removed")
    answer = await node.request("DELETE", f"/reservations/{held}")
    assert (answer.status_code, answer.json()["status"]) == (200, "Canceled")


@pytest.mark.row(12)
@pytest.mark.parametrize("offset", [one for one in OFFSETS if one > timedelta()])
async def test_a_cancel_that_a_fast_clock_rejects_as_expired(node, station, offset):
    """Past its expiry by the station's clock alone: Expired, not Removed."""
    one = await station("GONE", faulty={"clock_offset": offset, "no_update": True})
    await until(lambda: abs(stored_offset(node, "GONE") - offset.total_seconds()) <= 2)
    node.app.sweeper.stop()
    number = await reserve(node, "GONE", seconds=0.6, offset=offset)
    await until(lambda: one.state.reservations == {})
    answer = await node.request("DELETE", f"/reservations/{number}")
    assert (answer.status_code, answer.json()["status"]) == (200, "Expired"), answer.text
