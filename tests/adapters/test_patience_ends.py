"""How waiting for the database ends otherwise: the node stops, the waiter goes, the probe itself is at fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from timed_clock import TimedClock

from evhold.adapters.patience import RETRY_S, PatientStorage, StorageHealth
from evhold.usecases.ports import StorageAway

LONG_S = 20.0


class Bench:
    """One storage that works or does not, with its health, watched."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.writes = 0
        self.events: list[str] = []
        self.clock = TimedClock()
        self.health = StorageHealth(
            self.probe,
            clock=self.clock,
            on_long=lambda: self.events.append("long"),
            on_back=lambda: self.events.append("back"),
            long_s=LONG_S,
        )

    async def probe(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def transact(self, work):
        self.writes += 1
        await self.probe()
        return work(None)

    def write(self, limit_s: float | None) -> asyncio.Task[str]:
        """One that is as patient."""
        patient = PatientStorage(self, health=self.health, clock=self.clock, limit_s=limit_s)
        return asyncio.ensure_future(patient.patiently(lambda: self.transact(lambda tx: "stored")))

    def lose(self) -> None:
        self.trouble = StorageAway("disk full")

    async def find(self) -> None:
        self.trouble = None
        await self.clock.move(RETRY_S)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Nothing is wrong yet."""
    made = Bench()
    yield made
    await made.health.close()


async def test_the_next_outage_is_another_one(bench):
    """Its time counts from its own beginning."""
    for _ in range(2):
        bench.lose()
        waiting = bench.write(None)
        await bench.clock.move(LONG_S * 0.7)
        await bench.find()
        assert await waiting == "stored"
    assert bench.events == ["back", "back"]


async def test_a_thousand_who_wait_try_no_more_than_one(bench):
    """Else they would hold the probe up, each for as long as SQLite waits for a lock."""
    bench.lose()
    waiting = [bench.write(None) for _ in range(1_000)]
    await bench.clock.move(10)
    assert bench.writes == 1
    await bench.find()
    assert await asyncio.gather(*waiting) == ["stored"] * 1_000
    assert bench.writes == 1_001


async def test_a_probe_that_fails_in_another_way_is_tried_again(bench):
    """A node that stopped probing would never heal."""
    bench.lose()
    waiting = bench.write(None)
    await bench.clock.move(1)
    bench.trouble = RuntimeError("no such table")
    await bench.clock.move(1)
    assert bench.health.trouble == "disk full"
    await bench.find()
    assert await waiting == "stored"


async def test_nobody_waits_for_a_node_that_stops(bench):
    """Who comes in an outage has StorageAway at once; a working storage goes on."""
    bench.health.give_up()
    assert await bench.write(None) == "stored"
    bench.lose()
    with pytest.raises(StorageAway, match="disk full"):
        await bench.write(None)


async def test_who_waits_when_the_node_stops_is_sent_home(bench):
    """Even one that would wait for ever."""
    bench.lose()
    waiting = bench.write(None)
    await bench.clock.move(1)
    bench.health.give_up()
    with pytest.raises(StorageAway, match="disk full"):
        await waiting


async def test_a_waiter_that_is_cancelled_leaves_nothing(bench):
    """Its timer is taken back, and the others go on."""
    bench.lose()
    gone, stays = bench.write(LONG_S), bench.write(None)
    await bench.clock.move(1)
    gone.cancel()
    await bench.find()
    assert await stays == "stored"
    assert gone.cancelled()
    assert (bench.writes, bench.clock.next_call) == (2, None)
