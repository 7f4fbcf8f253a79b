"""Numbers of events on PostgreSQL, where transactions commit in any order: no reader of ``seq > last`` loses one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sql_examples import NOON, MovedClock
from sqlalchemy.util import await_only

from evhold.adapters.bus_local import LocalBus
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.sql import pg_driver
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.pg_outbox import _NUMBER, AT_ONCE, LOCK, TOLD_AT_MOST
from evhold.adapters.sql.pg_storage import PgStorage
from evhold.adapters.sql.storage import open_storage
from evhold.domain.events import RegistryChanged
from evhold.usecases.ports import StorageAway, Told
from evhold.usecases.stores import Tx
from postgres import Postgres


class Node:
    """Storage, log, reader and bus of one node; it hears of the others by their word alone."""

    def __init__(self, url: str) -> None:
        self.storage: Database = open_storage(url, clock=MovedClock())
        self.log = EventLog(self.storage)
        self.bus = LocalBus(self.log, position=0)
        self.reader = OutboxReader(self.log, position=0, tell=self.bus.tell, poll_s=3600)
        self.storage.on_told(self.reader.wake)
        self.running = asyncio.create_task(self.reader.run())
        self.followed = self.bus.follow(after=0)

    async def tell(self, key: str) -> None:
        """An event is committed."""
        await self.storage.transact(lambda tx: tx.outbox.add(event(key)))

    async def take(self, count: int) -> list[str]:
        """The next so many, by key; their numbers grow."""
        told = [await anext(self.followed) for _ in range(count)]
        numbers = [one.seq for one in told if one is not None]
        assert numbers == sorted(set(numbers))
        return [_key(one) for one in told]

    async def close(self) -> None:
        """It is gone."""
        self.bus.close()
        self.running.cancel()
        await asyncio.wait([self.running])
        await self.storage.close()


def event(key: str) -> RegistryChanged:
    """An event that is told apart."""
    return RegistryChanged(at=NOON, kind="token", key=key)


def _key(told: Told | None) -> str:
    assert told is not None
    assert isinstance(told.event, RegistryChanged)
    return told.event.key


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A new database."""
    return postgres.create()


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[list[Node]]:
    """Three, each listening."""
    made = [Node(url) for _ in range(3)]
    for one in made:
        await one.reader.drain()
    yield made
    for one in made:
        await one.close()


async def test_an_event_is_told_by_every_node_at_once(nodes: list[Node]) -> None:
    """Whoever committed it, and without any node looking by the clock."""
    await nodes[0].tell("a")
    await nodes[1].tell("b")
    assert [sorted(await one.take(2)) for one in nodes] == [["a", "b"]] * 3


async def test_a_transaction_that_commits_late_is_not_passed_over(nodes: list[Node]) -> None:
    """It told its event first, and commits when a later one has long been read."""
    added, go = asyncio.Event(), asyncio.Event()

    def slow(tx: Tx) -> None:
        tx.outbox.add(event("late"))
        added.set()
        await_only(go.wait())

    late = asyncio.ensure_future(nodes[0].storage.transact(slow))
    await added.wait()
    await nodes[1].tell("early")
    assert [await one.take(1) for one in nodes] == [["early"]] * 3
    go.set()
    await late
    assert [await one.take(1) for one in nodes] == [["late"]] * 3


async def test_no_node_loses_or_repeats_while_all_write(nodes: list[Node]) -> None:
    """Three nodes, sixty writers; each node's stream has each event once, all in the same order, each writer's in its own."""

    async def write(node: Node, lane: int) -> None:
        for number in range(10):
            await node.tell(f"{lane}-{number}")

    readers = [asyncio.create_task(one.take(600)) for one in nodes]
    await asyncio.gather(*(write(nodes[lane % 3], lane) for lane in range(60)))
    streams = [await one for one in readers]
    assert streams[0] == streams[1] == streams[2]
    assert len(set(streams[0])) == 600
    for lane in range(60):
        mine = [key for key in streams[0] if key.startswith(f"{lane}-")]
        assert mine == [f"{lane}-{number}" for number in range(10)]


async def test_what_a_dead_process_left_is_numbered_by_the_next(url: str) -> None:
    """The command line, or a node that died behind its commit: at the next look, in the order of the telling."""
    storage = open_storage(url, clock=MovedClock())

    def work(tx: Tx) -> None:
        for key in ("a", "b", "c"):
            tx.outbox.add(event(key))

    await storage.transact(work)
    assert await EventLog(storage).after(0) == []
    assert await EventLog(storage).last() == 0
    await storage.close()
    node = Node(url)
    assert await node.take(3) == ["a", "b", "c"]
    assert await node.log.last() == 3
    await node.close()


async def test_numbering_waits_for_the_one_who_is_at_it(url: str, nodes: list[Node]) -> None:
    """Under the lock of another node none is given; afterwards all are."""
    other = await asyncpg.connect(url)
    await other.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
    await nodes[0].tell("a")
    numbering = asyncio.create_task(nodes[1].log.number())
    while not await other.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"):
        await asyncio.sleep(0)
    assert not numbering.done()
    await other.execute("COMMIT")
    await other.close()
    await numbering
    assert await nodes[2].take(1) == ["a"]


async def waiting_for_the_lock(other: asyncpg.Connection, count: int) -> None:
    """So many wait to number."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while await other.fetchval(waiting) < count:
        await asyncio.sleep(0)


async def test_what_another_numbered_meanwhile_is_numbered_once(url: str, nodes: list[Node]) -> None:
    """Who waited for the lock with an older look at the rows leaves them alone; the numbers that it drew are a gap to all."""
    other = await asyncpg.connect(url)
    await other.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
    await nodes[0].storage.transact(lambda tx: tx.outbox.add(event("a")))
    await nodes[1].storage.transact(lambda tx: tx.outbox.add(event("b")))
    await waiting_for_the_lock(other, 2)
    await other.execute("COMMIT")
    assert [await one.take(2) for one in nodes] == [["a", "b"]] * 3
    assert {await one.log.last() for one in nodes} in ({2}, {3})
    await nodes[2].tell("c")
    assert [await one.take(1) for one in nodes] == [["c"]] * 3
    assert await nodes[0].log.last() > 3
    await other.close()


async def test_a_node_reads_no_event_that_it_numbered(nodes: list[Node], monkeypatch) -> None:
    """The numbering has given it back. What another node numbered is read."""
    reads: dict[Node, list[int]] = {one: [] for one in nodes}
    for node in nodes:

        async def counted(seq: int, *, limit: int, node: Node = node) -> list[Told]:
            reads[node].append(seq)
            return await PgStorage.news(node.storage, seq, limit=limit)  # type: ignore[arg-type]  # it is one

        monkeypatch.setattr(node.storage, "news", counted)
    for key in ("a", "b"):
        await nodes[0].tell(key)
        assert [await one.take(1) for one in nodes] == [[key]] * 3
    assert reads == {nodes[0]: [], nodes[1]: [0, 1], nodes[2]: [0, 1]}


async def test_numbering_reads_no_whole_table(nodes: list[Node]) -> None:
    """Also where the server has no statistics yet: what it costs does not grow with the events that are kept."""
    filled = (
        "INSERT INTO outbox (seq, name, kind, at, body) SELECT n, '', '', now(), '' FROM generate_series(1, 5000) AS n"
    )
    await nodes[0].storage.write(lambda tx: tx.connection.exec_driver_sql(filled) and None)
    storage = nodes[0].storage
    assert isinstance(storage, PgStorage)
    connection = await storage._numbers._connected()
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {_NUMBER}", "me"))
    assert plan.count(" using pk_outbox on outbox") == 4
    assert "Seq Scan on outbox" not in plan


@pytest.mark.parametrize("count", [TOLD_AT_MOST, TOLD_AT_MOST + 1, AT_ONCE + TOLD_AT_MOST])
async def test_many_events_are_numbered_to_the_last(url: str, count: int) -> None:
    """By two at once: whoever is through knows that none is left. A few are given back with their numbers, very many are not."""
    storages = [open_storage(url, clock=MovedClock()) for _ in range(2)]
    await storages[0].transact(lambda tx: tx.outbox.add(event("first")))
    other = await asyncpg.connect(url)
    await other.execute(
        "INSERT INTO outbox (name, kind, at, body)"
        f" SELECT name, kind, at, body FROM outbox, generate_series(2, {count})"
    )
    await other.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
    numbering = [asyncio.create_task(one.number()) for one in storages]
    await waiting_for_the_lock(other, 2)
    await other.execute("COMMIT")
    made = []
    for one in asyncio.as_completed(numbering):
        made.append(await one)
        assert await other.fetchval("SELECT count(*) FROM outbox WHERE seq < 0") == 0
    assert sum(one.given for one in made) == count
    assert [len(one.told) for one in made if one.given == count] in ([], [count if count <= TOLD_AT_MOST else 0])
    assert max(one.top for one in made) >= count
    await other.close()
    for storage in storages:
        await storage.close()


async def test_a_lost_listener_is_replaced(url: str, nodes: list[Node]) -> None:
    """At the next look of the reader the connection is made anew, and hears again."""
    killer = await asyncpg.connect(url)
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
    )
    await killer.close()
    for one in nodes:
        one.reader.wake()
    await nodes[0].tell("a")
    assert sorted({key for one in nodes[:1] for key in await one.take(1)}) == ["a"]


async def test_a_connection_that_its_driver_lost_track_of_is_replaced(nodes: list[Node], monkeypatch) -> None:
    """It ended while a statement began: the reader goes on by another one, and so does a transaction."""
    ask, fetch = asyncpg.Connection.fetch, pg_driver._fetch
    failing = {"number", "write"}

    async def number(*args: object, **more: object) -> object:
        if "number" in failing:
            failing.discard("number")
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
        return await ask(*args, **more)

    async def write(*args: object) -> object:
        if "write" in failing:
            failing.discard("write")
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
        return await fetch(*args)

    monkeypatch.setattr(asyncpg.Connection, "fetch", number)
    monkeypatch.setattr(pg_driver, "_fetch", write)
    with pytest.raises(StorageAway):
        await nodes[0].tell("lost")
    await nodes[0].tell("a")
    assert await nodes[0].take(1) == ["a"]
    assert failing == set()


async def test_pruning_leaves_what_has_no_number_yet(url: str) -> None:
    """It was told by nobody."""
    storage = open_storage(url, clock=MovedClock())
    log = EventLog(storage)
    await storage.transact(lambda tx: tx.outbox.add(event("a")))
    assert await log.prune(before=NOON.replace(year=2100)) == 0
    await log.number()
    assert await log.prune(before=NOON.replace(year=2100)) == 1
    assert await log.pruned() == await log.last() == 1
    await storage.close()


async def test_who_hears_of_many_numbers_reads_them_at_once(nodes: list[Node], monkeypatch) -> None:
    """And what was read already is not read again when word of it comes."""
    reads: list[int] = []
    news = nodes[1].storage.news

    async def counted(seq: int, *, limit: int) -> list[Told]:
        reads.append(seq)
        return await news(seq, limit=limit)

    monkeypatch.setattr(nodes[1].storage, "news", counted)
    monkeypatch.setattr("evhold.adapters.sql.pg_outbox.GATHER_S", 0.5)
    for number in range(5):
        await nodes[0].tell(str(number))
        await nodes[0].take(1)
    assert await nodes[1].take(5) == ["0", "1", "2", "3", "4"]
    assert reads == [0]


async def test_only_who_gave_the_numbers_spreads_them(url: str) -> None:
    """The others have them from it: a hint of each to all would grow with the square of the nodes."""
    spread: list[list[int]] = [[], []]
    storages = [open_storage(url, clock=MovedClock()) for _ in range(2)]
    readers = [
        OutboxReader(EventLog(one), position=0, tell=lambda events: None, spread=told.append)
        for one, told in zip(storages, spread, strict=True)
    ]
    await storages[0].transact(lambda tx: tx.outbox.add(event("a")))
    for reader in readers:
        await reader.drain()
    assert [reader.position for reader in readers] == [1, 1]
    assert spread == [[1], []]
    for one in storages:
        await one.close()
