"""Hands told events to the followers in this process (ports.Stream). A slow one reads the stored log until it has caught up."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Final, Protocol
from weakref import WeakValueDictionary

from evhold.usecases.ports import Told

PAGE: Final = 500
QUEUE: Final = 1_000


class Log(Protocol):
    """The stored events."""

    async def after(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number, in order."""
        ...

    async def pruned(self) -> int:
        """The highest number whose event is gone."""
        ...

    async def last(self) -> int:
        """The highest number given."""
        ...


class LocalBus:
    """Followers get every event once, in order, from where they want to begin.

    Args:
        source: The stored events.
        position: The number of the last event that was told before the bus began.
        queue: How many events wait for a follower before it has to read the log itself.
    """

    def __init__(self, source: Log, *, position: int, queue: int = QUEUE) -> None:
        self._source = source
        self._queue = queue
        #: In the order of their coming: so are they told.
        self._followers: WeakValueDictionary[int, Follower] = WeakValueDictionary()
        self._numbers = count()
        self.position = position

    def tell(self, events: Sequence[Told]) -> None:
        """The next events, in order."""
        self.position = events[-1].seq
        for follower in list(self._followers.values()):
            follower.receive(events)

    def follow(self, *, after: int | None) -> "Follower":
        """From the event after this number on, or from now on; begun at once, not at the first step."""
        follower = Follower(self._source, after=after, position=self.position, queue=self._queue)
        self._followers[next(self._numbers)] = follower
        return follower

    def close(self) -> None:
        """Every follower ends after what it has."""
        for follower in list(self._followers.values()):
            follower.close()


class Follower:
    """One reader's place in the stream: an iterator of events, with ``None`` where older ones are gone."""

    def __init__(self, source: Log, *, after: int | None, position: int, queue: int) -> None:
        self._source = source
        self._most = queue
        self._gap = False
        #: A number beyond what was told here: of a node that is ahead of this one, or of another database.
        self._ahead = after is not None and after > position
        self._at = position if after is None else after
        #: The waiting events are all that come after this number.
        self._base = self._begun = position
        self._waiting: deque[Told] = deque()
        self._read: deque[Told] = deque()
        self._woken = asyncio.Event()
        self._closed = False

    def receive(self, events: Sequence[Told]) -> None:
        """Keep them; too many are let go, and read again from the log."""
        self._waiting.extend(events)
        if len(self._waiting) > self._most:
            self._waiting.clear()
            self._base = events[-1].seq
        self._woken.set()

    def close(self) -> None:
        """It ends now; whoever reads on later begins after the last number it got."""
        self._closed = True
        self._woken.set()

    async def aclose(self) -> None:
        """As ``close``."""
        self.close()

    async def batch(self, *, limit: int = PAGE) -> list[Told | None]:
        """The next events in hand, at least one. Raises StopAsyncIteration at the end."""
        found = [await anext(self)]
        if not self._read and self._at >= self._base and len(self._waiting) < limit:
            # All that waits, as is mostly the case.
            found += [told for told in self._waiting if told.seq > self._at]
            self._waiting.clear()
            self._at = found[-1].seq if found[-1] is not None else self._at
            return found
        while len(found) < limit and (told := self._next()) is not None:
            found.append(told)
        return found

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> Told | None:
        while not self._closed:
            if self._ahead:
                await self._look_ahead()
            if self._gap:
                self._gap = False
                return None
            if (told := self._next()) is not None:
                return told
            if self._at < self._base:
                await self._read_back()
            elif not self._waiting:
                self._woken.clear()
                await self._woken.wait()
        raise StopAsyncIteration

    def _next(self) -> Told | None:
        """The next event in hand; None: the log must be read, or there is none."""
        source = self._read or (self._waiting if self._at >= self._base else deque())
        while source:
            told = source.popleft()
            if told.seq > self._at:
                self._at = told.seq
                return told
        return None

    async def _look_ahead(self) -> None:
        """A number that was never given is one of another database: there is a gap, of unknown length."""
        self._gap = self._at > await self._source.last()
        if self._gap:
            self._at = self._begun
        self._ahead = False

    async def _read_back(self) -> None:
        """The next page of the log is in hand, or what is gone of it is skipped."""
        events = await self._source.after(self._at, limit=PAGE)
        # Asked for after the reading: what was pruned in between was either read, or is noticed now.
        pruned = await self._source.pruned()
        if pruned > self._at:
            self._gap = True
            self._at = pruned
        if not events:
            self._at = max(self._at, self._base)
        self._read.extend(events)
