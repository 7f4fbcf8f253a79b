"""Baseline (a): picows and msgspec, and nothing else. Each message is decoded, checked and answered; nothing is kept.

`python -m bench.baselines.bare`: prints its address, and serves until it is told to stop.
"""

import asyncio
import gc
import resource
import signal
from collections.abc import Awaitable, Callable

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from bench.baselines.wire import answered, read


class Bare(WSListener):
    """A station's socket."""

    def __init__(self, station_id: str) -> None:
        self.station_id = station_id

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called by the socket."""
        if frame.msg_type == WSMsgType.TEXT:
            call, _ = read(frame.get_payload_as_bytes())
            transport.send(WSMsgType.TEXT, answered(call))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def serve(make: Callable[[str], WSListener], before: Callable[[], Awaitable[None]] | None) -> None:
    """Stations are served until SIGTERM; the address is printed."""
    if before is not None:
        await before()

    def upgrade(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        listener = make(request.path.rpartition(b"/")[2].decode())
        accepted = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": "ocpp2.0.1"})
        return WSUpgradeResponseWithListener(accepted, listener)

    server = await ws_create_server(upgrade, "127.0.0.1", 0, backlog=1024, read_buffer_init_size=2048)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    # As evhold does once it has started.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()


def run(make: Callable[[str], WSListener], *, before: Callable[[], Awaitable[None]] | None = None) -> None:
    """As ``serve``, on a loop of its own, once ``before`` is done."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve(make, before))


if __name__ == "__main__":
    run(Bare)
