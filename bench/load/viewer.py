"""A viewer of the load: reads the stream of events as the live page does, and times each from the station's stamp."""

import asyncio
import re
import time
from array import array
from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast
from urllib.parse import urlsplit

OPENING_S: Final = 10.0
LOOK_S: Final = 0.01
_SINCE: Final = re.compile(rb'\nid: (\d+)\nevent: connector\.status\ndata: \{[^\n]*?"since":"([^"]+)"')
_END: Final = b"\n\n"
_ASK: Final = (
    b"GET /api/v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %b\r\nAccept: text/event-stream\r\n\r\n"
)
_MOST_STAMPS: Final = 10_000
_stamps: Final[dict[bytes, int]] = {}


class ViewerFailed(RuntimeError):
    """A viewer was refused, sent away, or told something twice or too late."""


class Viewer(asyncio.Protocol):
    """One open stream; ``lags`` are nanoseconds from the stamp of each connector's change to its coming here."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._transport: asyncio.WriteTransport | None = None
        self._rest = b"\n"
        self._last = 0
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lags = array("q")
        self.failed: str | None = None

    @staticmethod
    async def open(api: str, *, key: str) -> "Viewer":
        """A viewer whose stream has begun. Raises ViewerFailed."""
        address = urlsplit(api)
        loop = asyncio.get_running_loop()
        _, viewer = await loop.create_connection(lambda: Viewer(key), address.hostname or "", address.port or 80)
        async with asyncio.timeout(OPENING_S):
            await viewer._begun
        return viewer

    def close(self) -> None:
        """It goes, in silence."""
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.close()

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop: it asks."""
        # uvloop's transports are of no asyncio class.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(_ASK % self._key.encode())

    def data_received(self, data: bytes) -> None:
        """Called by the loop: every whole event in it is timed."""
        now = time.time_ns()
        text = self._rest + data
        if not self._begun.done() and b": evhold" in text:
            self._begin(text)
        end = text.rfind(_END)
        if end < 0:
            self._rest = text
            return
        # What comes between events belongs to HTTP; each begins after a line's end.
        self._rest = text[end + 1 :]
        for number, since in _SINCE.findall(text, 0, end):
            if int(number) <= self._last:
                self.failed = f"event {int(number)} came after {self._last}"
            self._last = int(number)
            self.lags.append(now - _ns(since))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: it is gone, which only it may decide."""
        if self._transport is not None:
            self.failed = "a stream ended"
            if not self._begun.done():
                self._begun.set_exception(ViewerFailed(self.failed))

    def _begin(self, text: bytes) -> None:
        if b" 200 OK\r\n" in text:
            self._begun.set_result(None)
        else:
            self._begun.set_exception(ViewerFailed(text.decode(errors="replace")))


async def all_told(viewers: Sequence[Viewer], count: int, *, timeout_s: float) -> "array[int]":
    """The lags of all, once each was told so many; they are theirs no more. Raises ViewerFailed."""
    end = time.perf_counter() + timeout_s
    while any(len(one.lags) < count and one.failed is None for one in viewers):
        if time.perf_counter() > end:
            raise ViewerFailed(f"a viewer was told {min(len(one.lags) for one in viewers)} of {count}")
        await asyncio.sleep(LOOK_S)
    lags = array("q")
    for one in viewers:
        if one.failed is not None or len(one.lags) != count:
            raise ViewerFailed(one.failed or f"a viewer was told {len(one.lags)} of {count}")
        lags.extend(one.lags)
        one.lags = array("q")
    return lags


def _ns(stamp: bytes) -> int:
    """The stamp as `time_ns` counts; the same few come to every viewer."""
    if (known := _stamps.get(stamp)) is None:
        if len(_stamps) >= _MOST_STAMPS:
            _stamps.clear()
        known = _stamps[stamp] = int(datetime.fromisoformat(stamp.decode()).timestamp() * 1000) * 1_000_000
    return known
