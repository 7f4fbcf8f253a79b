"""Sessions that were ended: known at every node, at once here, within a minute everywhere, and forgotten in time."""

from datetime import timedelta

import pytest
from usecase_fakes import START, MovedClock

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.storage import open_storage
from evhold.domain.events import RegistryChanged
from evhold.usecases import retention
from evhold.usecases.sessions import KIND, EndedSessions

UNTIL = START + timedelta(hours=12)


@pytest.fixture
async def database():
    """An empty database."""
    opened = open_storage("sqlite://", clock=SystemClock())
    yield opened
    await opened.close()


async def test_one_that_was_ended_has_ended_here_and_elsewhere(database):
    """Another node knows by the event, or after a minute; a gap in the events is as good as one."""
    clock = MovedClock()
    here, there, late, lost = (EndedSessions(database, clock=clock) for _ in range(4))
    for node in (here, there, late, lost):
        assert not await node.has_ended("1.5")
    await here.end("1.5", until=UNTIL)
    assert await here.has_ended("1.5")
    there.hear(RegistryChanged(at=START, kind=KIND, key="1.5"))
    lost.hear(None)
    assert [await node.has_ended("1.5") for node in (there, late, lost)] == [True, False, True]
    clock.move(60)
    assert await late.has_ended("1.5")
    assert not await here.has_ended("1.6")


async def test_it_is_forgotten_once_its_own_time_is_over(database):
    """And not before; what else is kept under a name stays."""
    clock = MovedClock()
    sessions = EndedSessions(database, clock=clock)
    await database.transact(lambda tx: tx.secrets.settle("signing", "mine"))
    await sessions.end("1.5", until=UNTIL)
    assert await retention.prune_sessions(storage=database, clock=clock) == 0
    clock.move(12 * 3600 + 1)
    assert await retention.prune_sessions(storage=database, clock=clock) == 1
    assert not await EndedSessions(database, clock=clock).has_ended("1.5")
    assert await database.read(lambda tx: tx.secrets.find("signing")) == "mine"


async def test_memory_is_bounded(database):
    """The longest unused is read again."""
    sessions = EndedSessions(database, clock=MovedClock(), most=2)
    for number in range(5):
        assert not await sessions.has_ended(str(number))
    assert len(sessions._known) == 2
