"""A charging station of the load: one socket, one CALL of its own in flight, every CALL of the server answered at once."""

import asyncio
import ssl
import time
from functools import cache
from typing import Final

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.load import frames
from bench.load.answers import answer
from bench.load.clocking import Clocking

ANSWER_TIMEOUT_S: Final = 30.0
_HEADERS: Final = {"Sec-WebSocket-Protocol": "ocpp2.0.1"}


@cache
def _tls() -> ssl.SSLContext:
    """Of all stations; who the server is does not matter here."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class StationFailed(RuntimeError):
    """A station was refused, left without an answer, or sent away."""


class Station(WSListener):
    """A station; ``last_asked`` is when the server last sent a CALL to any of them (`perf_counter_ns`)."""

    last_asked = 0

    def __init__(self, station_id: str) -> None:
        self.station_id = station_id
        self._transport: WSTransport | None = None
        self._number = 0
        self._begun = 0
        self._make: frames.Frames = frames.heartbeat
        self._clocking: Clocking | None = None
        self._answered: asyncio.Future[bytes] | None = None
        self._leaving = False

    async def connect(self, url: str, *, connectors: int = 1) -> None:
        """The station is booted, and its connectors reported: one or two.

        Raises:
            StationFailed: It was refused, or not answered.
        """
        await ws_connect(
            lambda: self,
            f"{url}/{self.station_id}",
            ssl_context=_tls() if url.startswith("wss:") else None,
            extra_headers=_HEADERS,
            read_buffer_init_size=2048,
        )
        booted = await self._ask(frames.boot())
        if b'"Accepted"' not in booted:
            raise StationFailed(f"{self.station_id}: BootNotification was answered {booted.decode()}")
        await self._ask(self._next(frames.status_notification))
        if connectors > 1:
            await self._ask(self._next(frames.second_connector))

    def leave(self) -> None:
        """The socket is closed."""
        if self._transport is not None:
            self._leaving = True
            self._transport.disconnect()

    def send(self, make: frames.Frames) -> None:
        """One message; nobody waits for the answer."""
        self._write(self._next(make))

    def run(self, make: frames.Frames, *, clocking: Clocking) -> None:
        """Sends its messages one after the other, until the clocking says stop."""
        self._make, self._clocking = make, clocking
        self._send(time.perf_counter_ns())

    # The socket

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Called by the socket: the handshake is done."""
        self._transport = transport
        self._leaving = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called by the socket: an answer, or a CALL of the server."""
        if frame.msg_type == WSMsgType.TEXT:
            self._take(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Called by the socket: it is gone."""
        self._transport = None
        if self._leaving:
            return
        self._fail(f"{self.station_id} was disconnected")

    def _take(self, payload: bytes) -> None:
        kind = payload[1:2]
        if kind == b"2":
            Station.last_asked = time.perf_counter_ns()
            self._write(answer(payload))
        elif kind != b"3":
            self._fail(f"{self.station_id} was answered {payload.decode()}")
        elif self._clocking is not None:
            now = self._clocking.clock(self._begun)
            if now:
                self._send(now)
            else:
                self._clocking = None
        elif self._answered is not None and not self._answered.done():
            self._answered.set_result(payload)

    def _send(self, now: int) -> None:
        self._begun = now
        self._write(self._next(self._make))

    def _next(self, make: frames.Frames) -> bytes:
        self._number += 1
        return make(self._number)

    def _write(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, frame)

    async def _ask(self, frame: bytes) -> bytes:
        self._answered = asyncio.get_running_loop().create_future()
        self._write(frame)
        try:
            return await asyncio.wait_for(self._answered, ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise StationFailed(f"{self.station_id} was not answered within {ANSWER_TIMEOUT_S:g} s") from None

    def _fail(self, reason: str) -> None:
        if self._clocking is not None:
            self._clocking.fail(reason)
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(StationFailed(reason))
