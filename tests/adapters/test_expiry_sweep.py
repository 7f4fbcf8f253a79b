"""The expiry sweep on real statements: exact under 100,000 live reservations, whatever the clocks do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sql_examples import NOON, STATION, activate, provision, terms
from sqlalchemy import literal_column, select
from timed_clock import TimedClock

from evhold.adapters.orders import TaskOrders
from evhold.adapters.sql import reservations as statements
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import open_storage
from evhold.adapters.sql.tables import reservations
from evhold.domain.reservation import State
from evhold.domain.station import Station
from evhold.usecases import g01_connector_status, h04_end
from evhold.usecases.ports import Connected, Rules

MANY = 100_000
GRACE = timedelta(seconds=30)
FIRST = NOON + timedelta(hours=1)
#: Microseconds between two expiries: 100,000 within the hour.
EVERY_US = 36_000


@dataclass
class Stage:
    """Storage in memory, a clock, and the sweeper of a node."""

    clock: TimedClock
    storage: Database
    orders: TaskOrders
    sweeper: h04_end.Sweeper

    async def move(self, seconds: float) -> None:
        """Time passes, and what was swept is stored."""
        end = self.clock.seconds + seconds
        while (wait := self.clock.next_call) is not None and self.clock.seconds + wait <= end:
            await self.clock.move(max(wait, 0))
            await self.orders.finish(timeout_s=30)
        await self.clock.move(end - self.clock.seconds)

    async def state(self, number: int) -> State:
        """Of one reservation."""
        return (await self.storage.read(lambda tx: tx.reservations.get(number))).state

    async def expired(self) -> int:
        """How many have."""
        counts = await self.storage.read(lambda tx: tx.reservations.count_by_state())
        return counts[State.EXPIRED]

    async def reserve(self, **wanted: object) -> int:
        """An Active one, which the sweeper expects."""
        made = await self.storage.transact(lambda tx: activate(tx, terms(**wanted)))
        self.sweeper.expect(made.expiry)
        return made.id


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The station is known, the sweeper has started."""
    clock, orders = TimedClock(), TaskOrders()
    storage = open_storage("sqlite://", clock=clock)
    sweeper = h04_end.Sweeper(
        storage=storage, clock=clock, orders=orders, rules=Rules(expiry_grace=GRACE, expiring_before=timedelta())
    )
    made = Stage(clock, storage, orders, sweeper)
    await provision(storage)
    sweeper.start()
    await orders.finish(timeout_s=30)
    yield made
    sweeper.stop()
    await orders.finish(timeout_s=30)
    await storage.close()


def multiply(tx, number: int) -> None:
    """One reservation becomes MANY, their expiries evenly behind its own."""
    step = f"(n.n * {EVERY_US})"
    changed = {
        "id": literal_column(f"reservations.id + n.n * {MANY}"),
        "reservation_id": literal_column("reservations.reservation_id + n.n"),
        "evse_id": literal_column("NULL"),
        **{name: literal_column(f"{name} + {step}") for name in ("expiry_date_time", "held_until", "sweep_at")},
    }
    columns = [changed.get(column.name, column) for column in reservations.c]
    source = str(select(*columns).where(reservations.c.reservation_id == literal_column(str(number))))
    body, where = source.split("\nWHERE ")
    names = ", ".join(column.name for column in reservations.c)
    tx.connection.exec_driver_sql(
        f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY - 1}) "
        f"INSERT INTO reservations ({names}) {body}, n WHERE {where}"
    )


def plan(storage: Database, tx, statement, **values: object) -> str:
    """How SQLite goes about it."""
    compiled = statement.statement(storage.dialect).compile(dialect=storage.dialect)
    given = compiled.construct_params(values)
    rows = tx.connection.exec_driver_sql(
        f"EXPLAIN QUERY PLAN {compiled}", tuple(given[name] for name in compiled.positiontup)
    )
    return "; ".join(row[-1] for row in rows)


@pytest.mark.row(44)
async def test_it_is_exact_under_a_hundred_thousand(stage, capsys):
    """Each at its expiry and grace, none before; no table is scanned, and its cost does not grow with their number."""
    number = await stage.reserve(evse_id=None, expiry=FIRST)
    await stage.storage.write(lambda tx: multiply(tx, number))
    assert await stage.storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) == FIRST + GRACE

    await stage.move(3600 + 30 - 0.01)
    assert await stage.expired() == 0
    await stage.move(0.02)
    assert await stage.expired() == 1
    began = time.perf_counter()
    await stage.move(10)
    seconds = time.perf_counter() - began
    swept = 1 + 10_010_000 // EVERY_US
    # A sweep begins 50 ms behind the one before at the soonest: what falls due between waits so long.
    assert swept - 2 <= await stage.expired() <= swept
    await stage.move(0.05)
    assert await stage.expired() >= swept

    began = time.perf_counter()
    soonest = await stage.storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE))
    look = time.perf_counter() - began
    assert timedelta() < soonest - stage.clock.now() <= timedelta(microseconds=EVERY_US)
    with capsys.disabled():
        print(f"\nsweep among {MANY}: {swept} expired in {seconds:.2f} s, the next one found in {look * 1000:.2f} ms")

    for statement, values in ((statements._SWEEP, {"before": 0, "most": 200}), (statements._NEXT_SWEEP, {})):
        told = await stage.storage.write(
            lambda tx, statement=statement, values=values: plan(stage.storage, tx, statement, **values)
        )
        assert "idx_reservations_sweep" in told
        assert "TEMP B-TREE" not in told


@pytest.mark.row(44)
async def test_it_comes_at_least_once_a_minute(stage):
    """Also when nothing is expected: what it was not told of, by another process perhaps, is found."""
    made = await stage.storage.transact(lambda tx: activate(tx, terms(expiry=NOON + timedelta(seconds=1))))
    await stage.move(30)
    assert await stage.state(made.id) is State.ACTIVE
    await stage.move(30.1)
    assert await stage.state(made.id) is State.EXPIRED


@pytest.mark.row(44)
async def test_our_clock_is_set_forward(stage):
    """What is past by the new time is found within a minute."""
    number = await stage.reserve(expiry=FIRST)
    stage.clock.step(timedelta(hours=2))
    await stage.move(60)
    assert await stage.state(number) is State.EXPIRED


@pytest.mark.row(44)
async def test_our_clock_is_set_back_and_forth(stage):
    """Nothing expires early, and nothing late by more than a minute."""
    before = await stage.reserve(expiry=NOON + timedelta(minutes=10))
    stage.clock.step(timedelta(days=-1))
    after = await stage.reserve(evse_id=2, expiry=stage.clock.now() + timedelta(minutes=2))
    await stage.move(149)
    assert await stage.state(after) is State.ACTIVE
    await stage.move(1.1)
    assert (await stage.state(after), await stage.state(before)) == (State.EXPIRED, State.ACTIVE)
    stage.clock.step(timedelta(days=1))
    await stage.move(600)
    assert await stage.state(before) is State.EXPIRED


def report(stage: Stage, connected: Connected, *, offset: timedelta, status: str):
    """A StatusNotification that is stamped by a wrong clock."""
    return g01_connector_status.report(
        status,
        evse_id=1,
        connector_id=1,
        stamp=stage.clock.now() + offset,
        connected=connected,
        recorder=SqlRecorder(stage.storage, now=stage.clock.now),
        storage=stage.storage,
        at=stage.clock.now(),
    )


@pytest.mark.row(44)
@pytest.mark.parametrize("offset", [timedelta(minutes=-7), timedelta(minutes=7), timedelta(days=-3), timedelta(days=3)])
async def test_a_learned_clock_moves_the_sweep_of_what_is_live(stage, offset):
    """By the station's clock it is exact again, for reservations made before and after; and back when that clock is set."""
    connected = Connected(station_id=STATION, epoch=1, registration="Accepted")
    expiry = NOON + timedelta(days=5)
    before = await stage.reserve(expiry=expiry)
    for status in ("Reserved", "Available", "Reserved"):
        told = report(stage, connected, offset=offset, status=status)
        if told is not None:
            await told
    after = await stage.reserve(evse_id=2, expiry=expiry + timedelta(hours=1))
    assert connected.clock_offset == offset
    sweeps = select(reservations.c.reservation_id, reservations.c.sweep_at)
    stored = await stage.storage.write(lambda tx: dict(tuple(row) for row in tx.connection.execute(sweeps)))
    assert stored == {before: expiry - offset, after: expiry + timedelta(hours=1) - offset}

    stage.clock.step(expiry - offset + GRACE - stage.clock.now() - timedelta(seconds=70))
    await stage.move(69)
    assert await stage.state(before) is State.ACTIVE
    await stage.move(1.1)
    assert (await stage.state(before), await stage.state(after)) == (State.EXPIRED, State.ACTIVE)


@pytest.mark.row(44)
async def test_a_boot_stores_the_clock_and_moves_the_sweep(stage):
    """The recorder's way to a station's row does the same."""
    number = await stage.reserve(expiry=FIRST)
    known = await stage.storage.read(lambda tx: tx.stations.get(STATION))
    late: Station = replace(known, clock_offset=timedelta(minutes=-20))
    await SqlRecorder(stage.storage, now=stage.clock.now).station(late, ())
    assert await stage.storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) == (
        FIRST + timedelta(minutes=20) + GRACE
    )
    await stage.move(3600 + 1200 + 29)
    assert await stage.state(number) is State.ACTIVE
    await stage.move(61)
    assert await stage.state(number) is State.EXPIRED
