"""What waits for a database that is away, for how long, and what happens when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sql_examples import NOON, STATION
from timed_clock import TimedClock, settled

from evhold.adapters.patience import RETRY_S, PatientRecorder, PatientStorage, StorageHealth
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged
from evhold.domain.station import Station
from evhold.domain.transaction import Transaction
from evhold.domain.values import ConnectorId, EvseId, TransactionId
from evhold.usecases.ports import StorageAway

LONG_S = 20.0


class Disk:
    """Storage, recorder and probe at once: works, or does not."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.reads = self.writes = self.probes = 0
        self.readable = True

    async def transact(self, work):
        self.writes += 1
        return self._or_trouble(work(None))

    async def read(self, work):
        self.reads += 1
        return work(None) if self.readable else self._or_trouble(work(None))

    async def probe(self):
        self.probes += 1
        self._or_trouble(None)

    async def connector(self, connector, event):
        await self.transact(lambda tx: None)

    async def transaction(self, transaction):
        await self.transact(lambda tx: None)

    async def station(self, station, events):
        self.told = list(events)
        await self.transact(lambda tx: None)

    def _or_trouble(self, result):
        if self.trouble is not None:
            raise self.trouble
        return result


class Bench:
    """One storage with its health, watched."""

    def __init__(self) -> None:
        self.clock = TimedClock()
        self.disk = Disk()
        self.events: list[str] = []
        self.health = StorageHealth(
            self.disk.probe,
            clock=self.clock,
            on_long=lambda: self.events.append("long"),
            on_back=lambda: self.events.append("back"),
            long_s=LONG_S,
        )

    def patient(self, limit_s: float | None) -> PatientStorage:
        return PatientStorage(self.disk, health=self.health, clock=self.clock, limit_s=limit_s)

    def lose(self) -> None:
        self.disk.trouble = StorageAway("disk full")
        self.disk.readable = False

    def find(self) -> None:
        self.disk.trouble = None
        self.disk.readable = True

    def write(self, limit_s: float | None, result: str = "stored") -> asyncio.Task[str]:
        async def run() -> str:
            return await self.patient(limit_s).transact(lambda tx: result)

        return asyncio.get_running_loop().create_task(run())


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Nothing is wrong yet."""
    made = Bench()
    yield made
    await made.health.close()


async def test_a_working_storage_is_used_as_it_is(bench):
    """No outage, no probe, no timer."""
    assert await bench.write(0) == "stored"
    assert await bench.patient(0).read(lambda tx: "seen") == "seen"
    assert (bench.health.trouble, bench.disk.probes, bench.clock.next_call) == (None, 0, None)
    assert await bench.health.back() is True


async def test_a_fault_of_the_work_is_no_outage(bench):
    """It belongs to the caller, at once."""
    bench.disk.trouble = ValueError("wrong")
    with pytest.raises(ValueError, match="wrong"):
        await bench.write(None)
    assert bench.health.trouble is None


async def test_a_brief_outage_is_waited_out(bench):
    """The answer comes late, once; health tells what is wrong meanwhile."""
    bench.lose()
    waiting = bench.write(LONG_S)
    await bench.clock.move(5)
    assert not waiting.done()
    assert bench.health.trouble == "disk full"
    bench.find()
    await bench.clock.move(RETRY_S)
    assert await waiting == "stored"
    assert (bench.health.trouble, bench.events) == (None, ["back"])


async def test_only_the_probe_tries_while_the_storage_is_away(bench):
    """However many wait, each tries once before and once after."""
    bench.lose()
    waiting = [bench.write(None, f"number {number}") for number in range(100)]
    await bench.clock.move(10)
    late = [bench.write(None) for _ in range(100)]
    await bench.clock.move(10)
    assert (bench.disk.writes, bench.disk.probes) == (100, 20 / RETRY_S)
    bench.find()
    await bench.clock.move(RETRY_S)
    assert [await one for one in waiting] == [f"number {number}" for number in range(100)]
    assert [await one for one in late] == ["stored"] * 100
    assert bench.disk.writes == 300


async def test_who_is_not_patient_hears_at_once(bench):
    """Without another try while the outage is known."""
    bench.lose()
    with pytest.raises(StorageAway, match="disk full"):
        await bench.write(0)
    with pytest.raises(StorageAway, match="disk full"):
        await bench.write(0)
    assert bench.disk.writes == 1


async def test_patience_ends_at_its_limit(bench):
    """Not before, and not much later."""
    bench.lose()
    waiting = bench.write(LONG_S)
    await bench.clock.move(LONG_S - 0.01)
    assert not waiting.done()
    await bench.clock.move(0.01)
    await settled()
    with pytest.raises(StorageAway, match="disk full"):
        await waiting


async def test_an_enduring_one_waits_for_ever(bench):
    """An order that was sent is never forgotten for want of a disk."""
    bench.lose()
    waiting = bench.write(None)
    await bench.clock.move(86_400)
    bench.find()
    await bench.clock.move(RETRY_S)
    assert await waiting == "stored"


async def test_stations_are_sent_away_once_in_a_long_outage(bench):
    """Handshakes are refused until it is over."""
    bench.lose()
    waiting = bench.write(None)
    await bench.clock.move(LONG_S - RETRY_S)
    assert (bench.health.is_long, bench.events) == (False, [])
    await bench.clock.move(2 * RETRY_S)
    await bench.clock.move(60)
    assert (bench.health.is_long, bench.events) == (True, ["long"])
    bench.find()
    await bench.clock.move(RETRY_S)
    assert (bench.health.is_long, bench.events, await waiting) == (False, ["long", "back"], "stored")


async def test_the_next_outage_is_another_one(bench):
    """Its time counts from its own beginning."""
    for _ in range(2):
        bench.lose()
        waiting = bench.write(None)
        await bench.clock.move(LONG_S / 2)
        bench.find()
        await bench.clock.move(RETRY_S)
        assert await waiting == "stored"
    assert bench.events == ["back", "back"]


async def test_what_can_be_read_is_read_though_nothing_can_be_written(bench):
    """A locked database answers readers; a lost one lets them wait."""
    bench.lose()
    with pytest.raises(StorageAway):
        await bench.write(0)
    bench.disk.readable = True
    assert await bench.patient(0).read(lambda tx: "seen") == "seen"
    bench.disk.readable = False
    with pytest.raises(StorageAway):
        await bench.patient(0).read(lambda tx: "seen")
    waiting = asyncio.ensure_future(bench.patient(None).read(lambda tx: "seen late"))
    await bench.clock.move(3)
    bench.find()
    await bench.clock.move(RETRY_S)
    assert await waiting == "seen late"
    assert bench.disk.reads == 4


async def test_a_probe_that_fails_in_another_way_is_tried_again(bench):
    """A node that stopped probing would never heal."""
    bench.lose()
    waiting = bench.write(None)
    await bench.clock.move(1)
    bench.disk.trouble = RuntimeError("no such table")
    await bench.clock.move(1)
    assert bench.health.trouble == "disk full"
    bench.find()
    await bench.clock.move(RETRY_S)
    assert await waiting == "stored"


async def test_a_waiter_that_is_cancelled_leaves_nothing(bench):
    """Its timer is taken back, and the others go on."""
    bench.lose()
    gone, stays = bench.write(LONG_S), bench.write(None)
    await bench.clock.move(1)
    gone.cancel()
    bench.find()
    await bench.clock.move(RETRY_S)
    assert await stays == "stored"
    assert gone.cancelled()
    assert (bench.disk.writes, bench.clock.next_call) == (3, None)


async def test_the_recorder_waits_too(bench):
    """Each of its rows; events that came as an iterator are not used up by the first attempt."""
    recorder = PatientRecorder(bench.disk, storage=bench.patient(None))
    connector = Connector(station_id=STATION, evse_id=EvseId(1), connector_id=ConnectorId(1), status="Available")
    told = ConnectorChanged(
        at=NOON, station_id=STATION, evse_id=EvseId(1), connector_id=ConnectorId(1), status="Available", since=NOON
    )
    transaction = Transaction(station_id=STATION, transaction_id=TransactionId("T1"))
    bench.lose()
    rows = (
        recorder.connector(connector, told),
        recorder.transaction(transaction),
        recorder.station(Station(id=STATION), iter([told])),
    )
    waiting = [asyncio.ensure_future(row) for row in rows]
    await bench.clock.move(3)
    assert not any(one.done() for one in waiting)
    bench.find()
    await bench.clock.move(RETRY_S)
    await asyncio.gather(*waiting)
    assert bench.disk.told == [told]
