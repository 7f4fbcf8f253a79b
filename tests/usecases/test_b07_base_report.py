"""B07: connectors, their types and capabilities are learned from reports."""

from dataclasses import replace

from usecase_fakes import START, connected, connector

from evhold.domain.station import Capabilities, Station
from evhold.domain.variables import ReportRow
from evhold.usecases import b07_base_report
from evhold.usecases.b07_base_report import Report


def row(variable, value=None, *, component="Connector", evse_id=1, connector_id=1):
    """One row of a report."""
    return ReportRow(component=component, variable=variable, value=value, evse_id=evse_id, connector_id=connector_id)


def report(*rows, request_id=7, is_last=True):
    """One NotifyReport."""
    return Report(request_id=request_id, rows=rows, is_last=is_last)


async def test_connectors_and_their_types_are_learned(storage):
    """Also one without a type; EVSEs and the station are no connectors."""
    connection = connected()
    rows = (
        row("Available", "true", component="EVSE", connector_id=None),
        row("ConnectorType", "cCCS2"),
        row("Available", "true", connector_id=2),
        row("ConnectorType", "cType2", evse_id=None, connector_id=None),
    )

    await b07_base_report.learn(report(*rows), connection, storage=storage)

    expected = [connector(type="cCCS2"), connector(connector_id=2)]
    assert storage.now.connectors.of("CS1") == list(connection.statuses.values()) == expected


async def test_a_known_connector_keeps_its_status(storage):
    """Only its type is news, and only where it differs."""
    known = connector(status="Available", since=START)
    same = connector(connector_id=2, type="cType2", status="Occupied", since=START)
    connection = connected(statuses={(1, 1): known, (1, 2): same})
    rows = row("ConnectorType", "cCCS2"), row("ConnectorType", "cType2", connector_id=2), row("Power", connector_id=2)

    await b07_base_report.learn(report(*rows), connection, storage=storage)

    assert storage.now.connectors.of("CS1") == [replace(known, type="cCCS2")]
    assert connection.statuses == {(1, 1): replace(known, type="cCCS2"), (1, 2): same}


async def test_the_report_tells_capabilities(storage):
    """ReservationCtrlr's rows are read like GetVariables' answers."""
    rows = [row("Enabled", "1", component="ReservationCtrlr", evse_id=None, connector_id=None)]

    await b07_base_report.learn(report(*rows), connected(), storage=storage)

    assert storage.now.stations.get("CS1").capabilities == Capabilities(enabled=True)


async def test_a_report_that_we_asked_for_is_done_with_its_last_part(storage):
    """The station's inventory is that of its firmware; the request is expected no more."""
    storage.now.stations.put(replace(storage.now.stations.get("CS1"), firmware_version="1.0"))
    connection = connected(expected_reports={7})

    await b07_base_report.learn(report(is_last=False), connection, storage=storage)
    assert b07_base_report.wanted(storage.now.stations.get("CS1"))

    await b07_base_report.learn(report(), connection, storage=storage)
    assert storage.now.stations.get("CS1").inventory_of == "1.0"
    assert not b07_base_report.wanted(storage.now.stations.get("CS1"))
    assert connection.expected_reports == set()


async def test_a_report_that_nobody_asked_for_ends_no_asking(storage):
    """Its rows are learned all the same."""
    await b07_base_report.learn(report(row("ConnectorType", "cCCS2")), connected(), storage=storage)

    assert storage.now.connectors.of("CS1") == [connector(type="cCCS2")]
    assert b07_base_report.wanted(storage.now.stations.get("CS1"))


def test_another_firmware_makes_a_report_wanted():
    """Also where a station tells none."""
    assert b07_base_report.wanted(Station(id="CS1"))
    assert not b07_base_report.wanted(Station(id="CS1", inventory_of=""))
    assert b07_base_report.wanted(Station(id="CS1", inventory_of="1.0", firmware_version="1.1"))
