"""One connection of the API's socket: a request has to come whole, and with a head of some size at most."""

import asyncio
import sys
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from evhold.web.problems import MEDIA_TYPE, Problem

#: Of the request line and all headers together.
MAX_HEAD: Final = 32 * 1024


class Connection(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # uvicorn chooses the class by what is installed
    """uvicorn's, but that it waits for no one: ``arrival_s`` after its first byte a request is there, or 408 is."""

    arrival_s = 20.0
    _timer: asyncio.TimerHandle | None = None
    _partial = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Somebody is there, and has so long to say something."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Bytes have come: the clock runs while they are no whole request."""
        before = self.cycle
        super().data_received(data)
        cycle = self.cycle
        is_head = cycle is before and (cycle is None or not cycle.more_body)
        if not is_head:
            self._partial = 0
        if is_head or cycle.more_body:
            if self._timer is None:
                self._wait()
            if is_head and self._answers() is None:
                self._partial += len(data)
                if self._partial > MAX_HEAD:
                    self._end(Problem("headers-too-large", f"at most {MAX_HEAD} bytes"))
        elif self._timer is not None:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What can't be read is told as a problem, as all else is."""
        error = sys.exc_info()[1]
        if getattr(error, "error_status_hint", 400) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self._end(Problem("headers-too-large", f"at most {MAX_HEAD} bytes"))
        else:
            self._end(Problem("invalid-request", "this is no HTTP request"))

    def _answers(self) -> Any:
        """The answer in hand; None: there is none."""
        return None if self.cycle is None or self.cycle.response_complete else self.cycle

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
