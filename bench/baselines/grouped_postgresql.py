"""The grouped commit on PostgreSQL: asyncpg, and one statement a table and batch, its columns as arrays."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import asyncpg

from bench.baselines.grouped import Batch, Grouping
from bench.baselines.rows import CONNECTORS, KEYS, OUTBOX, TRANSACTIONS, Row

_TIMES: Final = frozenset({"since", "at", "started_at", "ended_at", "last_stamp", "stored_at"})
_OTHERS: Final = {
    **dict.fromkeys(("evse_id", "connector_id", "reservation_id", "remote_start_id"), "bigint"),
    **dict.fromkeys(("token_accepted", "ever_charged"), "boolean"),
    "energy_wh": "float",
}
_TYPES: Final = {
    name: "timestamptz" if name in _TIMES else _OTHERS.get(name, "text")
    for name in (*CONNECTORS, *OUTBOX, *TRANSACTIONS)
}
#: Numbers from one sequence: one batch is on its way at a time, so that a reader loses none.
_INDEXES: Final = (
    "CREATE INDEX ON transactions (station_id, stored_at)",
    "CREATE INDEX ON transactions (station_id) WHERE ended_at IS NULL",
)


def _table(name: str, columns: tuple[str, ...]) -> str:
    shapes = [f"{column} {_TYPES[column]}" for column in columns]
    key = f"PRIMARY KEY ({', '.join(KEYS[name])})" if name in KEYS else "seq bigserial PRIMARY KEY"
    return f"CREATE TABLE {name} ({', '.join([*shapes, key])})"


def _insert(table: str, names: tuple[str, ...]) -> str:
    arrays = ", ".join(f"${number}::{_TYPES[name]}[]" for number, name in enumerate(names, start=1))
    text = f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM unnest({arrays})"
    if table not in KEYS:
        return text
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in KEYS[table])
    return f"{text} ON CONFLICT ({', '.join(KEYS[table])}) DO UPDATE SET {changes}"


_PUT_CONNECTOR: Final = _insert("connectors", CONNECTORS)
_PUT_TRANSACTION: Final = _insert("transactions", TRANSACTIONS)
_ADD_EVENT: Final = _insert("outbox", OUTBOX)


class PostgresStore:
    """One connection."""

    def __init__(self, connection: "asyncpg.Connection[Any]", grouping: Grouping) -> None:
        self._connection = connection
        self._grouping = grouping
        self._committing: asyncio.Task[None] | None = None

    def commit(self, batch: Batch) -> None:
        """A transaction of its own."""
        self._committing = asyncio.get_running_loop().create_task(self._commit(batch))

    async def _commit(self, batch: Batch) -> None:
        async with self._connection.transaction():
            await self._put(_PUT_CONNECTOR, batch.connectors.values())
            await self._put(_PUT_TRANSACTION, batch.transactions.values())
            await self._put(_ADD_EVENT, batch.events)
        self._grouping.done(batch)

    async def _put(self, statement: str, rows: Iterable[Row]) -> None:
        if columns := tuple(zip(*rows, strict=True)):
            await self._connection.execute(statement, *columns)


async def open_store(url: str, grouping: Grouping) -> None:
    """The grouping has its store: an empty database."""
    connection = await asyncpg.connect(url)
    for name, columns in (("connectors", CONNECTORS), ("outbox", OUTBOX), ("transactions", TRANSACTIONS)):
        await connection.execute(_table(name, columns))
    for index in _INDEXES:
        await connection.execute(index)
    grouping.use(PostgresStore(connection, grouping))
