"""Reads committed events in the order of their numbers and tells them on, whoever committed them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from evhold.usecases.ports import StorageAway, Told

PAGE: Final = 500
POLL_S: Final = 1.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.outbox")


class Log(Protocol):
    """The stored events."""

    async def number(self) -> None:
        """Every event that is committed by now has its number."""
        ...

    async def after(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number, in order."""
        ...


class OutboxReader:
    """One a node: every committed event is told once, in order, from ``position`` on.

    Commits are announced by ``wake``; those of processes that do not announce theirs are found by a look once a second.
    """

    def __init__(
        self, source: Log, *, position: int, tell: Callable[[Sequence[Told]], None], poll_s: float = POLL_S
    ) -> None:
        self._source = source
        self._tell = tell
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        #: The number of the last event told.
        self.position = position

    def wake(self, fresh: Sequence[Told] = ()) -> None:
        """There is something new; call it on the loop.

        Args:
            fresh: What was just committed, in order. It is told at once where it follows on what was told before, and
                read like anything else where it does not: another process has committed in between.
        """
        if fresh and fresh[0].seq == self.position + 1 and fresh[-1].seq == self.position + len(fresh):
            self.position = fresh[-1].seq
            self._tell(fresh)
        else:
            self._woken.set()

    async def run(self) -> None:
        """For ever, until cancelled; while the storage is away nothing is told, and nothing is lost."""
        while True:
            try:
                await self.drain()
            except StorageAway as error:
                log.warning("outbox.storage-away", error=str(error))
                await asyncio.sleep(self._poll_s)
                continue
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def drain(self) -> None:
        """All that is committed by now was told."""
        self._woken.clear()
        await self._source.number()
        while events := await self._source.after(self.position, limit=PAGE):
            # Some may have been told meanwhile, by those who committed them.
            if new := [one for one in events if one.seq > self.position]:
                self.position = new[-1].seq
                self._tell(new)
            if len(events) < PAGE:
                return
