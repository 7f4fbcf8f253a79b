"""One stream of events: by itself until it has come as far as the others, then among them."""

import asyncio
from typing import Final, Protocol

from evhold.domain.events import RegistryChanged
from evhold.usecases.ports import Told
from evhold.web.calls import Follow, Following
from evhold.web.hub import Hub, Seat
from evhold.web.lines import GAP, HEARTBEAT, Line, Sight

#: Events that it reads at a time by itself.
PAGE: Final = 200


class Audience(Protocol):
    """Whom a stream is for."""

    @property
    def sight(self) -> Sight:
        """What they see."""
        ...

    def hear(self, event: RegistryChanged) -> bool:
        """Whether this may be their end: ``is_over`` knows."""
        ...

    async def is_over(self) -> bool:
        """They may see nothing any more: the stream ends."""
        ...


class Viewer:
    """What an audience is told, piece by piece.

    Args:
        audience: Whom it is for.
        follow: The committed events.
        hub: Those who are told together.
        after: The number after which it begins; None: now.
    """

    def __init__(self, audience: Audience, *, follow: Follow, hub: Hub, after: int | None) -> None:
        self._audience = audience
        self._follow = follow
        self._hub = hub
        #: None while it has a seat: the bus tells whoever is there.
        self._own: Following | None = follow(after=after)
        self._coming: asyncio.Future[list[Told | None]] | None = None
        self._seat: Seat | None = None

    async def next(self, *, heartbeat_s: float) -> bytes:
        """The next piece, which may be empty, or a heartbeat when nothing comes for so long.

        Raises:
            StopAsyncIteration: There will be no more.
            StorageAway: What it has missed can't be read.
        """
        if self._seat is None:
            return await self._alone(heartbeat_s)
        try:
            async with asyncio.timeout(heartbeat_s):
                return await self._among(self._seat)
        except TimeoutError:
            return HEARTBEAT

    def end(self) -> None:
        """There is no more, also for whoever waits for it."""
        if self._own is not None:
            self._own.close()
        if self._seat is not None:
            self._seat.lose()

    def close(self) -> None:
        """As ``end``, and nobody waits for it any more."""
        self.end()
        if self._seat is not None:
            self._hub.leave(self._seat)
        if self._coming is not None and not self._coming.cancel() and not self._coming.cancelled():
            # What it came to is known by now, or of no use.
            self._coming.exception()

    async def _among(self, seat: Seat) -> bytes:
        text = await seat.take()
        if seat.is_lost:
            self._seat, self._own = None, self._follow(after=seat.at)
        return text

    async def _alone(self, heartbeat_s: float) -> bytes:
        self._hub.start(self._follow)
        if self._coming is None:
            assert self._own is not None
            self._coming = asyncio.ensure_future(self._own.batch(limit=PAGE))
        # Not given up when it takes longer: a page of the log would never come on a slow disk.
        await asyncio.wait({self._coming}, timeout=heartbeat_s)
        if not self._coming.done():
            return HEARTBEAT
        batch, self._coming = self._coming.result(), None
        text = b"".join(self._texts(batch))
        if batch[-1] is not None:
            self._seat = self._hub.join(self._audience.sight, at=batch[-1].seq, hear=self._audience.hear)
        if self._seat is not None:
            self._own = None
        return text

    def _texts(self, batch: list[Told | None]) -> list[bytes]:
        texts: list[bytes | None] = []
        for told in batch:
            if told is not None and isinstance(told.event, RegistryChanged):
                self._audience.hear(told.event)
            texts.append(GAP if told is None else self._audience.sight.text_of(Line(told)))
        return [text for text in texts if text is not None]
