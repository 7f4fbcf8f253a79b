"""The load process: `python -m bench.load`. Reads orders, does one after the other, answers each."""

import asyncio
import gc
import resource
import sys
import time
from collections.abc import Iterator
from typing import Final, assert_never

import msgspec
import uvloop
from picows import WSError

from bench.load.clocking import Clocking
from bench.load.frames import FRAMES
from bench.load.orders import Connect, Done, Failed, Order, Reply, Reserve, SendMessages
from bench.load.reserving import bodies, reserve
from bench.load.station import Station, StationFailed

CONNECTING_AT_ONCE: Final = 50
QUIET_S: Final = 0.5
QUIET_TIMEOUT_S: Final = 60.0
ANSWERS_TIMEOUT_S: Final = 30.0


class Load:
    """The stations of one run, and the requests that are still unused."""

    def __init__(self) -> None:
        self._stations: list[Station] = []
        self._requests: Iterator[bytes] | None = None

    async def do(self, order: Order) -> Reply:
        """The order is done."""
        try:
            match order:
                case Connect():
                    return await self._connect(order)
                case SendMessages():
                    return await self._send(order)
                case Reserve():
                    if self._requests is None:
                        self._requests = bodies([one.station_id for one in self._stations])
                    return await reserve(order, requests=self._requests)
                case _:
                    assert_never(order)
        except (StationFailed, OSError, WSError) as error:
            return Failed(reason=str(error) or repr(error))

    async def _connect(self, order: Connect) -> Done:
        begun = time.perf_counter()
        first = len(self._stations)
        added = [Station(f"BENCH{first + number:05d}") for number in range(order.count)]
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def connect(station: Station) -> None:
            async with gate:
                await station.connect(order.url)

        await asyncio.gather(*(connect(one) for one in added))
        self._stations += added
        seconds = time.perf_counter() - begun
        await _quiet()
        gc.collect()
        gc.freeze()
        return Done(count=order.count, seconds=seconds)

    async def _send(self, order: SendMessages) -> Reply:
        clocking = Clocking(len(self._stations), seconds=order.seconds)
        for one in self._stations:
            one.run(FRAMES[order.kind], clocking=clocking)
        return await clocking.reply(timeout_s=order.seconds + ANSWERS_TIMEOUT_S)


async def _quiet() -> None:
    """The server has asked no station anything for a while."""
    end = time.perf_counter_ns() + int(QUIET_TIMEOUT_S * 1e9)
    Station.last_asked = max(Station.last_asked, time.perf_counter_ns())
    while (now := time.perf_counter_ns()) < end and now - Station.last_asked < QUIET_S * 1e9:
        await asyncio.sleep(0.05)


async def run() -> None:
    """Orders are done until the standard input ends."""
    load = Load()
    loop = asyncio.get_running_loop()
    orders = msgspec.json.Decoder(Order)
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        reply = await load.do(orders.decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(run())
