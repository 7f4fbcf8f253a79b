"""Those who follow the events from now on are told together: one chunk of bytes for all who see the same."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from evhold.domain.events import RegistryChanged
from evhold.usecases.ports import StorageAway, Told
from evhold.web.calls import Follow, Following
from evhold.web.lines import GAP, Line, Sight

#: Between two chunks, once they are many; a chunk costs something for each seat, so with few seats it is less.
GATHER_S: Final = 0.1
GATHER_A_SEAT_S: Final = 0.002
#: So many chunks may follow each other before they are that far apart: a few events are told as they come.
AT_ONCE: Final = 5
#: More events than these are told without a pause.
FULL: Final = 500
#: Bytes that wait for one viewer. Whoever is further behind reads the stored log.
MAX_WAITING: Final = 512 * 1024
RETRY_S: Final = 1.0

Hear = Callable[[RegistryChanged], bool]
log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.web.hub")


class Chunk:
    """What those with one sight are told at once: the texts of some events, in order, and all of them as one."""

    __slots__ = ("_parts", "body", "last")

    def __init__(self, parts: Sequence[tuple[int, bytes]], *, last: int) -> None:
        self._parts = parts
        self.body = b"".join(text for _, text in parts)
        self.last = last

    def after(self, seq: int) -> bytes:
        """What of it comes after this number."""
        return b"".join(text for number, text in self._parts if number > seq)


class Seat:
    """A viewer's place: what was told since it looked. One that takes too little loses its place.

    Args:
        sight: What it sees.
        at: The number of the last event that it was told of elsewhere.
        hear: Told of what changes in the registry; says whether the viewer has to look up.
    """

    __slots__ = ("_begun_at", "_bytes", "_hear", "_waiting", "_woken", "at", "is_lost", "sight")

    def __init__(self, sight: Sight, *, at: int, hear: Hear) -> None:
        self.sight = sight
        self._hear = hear
        #: Of the last event that it has taken.
        self.at = self._begun_at = at
        self.is_lost = False
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._woken = asyncio.Event()

    def give(self, chunk: Chunk, *, before: int) -> None:
        """It is told this; ``before`` is the number of the last event that came before it."""
        body = chunk.body if before >= self._begun_at else chunk.after(self._begun_at)
        if body:
            self._waiting.append((chunk.last, body))
            self._bytes += len(body)
        if self._bytes > MAX_WAITING and len(self._waiting) > 1:
            self.lose()
        self._woken.set()

    def lose(self) -> None:
        """It is told nothing more, and what it did not take is let go."""
        self.is_lost = True
        self._waiting.clear()
        self._bytes = 0
        self._woken.set()

    def hear(self, event: RegistryChanged) -> None:
        """The registry has changed: the viewer looks up if it has to."""
        if self._hear(event):
            self._woken.set()

    async def take(self) -> bytes:
        """The next that was told, as soon as there is some; nothing where it was only woken, or is lost."""
        if not self._waiting and not self.is_lost:
            await self._woken.wait()
        self._woken.clear()
        if not self._waiting:
            return b""
        seq, body = self._waiting.popleft()
        self.at = max(self.at, seq)
        self._bytes -= len(body)
        return body


class Hub:
    """Follows the events as long as there is a viewer, and tells all that have a seat.

    Args:
        gather_s: Seconds between two chunks, once ``at_once`` came faster; at most ``a_seat_s`` for each seat.
        at_once: How many may.
        a_seat_s: Seconds for each seat.
    """

    def __init__(
        self, *, gather_s: float = GATHER_S, at_once: int = AT_ONCE, a_seat_s: float = GATHER_A_SEAT_S
    ) -> None:
        self._gather_s = gather_s
        self._a_seat_s = a_seat_s
        self._at_once = at_once
        self._seats: defaultdict[Sight, set[Seat]] = defaultdict(set)
        self._running: asyncio.Task[None] | None = None
        #: The number of the last event that was told; None: none was yet.
        self.at: int | None = None

    def start(self, follow: Follow) -> None:
        """It follows from now on, if it does not yet."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(follow(after=None)), name="live")

    def stop(self) -> None:
        """It follows no more."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self.at = None

    def join(self, sight: Sight, *, at: int, hear: Hear) -> Seat | None:
        """A seat for whoever was told all up to this number elsewhere; None: that is not far enough."""
        if self.at is None or at < self.at:
            return None
        seat = Seat(sight, at=at, hear=hear)
        self._seats[sight].add(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """The seat is free."""
        seats = self._seats[seat.sight]
        seats.discard(seat)
        if not seats:
            del self._seats[seat.sight]

    async def _run(self, told: Following) -> None:
        try:
            await self._tell_all(told)
        except StopAsyncIteration:
            self._lose_all()
        except Exception:
            # Each is by itself again, and learns what it was.
            log.exception("live.fault")
            self._lose_all()
        finally:
            told.close()

    async def _tell_all(self, told: Following) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            apart = min(self._gather_s, self._a_seat_s * sum(map(len, self._seats.values())))
            await asyncio.sleep(due - apart * self._at_once - loop.time())
            try:
                batch = await told.batch(limit=FULL)
            except StorageAway as error:
                # It knows where it was, and goes on from there.
                log.warning("live.storage-away", error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            self.tell(batch)
            if len(batch) < FULL:
                due = max(due, loop.time()) + apart

    def _lose_all(self) -> None:
        for seats in self._seats.values():
            for seat in seats:
                seat.lose()
        self._seats.clear()
        self._running = self.at = None

    def tell(self, batch: Sequence[Told | None]) -> None:
        """Everybody who has a seat is told these, each what they see."""
        before = self.at or 0
        lines = [None if told is None else Line(told) for told in batch]
        self.at = last = max((line.seq for line in lines if line is not None), default=before)
        for sight, seats in list(self._seats.items()):
            parts: list[tuple[int, bytes]] = []
            for line in lines:
                text = GAP if line is None else sight.text_of(line)
                if text is not None:
                    # A gap has no number of its own, and nobody is spared it.
                    parts.append((last if line is None else line.seq, text))
            if parts:
                self._give(seats, Chunk(parts, last=last), before=before)
        for line in lines:
            if line is not None and isinstance(line.event, RegistryChanged):
                self._let_hear(line.event)

    def _give(self, seats: set[Seat], chunk: Chunk, *, before: int) -> None:
        for seat in list(seats):
            seat.give(chunk, before=before)
            if seat.is_lost:
                self.leave(seat)

    def _let_hear(self, event: RegistryChanged) -> None:
        for seats in self._seats.values():
            for seat in seats:
                seat.hear(event)
