"""The port between a session and the WebSocket library: a library that offers these few methods can take picows' place."""

from typing import Protocol

GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011


class Peer(Protocol):
    """One open WebSocket, as a session sees it. Nothing here blocks or raises when the socket is already gone."""

    @property
    def remote(self) -> str:
        """The address of the other end, ``host:port``."""
        ...

    def send_text(self, data: bytes) -> None:
        """One text message of UTF-8 ``data`` is on its way, compressed where that was agreed and pays."""
        ...

    def close(self, code: int, *, reason: str) -> None:
        """A CLOSE frame is on its way; the socket ends at the peer's CLOSE, or a few seconds later without it."""
        ...

    def abort(self, reason: str) -> None:
        """The socket ends at once, without a CLOSE frame."""
        ...

    def buffered(self) -> int:
        """Bytes that were sent and that the operating system has not taken yet."""
        ...


class PeerListener(Protocol):
    """What a session does for its socket. Called on the event loop, in order: opened, any number of text, closed."""

    def opened(self, peer: Peer) -> None:
        """The handshake is complete; the peer may be used from now on."""
        ...

    def text(self, data: bytes) -> None:
        """One whole text message, reassembled and inflated; whether it is UTF-8 is not yet known."""
        ...

    def closed(self, reason: str) -> None:
        """The socket is gone; nothing follows."""
        ...
