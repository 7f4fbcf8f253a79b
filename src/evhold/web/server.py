"""The API's HTTP server, inside an event loop that runs already; signals belong to the owner of the loop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from litestar.types import ASGIApp

from evhold.web.live import Streams


class _Quiet(uvicorn.Server):
    """uvicorn, but for its signal handlers; ``listening`` is set once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are captured."""
        yield


class ApiServer:
    """One listener.

    Args:
        app: The ASGI application.
        streams: Its event streams: they are ended before the server waits for its connections.
        grace_s: Seconds to wait for answers in hand when it stops.
    """

    def __init__(self, app: ASGIApp, *, streams: Streams, grace_s: float = 10.0) -> None:
        self._streams = streams
        self._server = _Quiet(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=int(grace_s),
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
        self._server.should_exit = True
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
