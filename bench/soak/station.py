"""A station of the soak: talks now and then, goes and comes again, and, where it is a bad one, does what it should not."""

import asyncio
import random
import time
from array import array
from enum import Enum
from typing import Final, cast

from bench.load.answers import answer
from bench.load.frames import boot, heartbeat, status_notification

_OPCODE: Final = 0x0F
_CLOSE: Final = 8
_PING: Final = 9
_PONG: Final = 10
_TEXT: Final = 1


class Fault(Enum):
    """What a station does wrong: nothing; answers nothing, answers by errors, answers without sense."""

    NONE = "none"
    SILENT = "silent"
    REFUSING = "refusing"
    GARBLING = "garbling"


class Tally:
    """What all stations of a soak have seen since it was last emptied."""

    def __init__(self) -> None:
        self.latencies = array("q")
        self.answered = 0
        self.unanswered = 0
        self.connects = 0
        self.refused = 0
        self.lost = 0


def frame(payload: bytes, *, opcode: int = _TEXT) -> bytes:
    """A client's frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, 0x80 | size, 0, 0, 0, 0]) + payload
    if size < 1 << 16:
        return bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big") + bytes(4) + payload
    return bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big") + bytes(4) + payload


def upgrade(name: str) -> bytes:
    """The request of a handshake."""
    return (
        f"GET /ocpp/{name} HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n"
    ).encode()


class Station(asyncio.Protocol):
    """One connection of a station.

    Args:
        name: Its id.
        fault: What it does wrong.
        tally: Where it counts.
    """

    def __init__(self, name: str, *, fault: Fault, tally: Tally) -> None:
        self.name = name
        self.is_open = False
        self.fault = fault
        self._tally = tally
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._number = 0
        self._sent_at = 0
        self._opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def connect(self, host: str, port: int) -> bool:
        """Whether it was let in and has booted."""
        try:
            async with asyncio.timeout(60):
                await asyncio.get_running_loop().create_connection(lambda: self, host, port)
                return await self._opened
        except (OSError, TimeoutError):
            self.leave()
            return False

    def talk(self) -> None:
        """Its next message is on its way, unless the last one was not answered yet."""
        if not self.is_open or self._transport is None or self._sent_at or self._transport.is_closing():
            return
        self._number += 1
        self._sent_at = time.perf_counter_ns()
        make = status_notification if self._number % 3 == 0 else heartbeat
        self._transport.write(frame(make(self._number)))

    def leave(self, *, politely: bool = False) -> None:
        """The socket is gone, with a CLOSE frame or without."""
        if self._transport is not None and not self._transport.is_closing():
            if politely:
                self._transport.write(frame((1000).to_bytes(2, "big"), opcode=_CLOSE))
            else:
                self._transport.abort()

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(upgrade(self.name))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._tally.lost += self.is_open
        self._tally.unanswered += bool(self._sent_at)
        self.is_open = False
        if not self._opened.done():
            self._opened.set_result(False)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._buffer += data
        if not self.is_open and not self._handshake():
            return
        while (taken := self._next()) is not None:
            self._take(*taken)

    def _handshake(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._transport is None:
            return False
        is_welcome = self._buffer.startswith(b"HTTP/1.1 101")
        del self._buffer[: end + 4]
        if not is_welcome:
            self._tally.refused += 1
            self._transport.abort()
            return False
        self.is_open = True
        self._tally.connects += 1
        self._sent_at = time.perf_counter_ns()
        self._transport.write(frame(boot()))
        return True

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & _OPCODE, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if opcode == _PING:
            self._transport.write(frame(payload, opcode=_PONG))
        elif opcode == _CLOSE:
            self._transport.close()
        elif payload.startswith((b"[3", b"[4")):
            self._take_answer()
        else:
            self._take_call(payload)

    def _take_answer(self) -> None:
        if self._sent_at:
            self._tally.latencies.append(time.perf_counter_ns() - self._sent_at)
            self._tally.answered += 1
            self._sent_at = 0
        if not self._opened.done():
            self._opened.set_result(True)

    def _take_call(self, payload: bytes) -> None:
        assert self._transport is not None
        match self.fault:
            case Fault.NONE:
                self._transport.write(frame(answer(payload)))
            case Fault.REFUSING:
                message_id = payload.split(b'"', 2)[1]
                self._transport.write(frame(b'[4,"%b","InternalError","out of order",{}]' % message_id))
            case Fault.GARBLING:
                noise = [b"[3", b"\xff\xfe", b'[3,"nobody",{}]', b'{"a":1}', b'[2,"x","NoSuchAction",{}]']
                self._transport.write(frame(random.choice(noise)))
            case Fault.SILENT:
                pass
