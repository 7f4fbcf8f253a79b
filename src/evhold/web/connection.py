"""One connection of the API's socket: a request has to come whole, and with a head of some size at most."""

import asyncio
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from evhold.web.problems import MEDIA_TYPE, Problem

#: Of the request line and all headers together.
MAX_HEAD: Final = 32 * 1024
_TOO_LARGE: Final = Problem("headers-too-large", f"at most {MAX_HEAD} bytes")


class Gathered:
    """A transport that sends in one go what is written in one turn of the loop: the head of an answer and its body.

    Args:
        transport: Does all else as ever.
        loop: Its own.
    """

    def __init__(self, transport: asyncio.Transport, *, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """It leaves at the end of this turn, behind what was written before."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """The connection ends behind what was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._transport.write(b"".join(waiting))


class Connection(HttpToolsProtocol):
    """uvicorn's, but that it waits for no one: ``arrival_s`` after its first byte a request is there, or 408 is."""

    arrival_s = 20.0
    _timer: asyncio.TimerHandle | None = None
    #: Bytes that came since the last of a body: of a head, or of a trailer.
    _beside = 0
    _is_head_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody is there, and has so long to say something."""
        super().connection_made(cast(asyncio.Transport, Gathered(transport, loop=self.loop)))
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Bytes have come: the clock runs while they are no whole request."""
        before: Any = self.cycle
        self._beside += len(data)
        super().data_received(data)
        cycle: Any = self.cycle
        is_head = cycle is before and (cycle is None or not cycle.more_body)
        if is_head or cycle.more_body:
            if self._timer is None:
                self._wait()
            if self._beside > MAX_HEAD and not self.transport.is_closing():
                self._end(_TOO_LARGE)
        elif self._timer is not None:
            self._stop()

    def on_headers_complete(self) -> None:
        """A head that came in one piece has the same limit."""
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MAX_HEAD:
            self._is_head_too_large = True
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The application has its own limit for it."""
        self._beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What follows is of another request."""
        self._beside = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What can't be read is told as a problem, as all else is."""
        self._end(_TOO_LARGE if self._is_head_too_large else Problem("invalid-request", "this is no HTTP request"))

    def _answers(self) -> Any:
        """The answer in hand; None: there is none."""
        cycle: Any = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.arrival_s, self._too_late, self.cycle)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self, cycle: Any) -> None:
        """Nothing new began since: it is not coming. An answer in hand goes first: the application sees to its body."""
        self._timer = None
        if self.transport.is_closing():
            return
        if self._answers() is not None or self.cycle is not cycle:
            self._wait()
        else:
            self._end(Problem("request-timeout", f"it has to arrive within {self.arrival_s:g} s"))

    def _end(self, problem: Problem) -> None:
        """The connection ends, with these words where they can still be said."""
        self._stop()
        if self._answers() is None:
            body = problem.body()
            self.transport.write(
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
                "cache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n".encode()
                + body
            )
        self.transport.close()
