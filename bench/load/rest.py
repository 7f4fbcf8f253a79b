"""An HTTP client that costs next to nothing: one request at a time on a connection that stays open."""

import asyncio
import re
from typing import Final, cast
from urllib.parse import urlsplit

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class RestFailed(RuntimeError):
    """The connection was lost, or the answer has no length."""


class RestConnection(asyncio.Protocol):
    """One connection to the API; `send` may be called again when the last answer is there."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @staticmethod
    async def open(api: str) -> "RestConnection":
        """A connection to the server at ``http://host:port``."""
        address = urlsplit(api)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(RestConnection, address.hostname or "", address.port or 80)
        return connection

    async def send(self, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """The status and the body of the answer.

        Args:
            head: Request line and headers, each with its line end; length and empty line are put behind them.
            body: The content.
        """
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        return await self._answer

    def close(self) -> None:
        """The connection is closed."""
        if self._transport is not None:
            self._transport.close()

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are of no asyncio class.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop: a whole answer ends the wait."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        length = _LENGTH.search(self._buffer, 0, end + 2)
        if length is None:
            self._answer.set_exception(RestFailed("an answer without Content-Length"))
        elif len(self._buffer) >= (whole := end + 4 + int(length[1])):
            status, body = int(self._buffer[9:12]), self._buffer[end + 4 : whole]
            self._buffer = self._buffer[whole:]
            self._answer.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: who waits learns of it."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RestFailed("the API closed the connection"))
