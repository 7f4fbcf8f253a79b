"""Transactions: what is lost, what is kept, and who hears of it."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sql_examples import ONLY_SQLITE, MovedClock, place, provision, terms
from sqlalchemy import text

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.engine import DatabaseNotSupported
from evhold.adapters.sql.storage import open_storage
from evhold.adapters.sql.tx import SqlTx
from evhold.adapters.sql.types import NaiveTime
from evhold.domain.authorization import Token
from evhold.domain.errors import EvseAlreadyReserved, StationUnknown
from evhold.domain.values import EvseId, IdToken, StationId
from evhold.usecases.ports import StorageAway
from evhold.usecases.stores import Tx


def token(name: str, *, message: str | None = None) -> Token:
    """A token to store."""
    return Token(id_token=IdToken(name, "Central"), personal_message=message)


async def test_400_concurrent_writers_lose_no_update(storage: Database) -> None:
    """Each reads a counter and writes it one higher; in the end it is 400."""
    await storage.transact(lambda tx: tx.tokens.put(token("counter", message="0")))

    def count_up(tx: Tx) -> None:
        known = tx.tokens.find(IdToken("counter", "Central"))
        assert known is not None
        assert known.personal_message is not None
        tx.tokens.put(token("counter", message=str(int(known.personal_message) + 1)))

    await asyncio.gather(*(storage.transact(count_up) for _ in range(400)))
    known = await storage.read(lambda tx: tx.tokens.find(IdToken("counter", "Central")))
    assert known is not None
    assert known.personal_message == "400"


async def test_two_processes_lose_no_update(storage: Database, url: str, clock: MovedClock) -> None:
    """Two storages on one database take turns by its own locks."""
    other = open_storage(url, clock=clock)
    await storage.transact(lambda tx: tx.tokens.put(token("counter", message="")))

    def append(tx: Tx) -> None:
        known = tx.tokens.find(IdToken("counter", "Central"))
        assert known is not None
        tx.tokens.put(token("counter", message=(known.personal_message or "") + "x"))

    await asyncio.gather(*(one.transact(append) for one in (storage, other) * 20))
    known = await other.read(lambda tx: tx.tokens.find(IdToken("counter", "Central")))
    await other.close()
    assert known is not None
    assert known.personal_message == "x" * 40


async def test_the_database_itself_refuses_a_double_booking(storage: Database) -> None:
    """Of 20 who want the same EVSE at once, one gets it, and nothing is left of the others."""
    await provision(storage)
    outcomes = await asyncio.gather(*(storage.transact(place) for _ in range(20)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, EvseAlreadyReserved)]
    assert len(refused) == 19
    assert refused[0].evse_id == EvseId(1)
    counts = await storage.read(lambda tx: tx.reservations.count_by_state())
    assert sum(counts.values()) == 1


async def test_a_failure_rolls_back_its_own_work_alone(storage: Database) -> None:
    """Transactions that share a commit do not share a fate."""

    def fail(tx: Tx) -> None:
        tx.tokens.put(token("half-done"))
        raise LookupError("mine")

    outcomes = await asyncio.gather(
        storage.transact(lambda tx: tx.tokens.put(token("before"))),
        storage.transact(fail),
        storage.transact(lambda tx: tx.tokens.put(token("after"))),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], LookupError)
    assert (outcomes[0], outcomes[2]) == (True, True)
    stored = await storage.read(lambda tx: tx.tokens.page())
    assert [one.id_token.id_token for one in stored] == ["after", "before"]


async def test_an_unknown_station_is_refused_by_the_database(storage: Database) -> None:
    """A reservation refers to a station that exists."""
    with pytest.raises(StationUnknown):
        await storage.transact(place)


@ONLY_SQLITE
async def test_a_full_disk_is_told_and_passes(storage: Database) -> None:
    """While no page can be added, writes fail with StorageAway and leave nothing; afterwards they go on."""

    def limit_pages(tx: SqlTx) -> None:
        used = tx.connection.scalar(text("PRAGMA page_count"))
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {used}")

    await storage.transact(lambda tx: tx.tokens.put(token("before")))
    full = storage.write(limit_pages)
    small = storage.transact(lambda tx: tx.tokens.put(token("small")))
    big = storage.transact(lambda tx: tx.tokens.put(token("big", message="x" * 1_000_000)))
    outcomes = await asyncio.gather(full, small, big, return_exceptions=True)
    assert isinstance(outcomes[2], StorageAway)
    assert "full" in str(outcomes[2])
    await storage.transact(lambda tx: tx.tokens.put(token("later", message="x" * 1_000_000)))
    stored = {one.id_token.id_token for one in await storage.read(lambda tx: tx.tokens.page())}
    assert {"before", "later"} <= stored
    assert "big" not in stored
    # The small one shared its commit, or not: it is stored if and only if it was acknowledged.
    assert ("small" in stored) is (outcomes[1] is True)


@ONLY_SQLITE
async def test_a_locked_database_is_told_and_passes(storage: Database, tmp_path: Path) -> None:
    """Another process that holds the lock for long makes StorageAway of it, not a wait without end."""
    await storage.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA busy_timeout = 20") and None)
    other = sqlite3.connect(tmp_path / "evhold.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageAway):
        await storage.transact(lambda tx: tx.tokens.put(token("locked-out")))
    other.execute("ROLLBACK")
    other.close()
    assert await storage.transact(lambda tx: tx.tokens.put(token("locked-out")))


@ONLY_SQLITE
async def test_a_lost_file_is_told_and_passes(storage: Database, tmp_path: Path) -> None:
    """Nothing is acknowledged into a deleted file, no empty one takes its place, and a restored one is taken up."""
    path = tmp_path / "evhold.db"
    await storage.transact(lambda tx: tx.tokens.put(token("kept")))
    assert len(await storage.read(lambda tx: tx.tokens.page())) == 1
    await storage.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA user_version = 1") and None)
    copy = sqlite3.connect(path)
    copy.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
    copy.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    for _ in range(2):
        with pytest.raises(StorageAway):
            await storage.transact(lambda tx: tx.tokens.put(token("lost")))
    assert not path.exists()
    (tmp_path / "backup.db").rename(path)
    await storage.transact(lambda tx: tx.tokens.put(token("new")))
    stored = await storage.read(lambda tx: tx.tokens.page())
    assert [one.id_token.id_token for one in stored] == ["kept", "new"]


async def test_a_fault_of_the_work_is_not_taken_for_the_storage(storage: Database) -> None:
    """A wrong statement raises what it raised, and the next transaction is as good as ever."""
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        await storage.write(lambda tx: tx.connection.exec_driver_sql("SELECT * FROM nowhere") and None)
    assert await storage.transact(lambda tx: tx.tokens.put(token("next")))


async def test_reading_never_writes(storage: Database) -> None:
    """A snapshot is for looking."""
    with pytest.raises(Exception, match=r"read-?only"):
        await storage.read(lambda tx: tx.tokens.put(token("sneaked in")))


async def test_reading_sees_what_was_awaited(storage: Database) -> None:
    """A reader's snapshot holds every transaction that ended before."""
    for number in range(20):
        await storage.transact(lambda tx, name=str(number): tx.tokens.put(token(name)))  # type: ignore[misc]  # a default argument
        assert len(await storage.read(lambda tx: tx.tokens.page())) == number + 1


async def test_naive_times_are_refused(storage: Database) -> None:
    """A time without a zone never reaches the database."""
    await provision(storage)
    naive = datetime(2026, 3, 1)  # noqa: DTZ001  # the fault under test
    with pytest.raises(NaiveTime):
        await storage.transact(lambda tx: tx.stations.seen({StationId("CS-1"): naive}))
    with pytest.raises((NaiveTime, TypeError)):
        await storage.transact(lambda tx: place(tx, terms(expiry=naive)))
    aware = naive.replace(tzinfo=UTC)
    await storage.transact(lambda tx: tx.stations.seen({StationId("CS-1"): aware}))
    assert (await storage.read(lambda tx: tx.stations.get("cs-1"))).last_seen == aware


async def test_closing_stores_what_was_queued(url: str, clock: MovedClock) -> None:
    """Everything submitted before ``close`` is committed; what comes later is StorageAway."""
    storage = open_storage(url, clock=clock)
    queued = [storage.transact(lambda tx, name=str(n): tx.tokens.put(token(name))) for n in range(50)]  # type: ignore[misc]  # a default argument
    await storage.close()
    assert await asyncio.gather(*queued) == [True] * 50
    with pytest.raises(StorageAway):
        await storage.transact(lambda tx: tx.tokens.page())


@ONLY_SQLITE
async def test_acknowledged_means_synced(storage: Database) -> None:
    """WAL with synchronous FULL, foreign keys on."""

    def settings(tx: SqlTx) -> list[object]:
        return [
            tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert await storage.write(settings) == ["wal", 2, 1]


async def test_a_database_in_memory_serves_tests(clock: MovedClock) -> None:
    """``sqlite://`` reads and writes on one connection."""
    storage = open_storage("sqlite://", clock=clock)
    await provision(storage)
    made = await storage.transact(place)
    assert await storage.read(lambda tx: tx.reservations.get(made.id)) == made
    await storage.close()


@pytest.mark.parametrize("url", ["postgresql+asyncpg://x/y", "mysql://x/y", "nonsense"])
def test_other_databases_are_refused_in_one_line(url: str, clock: MovedClock) -> None:
    """The message says what to give instead."""
    with pytest.raises(DatabaseNotSupported, match="sqlite:///") as caught:
        open_storage(url, clock=clock)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_made_is_storage_away(tmp_path: Path, clock: MovedClock) -> None:
    """A folder that is not there."""
    with pytest.raises(StorageAway):
        open_storage(f"sqlite:///{tmp_path}/nowhere/evhold.db", clock=clock)
