"""What every Stream does: each committed event once, in order, from wherever a follower begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from evhold.adapters.bus_local import LocalBus
from evhold.adapters.clock import SystemClock
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.storage import open_storage
from evhold.domain.events import ConnectorChanged, Event, OrderDue, RegistryChanged, ReservationChanged, StationPresence
from evhold.domain.reservation import End, Reservation, State
from evhold.domain.values import ConnectorId, EvseId, IdToken, ReservationId, StationId, StatusInfo, Terms
from evhold.usecases.ports import Numbered, StorageAway, Stream, Told

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATION = StationId("CS-1")
RESERVATION = Reservation(
    id=ReservationId(7),
    station_id=STATION,
    terms=Terms(id_token=IdToken("Ab", "Central"), expiry=NOON, evse_id=EvseId(1)),
    state=State.USED,
    created_at=NOON,
    updated_at=NOON + timedelta(microseconds=1),
    status_info=StatusInfo("Why", "because"),
    came_from=End(State.EXPIRED, None),
)
EVENTS: list[Event] = [
    ReservationChanged(name="reservation.used", at=NOON, cause="x", reservation=RESERVATION),
    ConnectorChanged(
        at=NOON, station_id=STATION, evse_id=EvseId(1), connector_id=ConnectorId(1), status="Available", since=NOON
    ),
    StationPresence(at=NOON, station_id=STATION, online=False),
    OrderDue(at=NOON, station_id=STATION, reservation_id=ReservationId(7), not_before=NOON),
    RegistryChanged(at=NOON, kind="token", key="Central:ab"),
]


#: For tests that open the same database twice.
LASTING = pytest.mark.parametrize("url", ["file", "postgresql"], indirect=True)


class Node:
    """The log, the reader and the bus of one process, as they are put together."""

    def __init__(self, storage: Database, *, position: int, queue: int, poll_s: float) -> None:
        self.storage = storage
        self.log = EventLog(storage)
        self.bus = LocalBus(self.log, position=position, queue=queue)
        self.stream: Stream = self.bus
        self.reader = OutboxReader(self.log, position=position, tell=self.bus.tell, poll_s=poll_s)
        storage.on_told(self.reader.wake)
        self.running = asyncio.create_task(self.reader.run())

    async def tell(self, *events: Event) -> None:
        """They are committed, each by itself."""
        for event in events:
            await self.storage.transact(lambda tx, event=event: tx.outbox.add(event))  # type: ignore[misc]  # a default argument

    async def close(self) -> None:
        """It reads no more."""
        self.bus.close()
        self.running.cancel()
        await asyncio.wait([self.running])


@pytest.fixture
async def node(storage: Database) -> AsyncIterator[Node]:
    """On an empty storage; a follower's queue holds five. It does not look for other processes' events."""
    made = Node(storage, position=0, queue=5, poll_s=3600)
    yield made
    await made.close()


def numbered(number: int) -> Event:
    """An event that is told apart."""
    return RegistryChanged(at=NOON, kind="token", key=str(number))


async def take(stream: AsyncIterator[Told | None], count: int) -> list[Told | None]:
    """The next so many."""
    return [await anext(stream) for _ in range(count)]


def seqs(told: list[Told | None]) -> list[int | None]:
    """Their numbers, None for a gap."""
    return [None if one is None else one.seq for one in told]


async def test_every_kind_of_event_comes_back_exactly(node: Node) -> None:
    """As it was told."""
    follower = node.stream.follow(after=None)
    await node.tell(*EVENTS)
    told = await take(follower, len(EVENTS))
    assert [repr(one.event) for one in told if one] == [repr(event) for event in EVENTS]
    assert seqs(told) == [1, 2, 3, 4, 5]
    # Told from memory where it was committed, or from the log: the same events.
    stored = await node.log.after(0)
    assert [repr(one) for one in stored] == [repr(one) for one in told]


async def test_a_batch_is_all_that_is_in_hand(node: Node) -> None:
    """In order, and no more at a time than is asked for."""
    follower = node.bus.follow(after=None)
    await node.tell(*(numbered(number) for number in range(1, 5)))
    await node.reader.drain()
    assert seqs(await follower.batch(limit=3)) == [1, 2, 3]
    assert seqs(await follower.batch(limit=3)) == [4]


class NoLog:
    """Events that another process committed; reading them takes until ``read`` is set."""

    def __init__(self, *stored: Told) -> None:
        self.stored = list(stored)
        self.read = asyncio.Event()
        self.numbers: Numbered | None = None

    async def number(self) -> Numbered | None:
        """Numbered already, unless the test says so."""
        return self.numbers

    async def news(self, seq: int, *, limit: int) -> list[Told]:
        """What was stored when it was asked for."""
        found = [one for one in self.stored if one.seq > seq]
        await self.read.wait()
        return found


async def test_what_follows_on_is_told_without_reading() -> None:
    """And what does not is left to the next reading: another process has committed in between."""
    first, second, third = (Told(seq, numbered(seq)) for seq in (1, 2, 3))
    told: list[Told] = []
    log = NoLog(first, second, third)
    reader = OutboxReader(log, position=0, tell=told.extend)
    reader.wake([first])
    assert told == [first]
    reader.wake([third])
    assert told == [first]
    log.read.set()
    await reader.drain()
    assert told == [first, second, third]


async def test_what_came_with_its_numbers_is_told_without_reading() -> None:
    """Where it follows on; where a number is missing before it or in it, all is read."""
    events = [Told(seq, numbered(seq)) for seq in range(1, 7)]
    told: list[Told] = []
    spread: list[int] = []
    log = NoLog()
    reader = OutboxReader(log, position=0, tell=told.extend, spread=spread.append)
    log.numbers = Numbered(given=2, top=2, told=events[:2])
    await reader.drain()
    assert told == events[:2]
    log.stored, log.numbers = events, Numbered(given=1, top=4, told=events[3:4])
    log.read.set()
    await reader.drain()
    assert told == events
    log.stored, log.numbers = [], Numbered(given=0, top=6)
    await reader.drain()
    assert told == events
    assert spread == [2, 6]


async def test_what_was_told_while_it_was_read_is_not_told_again() -> None:
    """Each event once, in order."""
    first, second = (Told(seq, numbered(seq)) for seq in (1, 2))
    told: list[Told] = []
    log = NoLog(first)
    reader = OutboxReader(log, position=0, tell=told.extend)
    reading = asyncio.create_task(reader.drain())
    await asyncio.sleep(0)
    reader.wake([first, second])
    log.read.set()
    await reading
    assert told == [first, second]


async def test_events_of_a_later_version_hold_nobody_up(node: Node, monkeypatch) -> None:
    """A kind that is not known, and a body that can't be read, are left out; what comes behind them is told."""
    monkeypatch.setattr("evhold.adapters.bus_local.PAGE", 3)
    body = '{"at":"2026-03-01T12:00:00Z","kind":"token","key":[]}'
    follower = node.stream.follow(after=None)
    await node.tell(*(numbered(n) for n in range(8)))
    assert seqs(await take(follower, 8)) == list(range(1, 9))
    later = [(f"kind = 'Later', body = '{body}'", 1, 5), (f"body = '{body}'", 6, 6)]
    for change, first, last in later:
        sql = text(f"UPDATE outbox SET {change} WHERE seq BETWEEN {first} AND {last}")
        await node.storage.write(lambda tx, sql=sql: tx.connection.execute(sql) and None)  # type: ignore[misc]  # a default argument
    assert seqs(await take(node.stream.follow(after=0), 2)) == [7, 8]


async def test_a_follower_from_now_on_gets_what_comes_after_it_asked(node: Node) -> None:
    """Also before it takes its first step."""
    await node.tell(numbered(1))
    await node.reader.drain()
    follower = node.stream.follow(after=None)
    await node.tell(numbered(2))
    assert seqs(await take(follower, 1)) == [2]


async def test_followers_lose_nothing_while_many_write(node: Node) -> None:
    """Wherever they begin, and though their queues overflow, each gets every number once, in order."""
    followers = [(after, node.stream.follow(after=after)) for after in (0, 0, None)]

    async def write(lane: int) -> None:
        await node.tell(*(numbered(lane) for _ in range(20)))

    readers = [asyncio.create_task(take(follower, 400)) for _, follower in followers]
    await asyncio.gather(*(write(lane) for lane in range(20)))
    late = node.stream.follow(after=150)
    for reader in readers:
        assert seqs(await reader) == list(range(1, 401))
    assert seqs(await take(late, 250)) == list(range(151, 401))


async def test_a_slow_follower_catches_up_from_the_log(node: Node) -> None:
    """Its queue overflowed long ago; nothing is lost for it."""
    slow = node.stream.follow(after=None)
    await node.tell(*(numbered(n) for n in range(30)))
    await node.reader.drain()
    assert seqs(await take(slow, 30)) == list(range(1, 31))


async def test_pruned_events_leave_a_gap(node: Node) -> None:
    """A reader of older numbers is told once, and goes on with what is there; numbers are not given again."""
    old = [replace(EVENTS[4], at=NOON - timedelta(days=8)) for _ in range(3)]
    await node.tell(*old, *EVENTS[:2])
    await node.reader.drain()
    assert await node.log.prune(before=NOON - timedelta(days=7)) == 3
    assert await node.log.pruned() == 3
    assert seqs(await take(node.stream.follow(after=1), 3)) == [None, 4, 5]
    assert seqs(await take(node.stream.follow(after=3), 2)) == [4, 5]
    assert await node.log.prune(before=NOON + timedelta(days=7)) == 2
    assert await node.log.last() == 5
    follower = node.stream.follow(after=None)
    await node.tell(numbered(1))
    assert seqs(await take(follower, 1)) == [6]


async def test_a_number_never_given_is_a_gap(node: Node) -> None:
    """Of another database, perhaps: the follower is told, and begins now."""
    await node.tell(numbered(1))
    await node.reader.drain()
    follower = node.stream.follow(after=999)
    await node.tell(numbered(2))
    assert seqs(await take(follower, 2)) == [None, 2]


async def test_nothing_is_told_that_was_rolled_back(node: Node) -> None:
    """Committed before said."""
    follower = node.stream.follow(after=None)

    def fail(tx: object) -> None:
        tx.outbox.add(numbered(1))  # type: ignore[attr-defined]  # a Tx
        raise LookupError

    outcomes = await asyncio.gather(node.storage.transact(fail), node.tell(numbered(2)), return_exceptions=True)
    assert isinstance(outcomes[0], LookupError)
    told = await take(follower, 1)
    assert [one.event for one in told if one] == [numbered(2)]


async def test_closing_ends_every_follower(node: Node) -> None:
    """Those that wait, and those that have not begun."""
    waiting = node.stream.follow(after=None)
    reader = asyncio.create_task(take(waiting, 1))
    await asyncio.sleep(0)
    node.bus.close()
    with pytest.raises(StopAsyncIteration):
        await anext(waiting)
    outcome = (await asyncio.gather(reader, return_exceptions=True))[0]
    assert isinstance(outcome, StopAsyncIteration | RuntimeError)


@LASTING
async def test_a_readers_place_is_kept(url: str) -> None:
    """After a restart it goes on behind what it had handled."""
    clock = SystemClock()
    storage = open_storage(url, clock=clock)
    log = EventLog(storage)
    assert await log.cursor("reactions") is None
    for number in range(3):
        await storage.transact(lambda tx, n=number: tx.outbox.add(numbered(n)))  # type: ignore[misc]  # a default argument
    await log.move_cursor("reactions", to=1)
    await log.move_cursor("reactions", to=2)
    await log.number()
    await storage.close()
    storage = open_storage(url, clock=clock)
    log = EventLog(storage)
    after = await log.cursor("reactions")
    node = Node(storage, position=await log.last(), queue=5, poll_s=3600)
    assert after == 2
    assert seqs(await take(node.stream.follow(after=after), 1)) == [3]
    await node.close()
    await storage.close()


@LASTING
async def test_events_of_another_process_are_found(url: str) -> None:
    """The command line provisions into the same database; a look now and then finds its events."""
    clock = SystemClock()
    storage, other = open_storage(url, clock=clock), open_storage(url, clock=clock)
    node = Node(storage, position=0, queue=5, poll_s=0.01)
    follower = node.stream.follow(after=None)
    await other.transact(lambda tx: tx.outbox.add(numbered(1)))
    assert seqs(await take(follower, 1)) == [1]
    await node.close()
    await storage.close()
    await other.close()


@pytest.mark.parametrize("trouble", [StorageAway("for a moment"), ZeroDivisionError("a fault of ours")])
async def test_neither_an_outage_nor_a_fault_stops_a_reader(trouble: Exception) -> None:
    """It looks again, and tells what it missed."""
    told: asyncio.Future[list[Told]] = asyncio.get_running_loop().create_future()

    class AwayOnce:
        """Fails at the first look."""

        looks = 0

        async def number(self) -> None:
            """They have."""

        async def news(self, seq: int, *, limit: int) -> list[Told]:
            self.looks += 1
            if self.looks == 1:
                raise trouble
            return [] if seq else [Told(1, numbered(1))]

    reader = OutboxReader(AwayOnce(), position=0, tell=lambda events: told.set_result(list(events)), poll_s=0.001)
    running = asyncio.create_task(reader.run())
    assert seqs(list(await told)) == [1]
    running.cancel()
    await asyncio.wait([running])
