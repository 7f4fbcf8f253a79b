"""Reads committed events in the order of their numbers and tells them on, whoever committed them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from evhold.usecases.ports import Numbered, StorageAway, Told

PAGE: Final = 500
POLL_S: Final = 1.0
#: What other nodes tell of within this time is read at once.
GATHER_S: Final = 0.02

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.outbox")


class Log(Protocol):
    """The stored events."""

    async def number(self) -> Numbered | None:
        """Every event that is committed by now has its number; None: they always have."""
        ...

    async def news(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number, in order."""
        ...


class OutboxReader:
    """One a node: every committed event is told once, in order, from ``position`` on.

    Commits are announced by ``wake``; those of processes that do not announce theirs are found by a look once a second.
    """

    def __init__(
        self,
        source: Log,
        *,
        position: int,
        tell: Callable[[Sequence[Told]], None],
        spread: Callable[[int], None] = lambda seq: None,
        poll_s: float = POLL_S,
    ) -> None:
        self._source = source
        self._tell = tell
        #: Called with the highest number when this node gave it: the others may not know yet.
        self._spread = spread
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        self._heard_of = 0
        self._gathering: asyncio.TimerHandle | None = None
        #: The number of the last event told.
        self.position = position

    def wake(self, fresh: Sequence[Told] = ()) -> None:
        """There is something new; call it on the loop.

        Args:
            fresh: What was just committed, in order. It is told at once where it follows on what was told before, and
                read like anything else where it does not: another process has committed in between.
        """
        if self._follow_on(fresh):
            self._spread(self.position)
        else:
            self._woken.set()

    def _follow_on(self, fresh: Sequence[Told]) -> bool:
        """These are told, if nothing is missing between what was told before and the last of them."""
        if not fresh or fresh[0].seq != self.position + 1 or fresh[-1].seq != self.position + len(fresh):
            return False
        self.position = fresh[-1].seq
        self._tell(fresh)
        return True

    def hear(self, seq: int) -> None:
        """Another node knows of events up to this number; what comes with it is read at once."""
        self._heard_of = max(self._heard_of, seq)
        if self._gathering is None and seq > self.position:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        if self._heard_of > self.position:
            self.wake()

    async def run(self) -> None:
        """For ever, until cancelled; while the storage is away nothing is told, and nothing is lost."""
        while True:
            try:
                await self.drain()
            except StorageAway as error:
                log.warning("outbox.storage-away", error=str(error))
                await asyncio.sleep(self._poll_s)
            except Exception:  # the top of this task: a node whose reader has ended does not look ill
                log.exception("outbox.failed")
                await asyncio.sleep(self._poll_s)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._woken.wait()

    async def drain(self) -> None:
        """All that is committed by now was told."""
        self._woken.clear()
        numbered = await self._source.number()
        if numbered is not None:
            self._follow_on(numbered.told)
        if numbered is None or numbered.top > self.position:
            await self._read_on()
        if numbered is None or numbered.given:
            self._spread(self.position)

    async def _read_on(self) -> None:
        while events := await self._source.news(self.position, limit=PAGE):
            # Some may have been told meanwhile, by those who committed them.
            if new := [one for one in events if one.seq > self.position]:
                self.position = new[-1].seq
                self._tell(new)
            if len(events) < PAGE:
                break
