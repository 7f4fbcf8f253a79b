"""The API's HTTP server, inside an event loop that runs already; signals belong to the owner of the loop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import uvicorn
from litestar.types import ASGIApp

from evhold.web.connection import Connection
from evhold.web.live import Streams
from evhold.web.shield import ARRIVAL_S

DATE_S: Final = 1.0


class _Quiet(uvicorn.Server):
    """uvicorn, but for its signal handlers and its ten looks a second; ``listening`` is set once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """The date of answers is set once a second, until ``end``."""
        # uvicorn sets it when it is shown a multiple of ten.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(DATE_S):
                    await self._ending.wait()

    def end(self) -> None:
        """It ends, without waiting for the next look."""
        self.should_exit = True
        self._ending.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are captured."""
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What the listener waits for, and whom it believes.

    Args:
        grace_s: Seconds to wait for answers in hand when it stops.
        arrival_s: Seconds that the head of a request may take to arrive.
        trusted_proxies: Networks whose X-Forwarded-For and -Proto say who the caller is.
    """

    grace_s: float = 10.0
    arrival_s: float = ARRIVAL_S
    trusted_proxies: tuple[str, ...] = ()


class ApiServer:
    """One listener.

    Args:
        app: The ASGI application.
        streams: Its event streams: they are ended before the server waits for its connections.
        settings: What it waits for, and whom it believes.
    """

    def __init__(self, app: ASGIApp, *, streams: Streams, settings: ServerSettings | None = None) -> None:
        settings = settings or ServerSettings()
        self._streams = streams
        self._server = _Quiet(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                http=type("Connection", (Connection,), {"arrival_s": settings.arrival_s}),
                ws="none",
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=int(settings.grace_s),
                timeout_keep_alive=75,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """It listens; return the port, which is a free one where 0 was asked for.

        Raises:
            OSError: The address can't be had.
        """
        listener = await _listen(host, port)
        bound = int(listener.getsockname()[1])
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="api")
        listening = asyncio.ensure_future(self._server.listening.wait())
        await asyncio.wait({self._serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            self._serving.result()
        return bound

    async def stop(self) -> None:
        """New connections are refused, event streams have ended, answers in hand were given."""
        self._streams.end()
        self._server.end()
        if self._serving is not None:
            await self._serving


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
