"""Storage by its URL; and on SQLite: one writer thread, two reader threads (ports.Storage)."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.engine import is_away, is_memory, is_postgresql, open_engine, read_url
from evhold.adapters.sql.migrate import migrate_engine
from evhold.adapters.sql.readers import Readers
from evhold.adapters.sql.reservation_ids import start_sequence
from evhold.adapters.sql.tx import SqlTx
from evhold.adapters.sql.writer import Writer
from evhold.domain.values import FIRST_RESERVATION_ID_BELOW
from evhold.usecases.ports import Clock, Numbered, StorageAway, Told
from evhold.usecases.stores import Tx

T = TypeVar("T")


class SqlStorage:
    """Transactions and snapshots. Made by ``open_storage``; use it on one loop, and close it there."""

    in_order = True

    def __init__(self, writer_engine: Engine, *, reader_engine: Engine | None, now: Callable[[], datetime]) -> None:
        self._writer = Writer(writer_engine, now=now)
        self._readers = None if reader_engine is None else Readers(reader_engine, now=now)
        if self._readers is not None:
            self._writer.on_lost = self._readers.renew
        self.dialect: Dialect = writer_engine.dialect

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run in one transaction, committed when the awaitable ends, rolled back when ``work`` raises.

        Raises:
            StorageAway: Nothing of it is stored.
        """
        return self._writer.submit(work)

    def write(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """As ``transact``, for work that knows SQL."""
        return self._writer.submit(work)

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run on one snapshot that sees every transaction that was awaited before. Writing fails."""
        return self.look(work)

    def look(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """As ``read``, for work that knows SQL."""
        return self._writer.submit(work) if self._readers is None else self._readers.look(work)

    def on_told(self, call: Callable[[Sequence[Told]], None]) -> None:
        """``call`` runs on the loop after every commit of ours that told events, with them, numbered and in order."""
        self._writer.on_told.append(call)

    async def number(self) -> Numbered | None:
        """The one writer numbers events as it stores them: there is nothing to do."""
        return None

    async def news(self, seq: int, *, limit: int) -> list[Told]:
        """As any other reading."""
        return await self.look(lambda tx: tx.outbox.after(seq, limit=limit))

    async def close(self) -> None:
        """What was queued is stored, and the threads and files are given back."""
        await self._writer.close()
        if self._readers is not None:
            self._readers.close()


def open_storage(url: str, *, clock: Clock, draw: Callable[[int], int] = secrets.randbelow) -> Database:
    """The database of this URL, made and migrated if need be, ready for transactions.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` for one in memory, or
            ``postgresql://user@host/database``, which has to be there.
        clock: Ours.
        draw: A random number below its argument; where a new database's reservation ids start.

    Raises:
        DatabaseNotSupported: Another kind of database.
        StorageAway: It can't be opened.
    """
    where = read_url(url)
    if is_postgresql(where):
        # Not before it is asked for: the driver is an extra.
        from evhold.adapters.sql.pg_storage import open_postgresql  # noqa: PLC0415

        return open_postgresql(where, clock=clock, draw=draw)
    return open_sqlite(where, clock=clock, draw=draw)


def open_sqlite(where: URL, *, clock: Clock, draw: Callable[[int], int] = secrets.randbelow) -> SqlStorage:
    """As ``open_storage``."""
    engine = open_engine(where, make=True)
    try:
        migrate_engine(engine)
        with engine.begin() as connection:
            start_sequence(connection, first=1 + draw(FIRST_RESERVATION_ID_BELOW - 1))
    except Exception as error:
        engine.dispose()
        if is_away(error):
            raise StorageAway(str(error)) from error
        raise
    if is_memory(where):
        return SqlStorage(engine, reader_engine=None, now=clock.now)
    engine.dispose()
    return SqlStorage(open_engine(where), reader_engine=open_engine(where, read_only=True), now=clock.now)
