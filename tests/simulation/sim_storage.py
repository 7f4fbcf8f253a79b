"""The real storage without its threads: the same statements and the same group commit, at moments that the run draws."""

import random
from collections.abc import Awaitable, Callable
from copy import copy
from datetime import datetime
from typing import Any, TypeVar

from sim_loop import ProcessLoop
from sqlalchemy import Engine, make_url

from evhold.adapters.sql.engine import open_engine, plain
from evhold.adapters.sql.migrate import migrate_engine
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.reservation_ids import start_sequence
from evhold.adapters.sql.storage import SqlStorage
from evhold.adapters.sql.tx import SqlTx
from evhold.adapters.sql.writer import MAX_BATCH, Writer, _Job
from evhold.usecases.ports import StorageAway
from evhold.usecases.stores import Tx

T = TypeVar("T")

_recorders: list[SqlRecorder] = []
_templates: dict[None, tuple[Engine, bytes]] = {}


def fresh_database(first_id: int) -> Engine:
    """An empty database in memory, with the newest schema; the one before is gone (they share one connection)."""
    if None not in _templates:
        engine = open_engine(make_url("sqlite://"))
        migrate_engine(engine)
        with engine.connect() as connection:
            _templates[None] = engine, _driver(connection).serialize()
    engine, image = _templates[None]
    with engine.connect() as connection:
        _driver(connection).deserialize(image)
    with engine.begin() as connection:
        start_sequence(connection, first=first_id)
    return engine


def shared_recorder(storage: SqlStorage, *, now: Callable[[], datetime]) -> SqlRecorder:
    """A recorder as a new life would make it; its statements were compiled before."""
    if not _recorders:
        _recorders.append(SqlRecorder(storage, now=now))
    recorder = copy(_recorders[0])
    recorder._storage, recorder._now, recorder._pending, recorder._busy = storage, now, [], False
    return recorder


def _driver(connection: Any) -> Any:
    return connection.connection.driver_connection


class Disk:
    """How long the database takes, and when it can't be written.

    Args:
        slow: How often it takes half a second.
    """

    def __init__(self, rng: random.Random, *, slow: float) -> None:
        self.away_until = 0.0
        self._rng, self._slow = rng, slow

    def delay(self) -> float:
        """Milliseconds, mostly."""
        return self._rng.random() * (0.5 if self._rng.random() < self._slow else 0.004)


class DrawnWriter(Writer):
    """The writer whose thread is the run itself: a batch is committed at one moment, and its waiters hear at a later one."""

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], datetime],
        loop: ProcessLoop,
        disk: "Disk",
        on_committed: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._now = now
        self._file = self._opened = None
        self._connection = engine.connect()
        self._closed = False
        self.on_told: list[Callable[[], None]] = []
        self.on_lost = None
        self._loop = loop
        self._disk = disk
        self._delay = disk.delay
        self._on_committed = on_committed
        self._jobs: list[_Job] = []
        self._busy = False
        self._told_at = 0.0

    def submit(self, work: Callable[[SqlTx], T]) -> Any:
        """As the real one."""
        future = self._loop.create_future()
        self._jobs.append(_Job(work, future))
        if not self._busy and self._loop.alive:
            self._busy = True
            self._loop.call_later(self._delay(), self._go)
        return future

    def _go(self) -> None:
        batch, self._jobs = self._jobs[:MAX_BATCH], self._jobs[MAX_BATCH:]
        if self._loop.time() < self._disk.away_until:
            for job in batch:
                job.error = StorageAway("database is locked")
        else:
            self._commit(batch)
            if any(job.told for job in batch):
                self._on_committed()
        # Between commit and answer anything may happen; answers keep their order.
        self._told_at = max(self._told_at, self._loop.time() + self._delay())
        self._loop.call_at(self._told_at, self._settle, batch)
        if self._jobs:
            self._loop.call_later(self._delay(), self._go)
        else:
            self._busy = False

    def look(self, work: Callable[[SqlTx], T]) -> Any:
        """One snapshot, at a moment of its own."""
        future = self._loop.create_future()
        self._loop.call_later(self._delay(), self._look, _Job(work, future))
        return future

    def _look(self, job: _Job) -> None:
        with self._connection.begin():
            try:
                job.result = job.work(SqlTx(self._connection, now=self._now))
            except Exception as error:  # noqa: BLE001  # it belongs to the caller
                job.error = plain(error)
        self._loop.call_later(self._delay(), self._settle, [job])


class DrawnStorage(SqlStorage):
    """ports.Storage on a DrawnWriter."""

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], datetime],
        loop: ProcessLoop,
        disk: Disk,
        on_committed: Callable[[], None],
    ) -> None:
        self._drawn = DrawnWriter(engine, now=now, loop=loop, disk=disk, on_committed=on_committed)
        self._writer = self._drawn
        self._readers = None
        self.dialect = engine.dialect

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As the real one."""
        found: Awaitable[T] = self._drawn.look(work)
        return found

    def look(self, work: Callable[[SqlTx], T]) -> Any:
        """As the real one."""
        return self._drawn.look(work)
