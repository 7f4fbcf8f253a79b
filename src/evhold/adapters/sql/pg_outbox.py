"""The true numbers of committed events, given in the order in which they become visible (design decision 8).

House rules
- A transaction that commits late must not bring a number that a reader has passed. So numbers are given after the commit, a
  batch at a time, under a lock that only this takes, and held until they are committed themselves.
- It is one statement: the server runs it through, whatever becomes of the node that sent it. It gives the events back too,
  which need no reading where they follow on what was told.
- Every node numbers what it finds, also what a dead node or the command line left behind; whoever did tells the others.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy import URL

from evhold.adapters.sql.outbox import read_rows
from evhold.adapters.sql.pg_engine import ATTEMPT_S, connect, is_away, words_of
from evhold.usecases.ports import Numbered, StorageAway, Told

T = TypeVar("T")

CHANNEL: Final = "evhold_outbox"
#: Any number that no other program takes in this database.
LOCK: Final = 0x65_76_68_6F_6C_64
AT_ONCE: Final = 2_000
#: So many are given back with their numbers.
TOLD_AT_MOST: Final = 500
#: Rows that were numbered while this waited for the lock are read again, found above zero, and left alone: the numbers that
#: they would have had are a gap.
_NUMBER: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock({LOCK}) WHERE EXISTS (SELECT FROM outbox WHERE seq < 0)
), found AS MATERIALIZED (
    SELECT seq FROM outbox WHERE seq < 0 AND EXISTS (SELECT FROM locked) ORDER BY seq DESC LIMIT {AT_ONCE}
), numbers AS MATERIALIZED (
    SELECT seq AS provisional, nextval('outbox_numbers') AS seq FROM found
), numbered AS (
    UPDATE outbox SET seq = numbers.seq FROM numbers WHERE outbox.seq = numbers.provisional
    RETURNING outbox.seq, kind, body
), counted AS MATERIALIZED (
    SELECT (SELECT count(*) FROM found) AS found,
        coalesce(max(seq), (SELECT max(seq) FROM outbox WHERE seq > 0), 0) AS top,
        CASE WHEN count(*) > 0 THEN pg_notify('{CHANNEL}', $1 || ':' || max(seq)) END AS notified
    FROM numbered
)
SELECT found, top, notified, seq, kind, body FROM counted LEFT JOIN numbered ON true ORDER BY seq
"""
_AFTER: Final = "SELECT seq, kind, body FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2"
#: Few rows of very many, always: a server that has no statistics of the table yet would read all of it, three times.
_BY_INDEX: Final = (
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
)
#: What other nodes numbered within this time is read at once.
GATHER_S: Final = 0.02


class PgNumbers:
    """One connection of a node: numbers events, and hears when another node has.

    Args:
        url: Of the database.
        on_news: Called on the loop when another node numbered some.
    """

    def __init__(self, url: URL, *, on_news: Callable[[], None]) -> None:
        self._url = url
        self._on_news = on_news
        self._name = secrets.token_hex(8)
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        #: The highest number that was seen here, and that another node spoke of.
        self._top = self._heard_of = 0
        self._gathering: asyncio.TimerHandle | None = None

    async def number(self) -> Numbered:
        """Every event that was committed before has its number.

        Raises:
            StorageAway: Some may wait for it.
        """
        return await self._insistently(self._number)

    async def after(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number: one statement, one way there and back. Raises StorageAway."""

        async def read() -> list[Any]:
            connection = await self._connected()
            rows: list[Any] = await connection.fetch(_AFTER, seq, limit)
            return rows

        return read_rows(await self._insistently(read))

    async def _insistently(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            while True:
                was_open = self._connection is not None
                try:
                    async with asyncio.timeout(ATTEMPT_S):
                        return await work()
                except Exception as error:
                    self._drop()
                    if not is_away(error):
                        raise
                    # One that a restarted server left dead is no outage: the next one says whether there is any.
                    if not was_open or isinstance(error, TimeoutError):
                        raise StorageAway(words_of(error)) from error

    async def close(self) -> None:
        """The connection is given back."""
        if self._gathering is not None:
            self._gathering.cancel()
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None and not connection.is_closed():
                await connection.close(timeout=2)

    async def _number(self) -> Numbered:
        connection, given = await self._connected(), 0
        rows: list[tuple[int, str, str]] = []
        while True:
            answer = await connection.fetch(_NUMBER, self._name)
            found, top = answer[0]["found"], answer[0]["top"]
            fresh = [(one["seq"], one["kind"], one["body"]) for one in answer if one["seq"] is not None]
            given += len(fresh)
            # Many are read by pages.
            rows = rows + fresh if given <= TOLD_AT_MOST else []
            self._top = max(self._top, top)
            if found < AT_ONCE:
                return Numbered(given=given, top=top, told=read_rows(rows))

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
            await self._connection.execute(_BY_INDEX)
            await self._connection.add_listener(CHANNEL, self._heard)
        return self._connection

    def _heard(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        name, _, seq = str(payload).partition(":")
        if name == self._name:
            return
        # An older version says no number.
        self._heard_of = max(self._heard_of, int(seq) if seq else self._top + 1)
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        if self._heard_of > self._top:
            self._on_news()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
