"""`reservation.expiring` on real statements: once for each expiry that a reservation ever has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sql_examples import HOUR, NOON, activate, provision, terms
from timed_clock import TimedClock

from evhold.adapters.orders import TaskOrders
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.storage import open_storage
from evhold.domain.events import EXPIRING, ReservationChanged
from evhold.domain.transitions import Step
from evhold.usecases import h04_end
from evhold.usecases.ports import Rules

FIVE = timedelta(minutes=5)


class Reminding:
    """Storage, a clock, and the sweeper of a node, which may be started again."""

    def __init__(self, url: str) -> None:
        self.clock = TimedClock()
        self.orders = TaskOrders()
        self.storage: Database = open_storage(url, clock=self.clock)
        self.sweeper = self.started()

    def started(self) -> h04_end.Sweeper:
        """A new sweeper, which knows nothing yet."""
        made = h04_end.Sweeper(
            storage=self.storage, clock=self.clock, orders=self.orders, rules=Rules(expiry_grace=timedelta())
        )
        made.start()
        return made

    async def move(self, seconds: float) -> None:
        """Time passes, and what was due is stored."""
        await self.orders.finish(timeout_s=30)
        end = self.clock.seconds + seconds
        while (wait := self.clock.next_call) is not None and self.clock.seconds + wait <= end:
            await self.clock.move(max(wait, 0))
            await self.orders.finish(timeout_s=30)
        await self.clock.move(end - self.clock.seconds)

    async def told(self) -> list[tuple[int, float]]:
        """Who was reminded, and at which second."""
        log = EventLog(self.storage)
        await log.number()
        events = [one.event for one in await log.after(0)]
        return [
            (one.reservation.id, (one.at - NOON).total_seconds())
            for one in events
            if isinstance(one, ReservationChanged) and one.name == EXPIRING
        ]

    async def reserve(self, **wanted: object) -> int:
        """An Active one, which the sweeper expects."""
        made = await self.storage.transact(lambda tx: activate(tx, terms(**wanted)))
        made = await self.change(made.id, created_at=self.clock.now())
        self.sweeper.expect(made.expiry)
        return made.id

    async def change(self, number: int, **changes: object):
        """The reservation is so from now on."""

        def work(tx):
            changed = replace(tx.reservations.get(number), **changes)
            tx.reservations.save(Step(reservation=changed))
            return changed

        return await self.storage.transact(work)

    async def replace_expiry(self, number: int, expiry) -> None:
        """Another expiry is in force."""
        known = await self.storage.transact(lambda tx: tx.reservations.get(number))
        changed = await self.change(number, terms=replace(known.terms, expiry=expiry))
        self.sweeper.expect(changed.expiry)


@pytest.fixture
async def node(url: str) -> AsyncIterator[Reminding]:
    """A node on a new database that knows the station."""
    made = Reminding(url)
    await provision(made.storage)
    yield made
    made.sweeper.stop()
    await made.orders.finish(timeout_s=30)
    await made.storage.close()


async def test_it_is_told_once_five_minutes_before(node: Reminding) -> None:
    """Not before, not again; also when the node was started anew in between."""
    number = await node.reserve(expiry=NOON + HOUR)
    await node.move(3600 - 300 - 1)
    assert await node.told() == []
    node.sweeper.stop()
    node.sweeper = node.started()
    await node.move(2)
    assert [one for one, _ in await node.told()] == [number]
    ((_, second),) = await node.told()
    assert 3300 <= second <= 3301
    node.sweeper.stop()
    node.sweeper = node.started()
    await node.move(299)
    assert len(await node.told()) == 1


async def test_it_moves_with_a_replaced_expiry(node: Reminding) -> None:
    """Told of the old one already, it is told of the new one too; a nearer one is told at once."""
    number = await node.reserve(expiry=NOON + HOUR)
    await node.move(3400)
    await node.replace_expiry(number, NOON + 2 * HOUR)
    await node.move(3300)
    assert len(await node.told()) == 1
    await node.move(300)
    assert [one for one, _ in await node.told()] == [number, number]
    other = await node.reserve(expiry=NOON + 10 * HOUR, evse_id=2)
    await node.move(600)
    await node.replace_expiry(other, node.clock.now() + timedelta(minutes=2))
    await node.move(61)
    assert [one for one, _ in await node.told()] == [number, number, other]


async def test_who_reserves_for_less_or_wants_to_cancel_is_not_reminded(node: Reminding) -> None:
    """The moment never comes, or is no news."""
    await node.reserve(expiry=NOON + timedelta(minutes=4))
    canceling = await node.reserve(expiry=NOON + HOUR, evse_id=2)
    await node.change(canceling, cancel_requested_at=NOON)
    await node.move(3590)
    assert await node.told() == []


async def test_it_goes_by_the_clock_of_the_station(node: Reminding) -> None:
    """A station that is ten minutes ahead ends it ten minutes earlier."""
    number = await node.reserve(expiry=NOON + HOUR)

    def learn(tx) -> None:
        station = tx.stations.get(tx.reservations.get(number).station_id)
        tx.stations.put(replace(station, clock_offset=timedelta(minutes=10)))

    await node.storage.transact(learn)
    await node.move(3600 - 900 - 61)
    assert await node.told() == []
    await node.move(121)
    assert [one for one, _ in await node.told()] == [number]
