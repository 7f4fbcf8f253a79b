"""The committed events as a log: read in order from any number, pruned when old, with named positions of its readers."""

from datetime import datetime
from typing import Final

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.outbox import PRUNED
from evhold.usecases.ports import Numbered, Told

PAGE: Final = 500


class EventLog:
    """What the reader of the outbox and the bus read from."""

    def __init__(self, storage: Database) -> None:
        self._storage = storage

    async def number(self) -> Numbered | None:
        """Every event that is committed by now has its number, and is found by ``after``; None: they always have."""
        return await self._storage.number()

    async def news(self, seq: int, *, limit: int) -> list[Told]:
        """As ``after``, for the one reader that follows all events."""
        return await self._storage.news(seq, limit=limit)

    async def after(self, seq: int, *, limit: int = PAGE) -> list[Told]:
        """The next events behind this number; fewer than ``limit``: there are no more now."""
        return await self._storage.look(lambda tx: tx.outbox.after(seq, limit=limit))

    async def last(self) -> int:
        """The highest number given, 0 before the first."""
        return await self._storage.look(lambda tx: tx.outbox.last())

    async def pruned(self) -> int:
        """The highest number whose event is gone, 0 if none is."""
        return await self._storage.look(lambda tx: tx.outbox.cursor(PRUNED)) or 0

    async def cursor(self, name: str) -> int | None:
        """How far this reader had come; None: it never said."""
        return await self._storage.look(lambda tx: tx.outbox.cursor(name))

    async def move_cursor(self, name: str, *, to: int) -> None:
        """The reader has handled all up to this number, and will not get it again."""
        await self._storage.write(lambda tx: tx.outbox.move_cursor(name, to=to))

    async def prune(self, *, before: datetime) -> int:
        """Events older than this are gone; how many. Readers that still need them get a gap."""
        total = 0
        while pruned := await self._storage.write(lambda tx: tx.outbox.prune(before=before)):
            total += pruned
        return total
