"""The listening sockets: who is let in to a handshake is decided at accept, by address, before a byte is read or TLS begins."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiofastnet import connect_accepted_socket
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stub leaves it out

from evhold.gateway.doors import Doors, Visit
from evhold.gateway.node import log
from evhold.gateway.tls import Certificates, common_name

BACKLOG: Final = 1024
#: Of one turn of the loop, so that who is connected is served between.
ACCEPTS_AT_ONCE: Final = 64
#: Without a file descriptor left nobody can be accepted: it is tried again a little later.
PAUSE_S: Final = 0.5
_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_TLS_ENDS_S: Final = 5.0
#: What a record of TLS may hold: as much is sent at once, and a peer's buffer is as big as what is in it (`tls`).
_TLS_RECORD: Final = 16 * 1024


class StationProtocol(WSProtocol):  # type: ignore[misc]  # as above
    """picows's protocol, which tells the door that it is gone."""

    __slots__ = ("visit",)
    visit: Visit

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The socket is open, its TLS done."""
        self.visit.common_name = common_name(transport.get_extra_info("peercert"))
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        self.visit.leave()


Build = Callable[[Visit], StationProtocol]


class Listener:
    """Listens on every address of a host.

    Args:
        build: A protocol for a socket that was let in.
        doors: Decides who is.
        handshake_timeout_s: For TLS, and then for the request: each has that long.
        certificates: Whose context in force is TLS's at each socket; None is plain.
        tls_failed: Told of a TLS handshake that failed, and of the peer's address.
    """

    def __init__(
        self,
        build: Build,
        *,
        doors: Doors,
        handshake_timeout_s: float,
        certificates: Certificates | None = None,
        tls_failed: Callable[[OSError, str], None] = lambda error, address: None,
    ) -> None:
        self._build = build
        self._doors = doors
        self._timeout_s = handshake_timeout_s
        self._certificates = certificates
        self._tls_failed = tls_failed
        self._sockets: list[socket.socket] = []
        self._opening: dict[asyncio.Task[None], socket.socket] = {}
        self._paused: set[asyncio.TimerHandle] = set()

    async def start(self, host: str, port: int) -> None:
        """Sockets are accepted. Raises OSError: an address is taken or not ours."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, address))
        except OSError:
            self.close()
            raise
        for one in self._sockets:
            loop.add_reader(one, self._accept, one)

    @property
    def port(self) -> int:
        """Of the first address."""
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Nobody is accepted any more; who was let in stays."""
        loop = asyncio.get_running_loop()
        for timer in self._paused:
            timer.cancel()
        for one in self._sockets:
            loop.remove_reader(one)
            one.close()
        for one in self._opening.values():
            # A cancelled task would wait for a peer that owes us its half of TLS.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    raise
                self._pause(listening, error)
                return
            accepted.setblocking(False)
            self._let_in(accepted, str(address[0]))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        log.error("server.cannot-accept", error=error.strerror, refusals="files")
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def resume() -> None:
            self._paused.discard(timer)
            loop.add_reader(listening, self._accept, listening)

        timer = loop.call_later(PAUSE_S, resume)
        self._paused.add(timer)

    def _let_in(self, accepted: socket.socket, address: str) -> None:
        visit = self._doors.enter(address)
        if isinstance(visit, str):
            log.warning("connection.refused", address=address, limit=visit)
            _turn_away(accepted, visit, plain=self._certificates is None)
            return
        task = asyncio.get_running_loop().create_task(self._open(accepted, visit))
        self._opening[task] = accepted
        task.add_done_callback(self._opening.pop)

    def _context(self) -> ssl.SSLContext | None:
        if self._certificates is None:
            return None
        self._certificates.look(asyncio.get_running_loop().time())
        return self._certificates.context

    async def _open(self, accepted: socket.socket, visit: Visit) -> None:
        """A transport carries the socket, TLS done; the task ends there."""
        loop, context = asyncio.get_running_loop(), self._context()
        protocol = self._build(visit)
        protocol.visit = visit
        try:
            await connect_accepted_socket(
                loop,
                lambda: protocol,
                accepted,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self._timeout_s,
                ssl_shutdown_timeout=None if context is None else _TLS_ENDS_S,
                ssl_incoming_bio_size=None if context is None else _TLS_RECORD,
                ssl_outgoing_bio_size=None if context is None else _TLS_RECORD,
            )
        except (OSError, TimeoutError) as error:
            log.info("connection.failed", address=visit.address, reason=type(error).__name__)
            visit.leave()
            if context is not None:
                self._tls_failed(error, visit.address)
        except BaseException:
            visit.leave()
            raise


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _turn_away(accepted: socket.socket, reason: str, *, plain: bool) -> None:
    """The peer is told why, where that can be said at once, and the socket is closed."""
    body = reason.encode()
    with suppress(OSError):
        if plain:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nRetry-After: 60\r\nConnection: close\r\n"
            accepted.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        accepted.shutdown(socket.SHUT_WR)
    accepted.close()
