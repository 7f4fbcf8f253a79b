"""Threads that read on SQLite: a connection each, kept open, and a snapshot for every piece of work."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine

from evhold.adapters.sql.engine import is_away, plain
from evhold.adapters.sql.tx import SqlTx
from evhold.usecases.ports import StorageAway

T = TypeVar("T")

READERS: Final = 2


class Readers:
    """Reads beside the writer.

    Args:
        engine: Whose connections only read.
        now: Our clock.
    """

    def __init__(self, engine: Engine, *, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="evhold-reader")
        self._mine = threading.local()
        self._open: set[Connection] = set()
        #: Grows when the file may be another one: then each thread opens it anew.
        self._generation = 0

    def look(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """The result of ``work`` on one snapshot."""
        return asyncio.get_running_loop().run_in_executor(self._threads, self._look, work)

    def renew(self) -> None:
        """The file was lost and perhaps put back: readers must not go on in the old one. Called on any thread."""
        self._generation += 1

    def close(self) -> None:
        """Threads and connections are given back."""
        self._threads.shutdown(wait=True)
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._engine.dispose()

    # On a thread

    def _look(self, work: Callable[[SqlTx], T]) -> T:
        connection: Connection | None = None
        try:
            connection = self._connected()
            with connection.begin():
                return work(SqlTx(connection, now=self._now))
        except Exception as error:
            if is_away(error):
                self._drop(connection)
                raise StorageAway(str(error)) from error
            raise plain(error) from error.__cause__

    def _connected(self) -> Connection:
        known: tuple[int, Connection] | None = getattr(self._mine, "connection", None)
        if known is not None and known[0] == self._generation:
            return known[1]
        if known is not None:
            self._drop(known[1])
        generation = self._generation
        connection = self._engine.connect()
        self._open.add(connection)
        self._mine.connection = generation, connection
        return connection

    def _drop(self, connection: Connection | None) -> None:
        self._mine.connection = None
        if connection is not None:
            self._open.discard(connection)
            connection.invalidate()
            connection.close()
