"""G01: connector statuses are stored when they are news, in the order of the station's stamps."""

import pytest
from usecase_fakes import START, connected, connector, reservation, seconds

from evhold.domain.events import ConnectorChanged
from evhold.domain.transitions import created
from evhold.domain.values import Heard
from evhold.usecases import g01_connector_status


async def report(storage, connection, status, *, stamp=START, at=None, evse_id=1, connector_id=1):
    """Report a status; return whether anything had to wait."""
    waits = g01_connector_status.report(
        status,
        evse_id=evse_id,
        connector_id=connector_id,
        stamp=stamp,
        connected=connection,
        recorder=storage,
        storage=storage,
        at=at or stamp,
    )
    if waits is not None:
        await waits
    return waits is not None


def status_of(storage):
    """The stored status of connector 1 of EVSE 1."""
    return storage.now.connectors.of("CS1")[0].status


async def test_a_new_status_is_stored_told_and_remembered(storage):
    """The type that was learned before stays."""
    connection = connected(statuses={(1, 1): connector(type="cCCS2")})

    assert await report(storage, connection, "Available")

    stored = connector(status="Available", since=START, type="cCCS2")
    assert storage.now.connectors.of("CS1") == [stored] == list(connection.statuses.values())
    told = ConnectorChanged(
        at=START, station_id="CS1", evse_id=1, connector_id=1, status="Available", since=START, type="cCCS2"
    )
    assert storage.told == [told]


async def test_the_same_status_again_costs_nothing(storage):
    """By whatever message it came; the answer need not wait."""
    connection = connected()
    await report(storage, connection, "Available")

    assert not await report(storage, connection, "Available", stamp=START + seconds(5))
    assert len(storage.recorded) == 1
    assert storage.now.connectors.of("CS1")[0].since == START


async def test_an_older_status_is_no_news(storage):
    """Order is by stamp, not by arrival; a repeated status moves the mark."""
    connection = connected()
    await report(storage, connection, "Available", stamp=START)
    await report(storage, connection, "Available", stamp=START + seconds(10))

    assert not await report(storage, connection, "Reserved", stamp=START + seconds(5))
    assert status_of(storage) == "Available"


async def test_of_equal_stamps_the_later_arrival_counts(storage):
    """Stations write whole seconds."""
    connection = connected()
    await report(storage, connection, "Available")

    assert await report(storage, connection, "Occupied")
    assert status_of(storage) == "Occupied"


@pytest.mark.req("B04.FR.01", "B04.FR.02")
async def test_the_first_report_of_a_connection_always_counts(storage):
    """The station's clock may have been set back; the second is judged by its stamp again."""
    connection = connected(statuses={(1, 1): connector(status="Available", since=START + seconds(3600))})

    assert await report(storage, connection, "Occupied", stamp=START)
    assert not await report(storage, connection, "Available", stamp=START - seconds(1))
    assert status_of(storage) == "Occupied"


async def test_a_first_report_that_is_no_news_is_the_first_all_the_same(storage):
    """The next one is judged by its stamp."""
    connection = connected(statuses={(1, 1): connector(status="Available", since=START)})
    assert not await report(storage, connection, "Available", stamp=START)

    assert not await report(storage, connection, "Reserved", stamp=START - seconds(5))
    assert connection.statuses[1, 1].since == START


@pytest.mark.parametrize(("evse_id", "connector_id"), [(0, 0), (1, 0), (0, 1), (-1, 1)])
async def test_a_report_about_no_connector_is_accepted_and_not_stored(storage, evse_id, connector_id):
    """Some stations report themselves as EVSE 0, connector 0."""
    assert not await report(storage, connected(), "Available", evse_id=evse_id, connector_id=connector_id)
    assert storage.recorded == []


async def test_a_status_that_was_not_stored_is_not_remembered(storage):
    """So the same report is news again."""
    storage.broken = True
    connection = connected()

    with pytest.raises(OSError, match="disk full"):
        await report(storage, connection, "Available")

    assert (connection.statuses, connection.reported) == ({}, set())


async def fast_by(storage, connection, number, *, evse_id=0, status="Available"):
    """Two reports from a station whose clock is fast by so many seconds."""
    for second in range(2):
        at = START + seconds(second)
        await report(storage, connection, status, stamp=at + seconds(number), at=at, evse_id=evse_id)


async def test_a_clock_that_is_off_is_learned_and_stored(storage):
    """Two agreeing stamps are enough; the row is written once."""
    connection = connected()

    await fast_by(storage, connection, 120)
    await fast_by(storage, connection, 122)

    assert connection.clock_offset == storage.now.stations.get("CS1").clock_offset == seconds(120)
    assert storage.writes == 1


async def test_a_clock_that_is_right_is_remembered_and_not_stored(storage):
    """Also with a status that is news."""
    connection = connected()

    await fast_by(storage, connection, 1, evse_id=1)

    assert connection.clock_offset == seconds(1)
    assert (storage.writes, len(storage.recorded)) == (0, 1)


async def test_the_offset_is_stored_along_with_a_status(storage):
    """The status does not wait for a row of its own."""
    connection = connected()
    await report(storage, connection, "Available", stamp=START + seconds(60), at=START)

    assert await report(storage, connection, "Occupied", stamp=START + seconds(61), at=START + seconds(1))

    assert storage.now.stations.get("CS1").clock_offset == seconds(60)
    assert status_of(storage) == "Occupied"


async def test_a_station_removed_meanwhile_gets_no_offset(storage):
    """Nothing is stored for it."""
    storage.now.stations.remove("CS1")

    await fast_by(storage, connected(), 120)

    assert storage.tables.stations == {}


@pytest.mark.row(57)
@pytest.mark.req("G01.FR.09", "G03.FR.09")
async def test_a_status_changes_no_reservation(storage):
    """Reserved is kept as reported, and so is what comes after it."""
    connection = connected()
    before = reservation(1, evse_id=1)
    storage.now.reservations.insert(created(before, Heard(at=START)))

    for number, status in enumerate(["Available", "Reserved", "Occupied", "Unavailable", "Reserved"]):
        await report(storage, connection, status, stamp=START + seconds(number))

    assert storage.now.reservations.get(1) == before
    assert [one.status for one in storage.recorded] == ["Available", "Reserved", "Occupied", "Unavailable", "Reserved"]
