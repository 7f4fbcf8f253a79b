"""A world in memory with one station, CS1, whose boot was accepted."""

import pytest
from reservation_stage import Stage
from usecase_fakes import START, CountedIds, MemoryStorage, MovedClock

from evhold.domain.station import Registration, Station


@pytest.fixture
def clock():
    """A clock that is moved."""
    return MovedClock()


@pytest.fixture
def ids():
    """Ids that count."""
    return CountedIds()


@pytest.fixture
def storage():
    """A database in memory that knows CS1."""
    storage = MemoryStorage()
    storage.now.stations.put(Station(id="CS1", boot_status=Registration.ACCEPTED, created_at=START))
    return storage


@pytest.fixture
async def stage():
    """A node on a new database that knows CS1, which is there, and TAG_A, which is Accepted."""
    stage = Stage()
    await stage.add_station()
    await stage.add_token()
    yield stage
    await stage.close()
