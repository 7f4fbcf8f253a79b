"""What the rest of this folder, and whoever puts a node together, needs of a database: SQLite's and PostgreSQL's in one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy.engine import Dialect

from evhold.adapters.sql.tx import SqlTx
from evhold.usecases.ports import Numbered, Told
from evhold.usecases.stores import Tx

T = TypeVar("T")


class Database(Protocol):
    """ports.Storage, and what else there is to it. Use it on one loop, and close it there."""

    dialect: Dialect
    #: Whether transactions run one after the other, in the order of their submission.
    in_order: bool

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As in the port; begun at once, and not ended by the end of whoever awaits it."""
        ...

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As in the port."""
        ...

    def write(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """As ``transact``, for work that knows SQL."""
        ...

    def look(self, work: Callable[[SqlTx], T]) -> "asyncio.Future[T]":
        """As ``read``, for work that knows SQL."""
        ...

    def on_told(self, call: Callable[[Sequence[Told]], None]) -> None:
        """``call`` runs on the loop when events were committed: with them, or with none where they have to be read."""
        ...

    async def number(self) -> Numbered | None:
        """Every event that is committed by now has its number; None: they always have.

        Raises:
            StorageAway: Some may wait for it.
        """
        ...

    async def news(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number, for the one reader that follows all of them."""
        ...

    async def close(self) -> None:
        """What was begun is stored, and all connections are given back."""
        ...
