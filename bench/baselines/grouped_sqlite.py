"""The grouped commit on SQLite: the driver on a thread of its own, with evhold's pragmas."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.baselines.grouped import Batch, Grouping
from bench.baselines.rows import CONNECTORS, KEYS, OUTBOX, TRANSACTIONS, Row

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TABLES: Final = (
    "CREATE TABLE connectors (station_id TEXT NOT NULL, evse_id INTEGER NOT NULL, connector_id INTEGER NOT NULL,"
    " status TEXT, type TEXT, since BIGINT, PRIMARY KEY (station_id, evse_id, connector_id))",
    "CREATE TABLE outbox (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL,"
    " station_id TEXT, reservation_id INTEGER, at BIGINT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE transactions (station_id TEXT NOT NULL, transaction_id TEXT NOT NULL, state TEXT NOT NULL,"
    " evse_id INTEGER, connector_id INTEGER, reservation_id INTEGER, id_token TEXT, id_token_type TEXT,"
    " token_accepted BOOLEAN NOT NULL, ever_charged BOOLEAN NOT NULL, remote_start_id INTEGER, started_at BIGINT,"
    " ended_at BIGINT, last_stamp BIGINT, stopped_reason TEXT, energy_wh FLOAT, seen TEXT NOT NULL,"
    " stored_at BIGINT NOT NULL, PRIMARY KEY (station_id, transaction_id))",
    "CREATE INDEX idx_stored ON transactions (station_id, stored_at)",
    "CREATE INDEX idx_open ON transactions (station_id) WHERE ended_at IS NULL",
)


def _insert(table: str, names: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(names))
    text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    if table not in KEYS:
        return text
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in KEYS[table])
    return f"{text} ON CONFLICT ({', '.join(KEYS[table])}) DO UPDATE SET {changes}"


_PUT_CONNECTOR: Final = _insert("connectors", CONNECTORS)
_PUT_TRANSACTION: Final = _insert("transactions", TRANSACTIONS)
_ADD_EVENT: Final = _insert("outbox", OUTBOX)


def _driven(rows: Iterable[Row]) -> list[Row]:
    return [
        tuple((value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value for value in row)
        for row in rows
    ]


class SqliteStore:
    """One thread, one connection."""

    def __init__(self, path: str, grouping: Grouping) -> None:
        self._grouping = grouping
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        for statement in _TABLES:
            self._connection.execute(statement)
        threading.Thread(target=self._run, daemon=True).start()

    def commit(self, batch: Batch) -> None:
        """The thread takes it."""
        self._queue.put(batch)

    def _run(self) -> None:
        driver = self._connection
        while True:
            batch = self._queue.get()
            driver.execute("BEGIN IMMEDIATE")
            driver.executemany(_PUT_CONNECTOR, _driven(batch.connectors.values()))
            driver.executemany(_PUT_TRANSACTION, _driven(batch.transactions.values()))
            driver.executemany(_ADD_EVENT, _driven(batch.events))
            driver.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._grouping.done, batch)


async def open_store(path: str, grouping: Grouping) -> None:
    """The grouping has its store: a fresh file."""
    grouping.use(SqliteStore(path, grouping))
