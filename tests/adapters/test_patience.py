"""An outage of the database, minute by minute, on a clock that the test moves (design decision 15)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from sql_examples import connector

from evhold.adapters.patience import RETRY_S, PatientRecorder, PatientStorage, StorageHealth
from evhold.adapters.sql.entry import Entry
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged
from evhold.usecases.ports import StorageAway
from evhold.usecases.stores import Tx

T = TypeVar("T")


class Due:
    """A call of the clock below."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class MonotonicClock:
    """Stands still until moved; what falls due happens then."""

    def __init__(self) -> None:
        self.time = 0.0
        self.due: list[Due] = []

    def monotonic(self) -> float:
        return self.time

    def call_at(self, at: float, call: Callable[[], None], /) -> Due:
        self.due.append(Due(at, call))
        return self.due[-1]

    async def move(self, seconds: float) -> None:
        """In steps of the probe, each with all that follows from it."""
        end = self.time + seconds
        while self.time < end:
            self.time = min(self.time + RETRY_S, end)
            for one in [one for one in self.due if one.at <= self.time]:
                self.due.remove(one)
                if one.call is not None:
                    one.call()
            for _ in range(10):
                await asyncio.sleep(0)


class Disk:
    """Storage and recorder that fail while ``is_full``; they note every attempt."""

    def __init__(self) -> None:
        self.is_full = False
        self.attempts = 0
        self.on_away: Callable[[Entry, StorageAway], None] | None = None

    async def _try(self, result: T) -> T:
        self.attempts += 1
        if self.is_full:
            raise StorageAway("disk full")
        return result

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        return self._try(work(None))  # type: ignore[arg-type]  # no work here looks at it

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        return self.transact(work)

    def connector(self, connector: Connector, event: ConnectorChanged, *, epoch: int | None = None) -> Entry:
        return self._send(Entry(None, (1,), ()))  # type: ignore[arg-type]  # no table is needed

    def again(self, kept: Entry) -> Entry:
        return self._send(kept.again())

    def _send(self, entry: Entry) -> Entry:
        asyncio.get_running_loop().call_soon(self._write, entry)
        return entry

    def _write(self, entry: Entry) -> None:
        self.attempts += 1
        error = StorageAway("disk full") if self.is_full else None
        if error is None or entry.is_again or self.on_away is None:
            entry.end(error)
        else:
            self.on_away(entry, error)


class World:
    """One disk, its health, and what the health told."""

    def __init__(self) -> None:
        self.disk, self.clock = Disk(), MonotonicClock()
        self.told: list[str] = []
        self.health = StorageHealth(
            self._probe,
            clock=self.clock,  # type: ignore[arg-type]  # now() is not needed
            on_long=lambda: self.told.append("long"),
            on_back=lambda: self.told.append("back"),
        )

    async def _probe(self) -> None:
        if self.disk.is_full:
            raise StorageAway("disk full")

    def storage(self, limit_s: float | None) -> PatientStorage:
        return PatientStorage(self.disk, health=self.health, clock=self.clock, limit_s=limit_s)  # type: ignore[arg-type]


def stored(tx: Tx) -> str:
    """A transaction's work."""
    return "stored"


@pytest.fixture
def world() -> World:
    """All is well."""
    return World()


async def started(work: Awaitable[T]) -> asyncio.Task[T]:
    """The work is on its way, as far as it gets by itself."""
    task = asyncio.ensure_future(work)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_a_healthy_storage_is_asked_once(world: World) -> None:
    """Patience costs nothing."""
    assert await world.storage(20).transact(stored) == "stored"
    assert (world.disk.attempts, world.health.trouble) == (1, None)


async def test_an_answer_waits_while_the_storage_is_briefly_away(world: World) -> None:
    """It is tried again when a probe has been written, and not before: nobody else tries meanwhile."""
    world.disk.is_full = True
    waiting = await started(world.storage(20).transact(stored))
    later = await started(world.storage(20).transact(stored))
    await world.clock.move(10)
    assert (waiting.done(), world.disk.attempts, world.health.trouble) == (False, 1, "disk full")
    world.disk.is_full = False
    await world.clock.move(RETRY_S)

    assert [await waiting, await later] == ["stored", "stored"]
    assert (world.told, world.health.trouble) == (["back"], None)


async def test_after_20_s_stations_are_sent_away_once(world: World) -> None:
    """Who waits with a limit is told; the outage stays long until it is over."""
    world.disk.is_full = True
    waiting = await started(world.storage(20).transact(stored))
    await world.clock.move(19)
    assert (world.told, world.health.is_long, waiting.done()) == ([], False, False)
    await world.clock.move(2)
    assert (world.told, world.health.is_long) == (["long"], True)
    with pytest.raises(StorageAway, match="disk full"):
        await waiting
    await world.clock.move(60)
    assert world.told == ["long"]
    world.disk.is_full = False
    await world.clock.move(1)

    assert (world.told, world.health.is_long) == (["long", "back"], False)


async def test_without_patience_the_caller_is_told_at_once(world: World) -> None:
    """In a known outage without another attempt."""
    world.disk.is_full = True
    for _ in range(3):
        with pytest.raises(StorageAway, match="disk full"):
            await world.storage(0).transact(stored)
    assert world.disk.attempts == 1
    await world.health.close()


async def test_the_end_of_an_order_waits_for_ever(world: World) -> None:
    """An hour without a disk loses no answer of a station."""
    world.disk.is_full = True
    waiting = await started(world.storage(None).transact(stored))
    await world.clock.move(3600)
    assert not waiting.done()
    world.disk.is_full = False
    await world.clock.move(1)

    assert await waiting == "stored"


async def test_a_reader_tries_although_nothing_can_be_written(world: World) -> None:
    """What can't be written may still be read."""
    world.disk.is_full = True
    waiting = await started(world.storage(None).transact(stored))
    world.disk.is_full = False

    assert await world.storage(0).read(stored) == "stored"
    assert (world.health.trouble, waiting.done()) == ("disk full", False)
    await world.clock.move(1)
    assert await waiting == "stored"


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_recorder_waits_as_well(world: World, is_known: bool) -> None:
    """A status is answered when it is stored, whether it was the first to find the disk full or came later."""
    world.disk.is_full = True
    recorder = PatientRecorder(world.disk, storage=world.storage(20))  # type: ignore[arg-type]  # connectors alone
    if is_known:
        world.health.away(StorageAway("disk full"))
    waiting = await started(recorder.connector(connector(1), None))  # type: ignore[arg-type]
    await world.clock.move(5)
    assert not waiting.done()
    world.disk.is_full = False
    await world.clock.move(1)

    await waiting
    assert world.disk.attempts == (1 if is_known else 2)


async def test_a_recorder_does_not_wait_for_ever(world: World) -> None:
    """After the limit its row is not stored, and whoever waits is told so."""
    world.disk.is_full = True
    recorder = PatientRecorder(world.disk, storage=world.storage(20))  # type: ignore[arg-type]  # connectors alone
    waiting = await started(recorder.connector(connector(1), None))  # type: ignore[arg-type]
    await world.clock.move(21)
    with pytest.raises(StorageAway):
        await waiting


async def test_a_fault_of_the_work_is_no_outage(world: World) -> None:
    """It goes to its caller, and the storage is well."""

    def wrong(tx: Tx) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.storage(20).transact(wrong)
    assert world.health.trouble is None
