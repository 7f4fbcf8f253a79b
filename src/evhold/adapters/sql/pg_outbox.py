"""The true numbers of committed events, given in the order in which they become visible (design decision 8).

House rules
- A transaction that commits late must not bring a number that a reader has passed. So numbers are given after the commit, a
  batch at a time, under a lock that only this takes, and held until they are committed themselves.
- It is one statement: the server runs it through, whatever becomes of the node that sent it.
- Every node numbers what it finds, also what a dead node or the command line left behind; whoever did tells the others.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

import asyncpg
from sqlalchemy import URL

from evhold.adapters.sql.pg_engine import ATTEMPT_S, connect, is_away, words_of
from evhold.usecases.ports import StorageAway

CHANNEL: Final = "evhold_outbox"
#: Any number that no other program takes in this database.
LOCK: Final = 0x65_76_68_6F_6C_64
AT_ONCE: Final = 2_000
#: Rows that were numbered while this waited for the lock are read again, found above zero, and left alone.
_NUMBER: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock({LOCK}) WHERE EXISTS (SELECT FROM outbox WHERE seq < 0)
), fresh AS MATERIALIZED (
    SELECT seq FROM outbox WHERE seq < 0 AND EXISTS (SELECT FROM locked)
    ORDER BY seq DESC LIMIT {AT_ONCE} FOR UPDATE
), numbers AS MATERIALIZED (
    SELECT seq AS provisional, nextval('outbox_numbers') AS seq FROM fresh
), numbered AS (
    UPDATE outbox SET seq = numbers.seq FROM numbers WHERE outbox.seq = numbers.provisional RETURNING outbox.seq
)
SELECT count(*), pg_notify('{CHANNEL}', $1) FROM numbered HAVING count(*) > 0
"""


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

    async def number(self) -> None:
        """Every event that was committed before has its number.

        Raises:
            StorageAway: Some may wait for it.
        """
        async with self._turn:
            while True:
                was_open = self._connection is not None
                try:
                    async with asyncio.timeout(ATTEMPT_S):
                        await self._number()
                except Exception as error:
                    self._drop()
                    if not is_away(error):
                        raise
                    # One that a restarted server left dead is no outage: the next one says whether there is any.
                    if not was_open or isinstance(error, TimeoutError):
                        raise StorageAway(words_of(error)) from error
                else:
                    return

    async def close(self) -> None:
        """The connection is given back."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None and not connection.is_closed():
                await connection.close(timeout=2)

    async def _number(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
            await self._connection.add_listener(CHANNEL, self._heard)
        while (row := await self._connection.fetchrow(_NUMBER, self._name)) is not None:
            if row[0] < AT_ONCE:
                return

    def _heard(self, connection: Any, pid: int, channel: str, name: object) -> None:
        if name != self._name:
            self._on_news()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
