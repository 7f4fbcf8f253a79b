"""A station's WebSocket on picows: whole messages for the session, and the parts of RFC 6455 that picows leaves to us.

picows parses frames and refuses malformed ones. Here fragments are put together, messages inflated and bounded, PINGs
answered, silent peers and slow readers dropped, and the closing handshake is brought to its end.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from evhold.gateway.deflate import PLAIN_BELOW, Deflate, InflatedTooBig, InflateFailed, inflate
from evhold.gateway.node import log
from evhold.gateway.peer import (
    INTERNAL_ERROR,
    INVALID_DATA,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    TOO_BIG,
    UNSUPPORTED_DATA,
    PeerListener,
)

_TEXT = WSMsgType.TEXT
_CONTROL = frozenset({WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG})
_ECHOED = range(1000, 1004)
#: Of a message so many bytes (as a power of two) count as one message more.
_WEIGHT = 12
#: Codes of CLOSE frames that are told apart; a peer may make up others.
_KNOWN_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSettings:
    """Bounds of one socket.

    Args:
        max_message: Bytes of one message, before and after inflating.
        max_buffered: Bytes that may wait for a peer that does not read.
        ping_after_ticks: Silent ticks of the server's timer after which a peer is pinged.
        drop_after_ticks: Silent ticks after which it is dropped.
        close_timeout_s: How long a peer may take to answer our CLOSE.
        frames_per_tick: Frames that a peer may send between two ticks; of long ones each 4 KiB count as one.
        message_ticks: Ticks that a message may take from its first frame to its last.
    """

    max_message: int = 512 * 1024
    max_buffered: int = 1024 * 1024
    ping_after_ticks: int = 2
    drop_after_ticks: int = 4
    close_timeout_s: float = 5.0
    frames_per_tick: int = 6_000
    message_ticks: int = 2


class SocketOwner(Protocol):
    """Who keeps account of the open sockets."""

    def socket_opened(self, socket: "StationSocket") -> None:
        """One more is open."""
        ...

    def socket_gone(self, socket: "StationSocket") -> None:
        """It is open no more."""
        ...

    def socket_refused(self, limit: str) -> None:
        """A limit of this name was passed, and the socket ends for it."""
        ...


class StationSocket(WSListener):
    """One open WebSocket. It is the peer of its listener.

    Args:
        listener: Gets the whole messages; None for a socket that is closed as soon as it is open.
        deflate: The compression agreed on, if any.
        owner: Told when the socket opens and when it is gone.
    """

    __slots__ = (
        "_budget",
        "_closing",
        "_deflate",
        "_listener",
        "_owner",
        "_parts",
        "_parts_deflated",
        "_parts_ticks",
        "_reason",
        "_settings",
        "_silent_ticks",
        "_timer",
        "_transport",
    )

    _transport: WSTransport

    def __init__(
        self,
        listener: PeerListener | None,
        *,
        owner: SocketOwner,
        settings: SocketSettings,
        deflate: Deflate | None = None,
    ) -> None:
        self._listener = listener
        self._settings = settings
        self._deflate = deflate
        self._owner = owner
        # One buffer, not a list: of fragments of one byte the objects around them would be the most.
        self._parts: bytearray | None = None
        self._parts_ticks = 0
        self._parts_deflated = False
        self._budget = settings.frames_per_tick
        self._silent_ticks = 0
        self._closing = False
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None

    # The port `Peer`

    @property
    def remote(self) -> str:
        """The address of the other end, ``host:port``."""
        address = self._transport.underlying_transport.get_extra_info("peername")
        if address is None:
            return ""
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def send_text(self, data: bytes) -> None:
        """One text message is on its way, compressed where that was agreed and pays; nothing follows a CLOSE frame."""
        if self._closing:
            return
        if self._deflate is not None and len(data) >= PLAIN_BELOW:
            self._transport.send(_TEXT, self._deflate.compress(data), True, True)
        else:
            self._transport.send(_TEXT, data)

    def close(self, code: int, *, reason: str) -> None:
        """A CLOSE frame is on its way; the socket ends at the peer's CLOSE, or after the time limit."""
        if self._closing:
            return
        self._closing = True
        self._reason = self._reason or reason
        self._transport.send_close(WSCloseCode(code), reason)
        self._timer = asyncio.get_running_loop().call_later(self._settings.close_timeout_s, self._drop)

    def abort(self, reason: str) -> None:
        """The socket ends at once."""
        self._closing = True
        self._reason = self._reason or reason
        self._drop()

    def buffered(self) -> int:
        """Bytes that the operating system has not taken yet."""
        return self._transport.underlying_transport.get_write_buffer_size()

    # picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is complete."""
        self._transport = transport
        self._owner.socket_opened(self)
        # picows never blocks: beyond the high mark it tells `pause_writing`, and the peer is dropped there.
        transport.underlying_transport.set_write_buffer_limits(high=self._settings.max_buffered)
        if self._listener is None:
            # OCPP-J: no subprotocol in common, so the handshake was completed without one and this is all that follows.
            self.close(PROTOCOL_ERROR, reason="no subprotocol in common")
        else:
            self._listener.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Any frame is a sign of life; a whole plain text message goes straight to the listener."""
        self._silent_ticks = 0
        self._budget -= 1 + (frame.payload_size >> _WEIGHT)
        if self._budget < 0 and not self._closing:
            self._refuse("messages-per-second", POLICY_VIOLATION, reason="too many messages")
            return
        listener = self._listener
        plain = frame.msg_type is _TEXT and frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        try:
            if plain and listener is not None and self._parts is None and not self._closing:
                listener.text(frame.get_payload_as_bytes())
            else:
                self._take(frame)
        except Exception:  # noqa: BLE001 - the top of a callback: our fault is logged, and this socket ends
            log.exception("socket.failed")
            self.close(INTERNAL_ERROR, reason="internal error")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._owner.socket_gone(self)
        refused = "" if self._reason else self._refused_by_picows()
        if refused == f"refused-{TOO_BIG}":
            self._owner.socket_refused("max-message")
        # Listener and socket know each other: let go here, or each connection would wait for the collector of circles.
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.closed(self._reason or refused or "lost")

    def pause_writing(self) -> None:
        """The peer does not read what it is sent: it is dropped."""
        self._owner.socket_refused("max-unread")
        self.abort("slow-reader")

    def resume_writing(self) -> None:
        """Nothing to do: the peer was dropped."""

    def tick(self) -> None:
        """One tick of the server's timer has passed: a silent peer is pinged, then dropped."""
        self._silent_ticks += 1
        self._budget = self._settings.frames_per_tick
        if self._parts is not None:
            self._parts_ticks += 1
            if self._parts_ticks > self._settings.message_ticks and not self._closing:
                self._refuse("message-time", POLICY_VIOLATION, reason="a message that does not end")
        if self._silent_ticks >= self._settings.drop_after_ticks:
            self.abort("no-pong")
        elif self._silent_ticks == self._settings.ping_after_ticks:
            self._transport.send_ping()

    # Frames that are not a whole plain text message

    def _take(self, frame: WSFrame) -> None:
        is_control = frame.msg_type in _CONTROL
        match frame.msg_type:
            case _ if is_control and not self._closing and (frame.rsv1 or frame.rsv2 or frame.rsv3):
                # RFC 6455 5.2: no extension gives the reserved bits of these frames a meaning.
                self.close(PROTOCOL_ERROR, reason="reserved bits set")
            case WSMsgType.CLOSE:
                self._take_close(frame)
            case _ if self._closing:
                pass
            case WSMsgType.PING:
                self._transport.send_pong(frame.get_payload_as_bytes())
            case WSMsgType.PONG:
                pass
            case WSMsgType.BINARY:
                self.close(UNSUPPORTED_DATA, reason="OCPP-J is text")
            case _:
                self._take_data(frame)

    def _take_close(self, frame: WSFrame) -> None:
        if not self._closing:
            self._closing = True
            code = int.from_bytes(frame.get_payload_as_bytes()[:2], "big")
            self._reason = self._reason or f"closed-by-peer-{code if code in _KNOWN_CODES else 'other'}"
            self._transport.send_close(WSCloseCode(code) if code in _ECHOED else WSCloseCode.OK)
            self._timer = asyncio.get_running_loop().call_later(self._settings.close_timeout_s, self._drop)
        self._transport.disconnect()

    def _take_data(self, frame: WSFrame) -> None:
        is_first = frame.msg_type is _TEXT
        if is_first == (self._parts is not None):
            self.close(PROTOCOL_ERROR, reason="fragments out of order")
            return
        if frame.rsv2 or frame.rsv3 or (frame.rsv1 and not (is_first and self._deflate is not None)):
            self.close(PROTOCOL_ERROR, reason="reserved bits set")
            return
        if is_first:
            self._parts, self._parts_ticks, self._parts_deflated = bytearray(), 0, frame.rsv1
        self._add_part(frame)

    def _add_part(self, frame: WSFrame) -> None:
        parts = self._parts if self._parts is not None else bytearray()
        if len(parts) + frame.payload_size > self._settings.max_message:
            self._parts = None
            self._refuse("max-message", TOO_BIG, reason="message too big")
            return
        parts += frame.get_payload_as_bytes()
        if frame.fin:
            self._parts = None
            self._deliver(bytes(parts))

    def _deliver(self, data: bytes) -> None:
        if self._parts_deflated:
            try:
                data = inflate(data, limit=self._settings.max_message)
            except InflatedTooBig:
                self._refuse("max-message", TOO_BIG, reason="message too big")
                return
            except InflateFailed:
                self.close(INVALID_DATA, reason="not a deflate stream")
                return
        if self._listener is not None:
            self._listener.text(data)

    def _refuse(self, limit: str, code: int, *, reason: str) -> None:
        self._owner.socket_refused(limit)
        self.close(code, reason=reason)

    def _refused_by_picows(self) -> str:
        sent = getattr(self._transport.close_handshake, "sent", None)
        return "" if sent is None else f"refused-{int(sent.code.value)}"

    def _drop(self) -> None:
        with suppress(RuntimeError):
            self._transport.disconnect(graceful=False)
