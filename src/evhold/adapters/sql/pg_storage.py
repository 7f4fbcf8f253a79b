"""Storage on PostgreSQL: the same transactions, side by side, and again from the start when they collide (ports.Storage).

House rules
- Every transaction is REPEATABLE READ: what it read has not changed when it writes, or it is run again. What two of them could
  still do to each other is kept apart by a key (claims), a row lock (``get``), or a touched row (a station's clock).
- Transactions of one node that collided run one after the other from then on.
- When the connection is lost while a commit is under way, the server is asked what became of it: nothing is done twice.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Generic, TypeVar

import structlog
from sqlalchemy import URL, Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import greenlet_spawn

from evhold.adapters.sql.engine import plain
from evhold.adapters.sql.migrate import migrate_postgresql
from evhold.adapters.sql.pg_driver import begin, end, state_of
from evhold.adapters.sql.pg_engine import (
    ATTEMPT_S,
    POOL,
    is_away,
    is_bad_value,
    open_pg_engine,
    prepare,
    reruns_of,
    words_of,
)
from evhold.adapters.sql.pg_outbox import PgNumbers
from evhold.adapters.sql.reservation_ids import start_sequence
from evhold.adapters.sql.tx import SqlTx
from evhold.domain.errors import InvalidOrder
from evhold.domain.values import FIRST_RESERVATION_ID_BELOW
from evhold.usecases.ports import Clock, Numbered, StorageAway, Told
from evhold.usecases.stores import Tx

T = TypeVar("T")

CLOSE_S: Final = 5.0
#: How often the fate of a commit is asked for, and the pause between.
FATE_TRIES: Final = 80
#: Reruns that may collide with work that came later, before that has to wait.
YIELDS: Final = 3
FATE_PAUSE_S: Final = 0.25
_FATE: Final = "SELECT pg_xact_status($1)"
_NEVER_GIVEN: Final = "22023"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.storage")


@dataclass(slots=True)
class _Attempt(Generic[T]):
    """One run of some work.

    ``begun``: it writes, on a connection that lives. ``committing``: whether it is stored can't be known from here on, but by ``xid``.
    """

    work: Callable[[SqlTx], T]
    reading: bool
    begun: bool = False
    xid: int | None = None
    committing: bool = False
    told: bool = False
    result: list[T] = field(default_factory=list)


class PgStorage:
    """Transactions and snapshots. Made by ``open_storage``; use it on one loop, and close it there."""

    in_order = False

    def __init__(self, url: URL, *, now: Callable[[], datetime]) -> None:
        self._engine = open_pg_engine(url)
        self._reader = self._engine.execution_options(postgresql_readonly=True)
        self._now = now
        self._slots = asyncio.Semaphore(POOL)
        self._collided = asyncio.Lock()
        self._open = asyncio.Event()
        self._open.set()
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._on_told: list[Callable[[Sequence[Told]], None]] = []
        self._numbers = PgNumbers(url, on_news=self._tell)
        self.dialect: Dialect = self._engine.dialect
        #: How often work was run again, for measurements.
        self.reruns = 0

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run in one transaction, committed when the awaitable ends, rolled back when ``work`` raises.

        Raises:
            StorageAway: Nothing of it is stored.
        """
        return self.write(work)

    def write(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """As ``transact``, for work that knows SQL."""
        return self._begin(work, reading=False)

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run on one snapshot that sees every transaction that was awaited before. Writing fails."""
        return self.look(work)

    def look(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """As ``read``, for work that knows SQL."""
        return self._begin(work, reading=True)

    def on_told(self, call: Callable[[Sequence[Told]], None]) -> None:
        """``call`` runs on the loop when this node committed events, or another node numbered some."""
        self._on_told.append(call)

    async def number(self) -> Numbered:
        """Every event that is committed by now has its number. Raises StorageAway."""
        return await self._numbers.number()

    async def news(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number. Raises StorageAway."""
        return await self._numbers.after(seq, limit=limit)

    async def close(self) -> None:
        """What was begun is stored, and all connections are given back."""
        self._closed = True
        if self._running:
            await asyncio.wait(set(self._running))
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._numbers.close()
                await self._engine.dispose()
        except (TimeoutError, OSError) as error:
            # Said to nobody who would listen: the process goes, and the server will notice.
            log.warning("storage.not-closed", error=words_of(error))

    # One transaction

    def _begin(self, work: Callable[[SqlTx], T], *, reading: bool) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        if self._closed:
            closed: asyncio.Future[T] = loop.create_future()
            closed.set_exception(StorageAway("the storage is closed"))
            return closed
        task = loop.create_task(self._run(work, reading=reading))
        self._running.add(task)
        task.add_done_callback(self._ended)
        # Whoever goes away leaves the transaction to its end.
        return asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Whoever went away does not look, and asyncio would complain.
            task.exception()

    async def _run(self, work: Callable[[SqlTx], T], *, reading: bool) -> T:
        async with self._slots:
            try:
                attempt = await self._repeatedly(work, reading=reading)
            except Exception as error:
                if is_away(error, reading=reading):
                    raise StorageAway(words_of(error)) from error
                if is_bad_value(error):
                    raise InvalidOrder("value", "can't be stored") from error
                raise plain(error) from error.__cause__
        if attempt.told:
            self._tell()
        return attempt.result[0]

    async def _repeatedly(self, work: Callable[[SqlTx], T], *, reading: bool) -> _Attempt[T]:
        """The attempt that went through. Pooled connections that a restarted server left dead are used up first."""
        if not reading and not self._open.is_set():
            await self._open.wait()
        for _ in range(POOL + 1):
            attempt = _Attempt(work, reading)
            try:
                return await self._attempt(attempt)
            except Exception as error:
                if reruns_of(error):
                    break
                if attempt.begun or not is_away(error) or isinstance(error, OSError | TimeoutError):
                    raise
        async with self._collided:
            try:
                return await self._rerun(work, reading=reading)
            finally:
                self._open.set()

    async def _rerun(self, work: Callable[[SqlTx], T], *, reading: bool) -> _Attempt[T]:
        run = 0
        while True:
            self.reruns += 1
            run += 1
            if run > YIELDS:
                # Those who come anew would win for ever: they wait until this one is through.
                self._open.clear()
            attempt = _Attempt(work, reading)
            try:
                return await self._attempt(attempt)
            except Exception as error:
                if run >= reruns_of(error):
                    raise

    async def _attempt(self, attempt: _Attempt[T]) -> _Attempt[T]:
        engine = self._reader if attempt.reading else self._engine
        try:
            # One greenlet for all of it: SQLAlchemy's own connections take one each to begin, to work and to go.
            async with asyncio.timeout(ATTEMPT_S):
                await greenlet_spawn(self._transaction, engine.sync_engine, attempt)
        except Exception as error:
            if not attempt.committing or not is_away(error):
                raise
            log.warning("commit.unknown", error=words_of(error))
            if not await self._was_committed(attempt.xid):
                raise
        return attempt

    def _transaction(self, engine: Engine, attempt: _Attempt[T]) -> None:
        """Within the greenlet: plain calls that wait."""
        with engine.connect() as connection, connection.begin() as transaction:
            begin(connection)
            attempt.begun = not attempt.reading
            tx = SqlTx(connection, now=self._now, reading=attempt.reading)
            attempt.result[:] = [attempt.work(tx)]
            attempt.told = tx.outbox.told
            if not attempt.reading:
                attempt.xid = end(connection)
                attempt.committing = attempt.xid is not None
            transaction.commit()

    async def _was_committed(self, xid: int | None) -> bool:
        """What became of this transaction.

        Raises:
            StorageAway: The server does not come back to say so.
        """
        for _ in range(FATE_TRIES):
            try:
                async with asyncio.timeout(ATTEMPT_S), self._reader.connect() as connection:
                    fate = (await connection.exec_driver_sql(_FATE, (xid,))).scalar_one()
            except Exception as error:
                if state_of(error) == _NEVER_GIVEN:
                    # The server fell, and does not know that it had given this number: nothing of it had reached its disk.
                    return False
                if not is_away(error):
                    raise
            else:
                if fate != "in progress":
                    return bool(fate == "committed")
            await asyncio.sleep(FATE_PAUSE_S)
        raise StorageAway("it is not known whether a transaction was committed")

    def _tell(self) -> None:
        for call in self._on_told:
            call(())


def open_postgresql(url: URL, *, clock: Clock, draw: Callable[[int], int] = secrets.randbelow) -> PgStorage:
    """As ``open_storage``."""
    first = 1 + draw(FIRST_RESERVATION_ID_BELOW - 1)
    prepare(url, migrate_postgresql, partial(start_sequence, first=first))
    return PgStorage(url, now=clock.now)
