"""What a station is asked for besides orders: its base report, and the connectors that it did not report (B04, B07)."""

import pytest
from station_script import AWAY, ONLINE
from usecase_fakes import connector

from evhold.usecases import b07_base_report
from evhold.usecases.reactions import REPORTS_AT_ONCE

# Base reports


@pytest.fixture
async def fleet(stage):
    """More stations than may report at once, booted."""
    stations = []
    for number in range(REPORTS_AT_ONCE + 2):
        await stage.add_station(f"S{number}")
        stations.append(await stage.connect(f"S{number}"))
        await stage.boot(stations[-1])
    return stations


def asked(stage):
    """Stations that were asked to report."""
    return [station_id for station_id, what in stage.stations.requested if what == "report"]


async def test_at_most_five_report_at_once(stage, fleet):
    """The next is asked when one has ended, in order."""
    assert asked(stage) == [f"S{number}" for number in range(REPORTS_AT_ONCE)]
    stage.reactions.report_ended("S0")
    await stage.settle()
    assert asked(stage)[-1] == f"S{REPORTS_AT_ONCE}"
    stage.reactions.report_ended("S1")
    await stage.settle()
    assert len(asked(stage)) == REPORTS_AT_ONCE + 2


async def test_a_station_that_is_waiting_or_reporting_is_not_asked_twice(stage, fleet):
    """Though it boots again."""
    for station in (fleet[0], fleet[-1]):
        await stage.boot(station)
    assert len(asked(stage)) == REPORTS_AT_ONCE


async def test_a_report_that_stops_half_way_holds_up_nobody(stage, fleet):
    """After a minute it is over."""
    await stage.move(60)
    assert len(asked(stage)) == REPORTS_AT_ONCE + 2


async def test_a_station_that_leaves_makes_room(stage, fleet):
    """And one that left while it waited is not asked."""
    await stage.disconnect(fleet[-2])
    await stage.disconnect(fleet[0])
    assert asked(stage)[-1] == fleet[-1].station_id


async def test_a_station_that_will_not_report(stage):
    """Its request id is expected no more, and the next is asked."""
    stage.stations.grants = False
    station = await stage.connect()
    await stage.boot(station)
    assert (asked(stage), station.expected_reports) == (["CS1"], set())


async def test_an_answer_of_an_older_connection_ends_no_newer_report(stage):
    """The station came back meanwhile, and reports there."""
    station = await stage.connect()

    def goes(station_id, what):
        stage.reactions.closed(station)
        return False

    stage.stations.grants = goes
    await stage.boot(station)
    assert [one.at for one in stage.clock.timers] == []


async def test_what_a_boot_should_have_told_is_asked_after_a_reconnect(stage):
    """A station that never told its inventory is asked for it, also when it comes back without a boot."""
    await stage.connect()
    await stage.move(5)
    assert (stage.capabilities_read, asked(stage)) == (["CS1"], ["CS1"])


async def test_a_report_is_asked_for_once(stage):
    """Until the firmware is another."""
    station = await stage.connect()
    await stage.boot(station)
    (request_id,) = station.expected_reports
    await b07_base_report.learn(
        b07_base_report.Report(request_id=request_id, rows=(), is_last=True), station, storage=stage.storage
    )
    stage.reactions.report_ended("CS1")
    await stage.boot(station)
    assert len(asked(stage)) == 1
    await stage.boot(station, firmware="2.0")
    assert len(asked(stage)) == 2


# Statuses after a reconnect (B04)


@pytest.fixture
async def known(stage):
    """A station whose inventory was read, and two of whose connectors are known."""
    await stage.change_station(inventory_of="")
    for number in (1, 2):
        one = connector(connector_id=number, status="Available", since=stage.after(0))
        await stage.storage.transact(lambda tx, one=one: tx.connectors.put(one))
    return await stage.connect()


@pytest.mark.req("B04.FR.01", "B04.FR.02")
async def test_connectors_that_say_nothing_after_a_reconnect_are_asked(stage, known):
    """Only those that were not reported; after a short while."""
    await stage.status(known, "Available", connector_id=2)
    stage.reactions.heard(known)
    await stage.move(9.9)
    assert stage.stations.requested == []
    await stage.move(0.1)
    assert stage.stations.requested == [("CS1", ("StatusNotification", 1, 1))]


@pytest.mark.req("B04.FR.01")
async def test_a_station_that_reports_all_is_not_asked(stage, known):
    """It was offline for long."""
    for number in (1, 2):
        await stage.status(known, "Available", connector_id=number)
    await stage.move(60)
    assert stage.stations.requested == []


@pytest.mark.req("B04.FR.02")
async def test_a_station_that_says_no_is_not_asked_on(stage, known):
    """The others would fare no better."""
    stage.stations.grants = False
    await stage.move(60)
    assert stage.stations.requested == [("CS1", ("StatusNotification", 1, 1))]


async def test_a_report_that_comes_while_another_is_asked_for(stage, known):
    """Is not asked for."""

    def grants(station_id, what):
        known.reported.add((1, 2))
        return True

    stage.stations.grants = grants
    await stage.move(60)
    assert stage.stations.requested == [("CS1", ("StatusNotification", 1, 1))]


@pytest.mark.parametrize("presence", [AWAY, ONLINE])
async def test_a_station_that_is_not_there_is_not_asked(stage, known, presence):
    """Not accepted any more, or gone."""
    await stage.move(6)
    stage.stations.presences["CS1"] = presence
    await stage.move(60)
    assert stage.stations.requested == []


async def test_a_station_that_boots_is_not_asked(stage, known):
    """It will report by itself."""
    await stage.move(6)
    await stage.boot(known)
    await stage.move(30)
    assert [what for _, what in stage.stations.requested] == ["report"]
