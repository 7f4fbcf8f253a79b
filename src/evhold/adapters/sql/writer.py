"""The one thread that writes: what is queued together shares a commit, each in a savepoint of its own."""

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from evhold.adapters.sql.engine import file_of, is_away, plain
from evhold.adapters.sql.tx import SqlTx
from evhold.usecases.ports import StorageAway, Told

T = TypeVar("T")

MAX_BATCH: Final = 256


class _Job:
    """One transaction on its way: what to run, and who waits for it."""

    __slots__ = ("error", "fresh", "future", "result", "told", "work")

    def __init__(self, work: Callable[[SqlTx], Any], future: "asyncio.Future[Any]") -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None
        self.told = False
        self.fresh: list[Told] = []

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs transactions in the order of their submission; each awaitable ends after the commit.

    Args:
        engine: Whose transactions begin IMMEDIATE. It belongs to the thread from now on.
        now: Our clock.
    """

    def __init__(self, engine: Engine, *, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._file = file_of(engine.url)
        self._opened: os.stat_result | None = None
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._closed = False
        #: Called on the loop after a commit that told events, with them.
        self.on_told: list[Callable[[Sequence[Told]], None]] = []
        #: Called on the thread when the connection was given up because the database was away.
        self.on_lost: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="evhold-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """The result of ``work``, once it is committed. Needs a running loop."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(StorageAway("the storage is closed"))
        else:
            self._queue.put(_Job(work, future))
        return future

    async def close(self) -> None:
        """What was queued is committed, and the thread has ended."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # On the thread

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._take()
            if batch:
                self._commit(batch)
                self._answer(batch)
        self._drop()
        self._engine.dispose()

    def _take(self) -> tuple[list[_Job], bool]:
        """What is queued now, at least one job; False: it was the last."""
        batch: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MAX_BATCH:
                return batch, True
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[_Job]) -> None:
        try:
            connection = self._connected()
            driver: Any = connection.connection.driver_connection
            with connection.begin():
                for job in batch:
                    self._run_one(connection, driver, job)
        except Exception as error:  # noqa: BLE001  # the top of this thread: every waiter is told, and the thread goes on
            # A database in memory lives in its connection, which is therefore never given up.
            if self._file is not None:
                self._drop()
                if self.on_lost is not None:
                    self.on_lost()
            for job in batch:
                job.error = StorageAway(str(error))
                job.error.__cause__ = error
                job.told, job.fresh = False, []

    def _connected(self) -> Connection:
        """The connection to the file that has the database's name now: SQLite itself would write on into a deleted one."""
        if (
            self._file is not None
            and self._opened is not None
            and not os.path.samestat(self._opened, self._file.stat())
        ):
            self._drop()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._opened = None if self._file is None else self._file.stat()
        return self._connection

    def _run_one(self, connection: Connection, driver: Any, job: _Job) -> None:
        """Ends in the savepoint released, or rolled back with the job's own error; raises when the database is away."""
        # Plain text to the driver: what SQLAlchemy does around each costs ten times as much.
        driver.execute("SAVEPOINT job")
        tx = SqlTx(connection, now=self._now)
        try:
            job.result = job.work(tx)
        except Exception as error:  # it belongs to the caller
            # A full disk ends the whole transaction, savepoints and all: nothing of the batch can be saved.
            if is_away(error):
                raise
            driver.execute("ROLLBACK TO job")
            driver.execute("RELEASE job")
            job.error = plain(error)
        else:
            driver.execute("RELEASE job")
            job.told, job.fresh = tx.outbox.told, tx.outbox.fresh

    def _answer(self, batch: list[_Job]) -> None:
        for loop in {job.future.get_loop() for job in batch}:
            mine = [job for job in batch if job.future.get_loop() is loop]
            try:
                loop.call_soon_threadsafe(self._settle, mine)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                continue

    def _settle(self, batch: list[_Job]) -> None:
        for job in batch:
            job.settle()
        if any(job.told for job in batch):
            fresh = [one for job in batch for one in job.fresh]
            for call in self.on_told:
                call(fresh)

    def _drop(self) -> None:
        """The connection is given up; the next batch opens another one."""
        connection, self._connection, self._opened = self._connection, None, None
        if connection is not None:
            connection.invalidate()
            connection.close()
