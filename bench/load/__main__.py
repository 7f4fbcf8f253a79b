"""The load process: `python -m bench.load`. Reads orders, does one after the other, answers each."""

import asyncio
import gc
import resource
import sys
import time
from array import array
from typing import Final, assert_never

import msgspec
import uvloop
from picows import WSError

from bench.load.awake import Awake
from bench.load.clocking import Clocking, summary
from bench.load.frames import FRAMES
from bench.load.orders import (
    Cancel,
    Connect,
    Done,
    Failed,
    Leave,
    Order,
    Pace,
    Reply,
    Reserve,
    ReserveOpen,
    SendMessages,
    Unwatch,
    Watch,
)
from bench.load.reserving import Reserving
from bench.load.station import Station, StationFailed
from bench.load.viewer import Viewer, ViewerFailed, all_told

QUIET_S: Final = 0.5
QUIET_TIMEOUT_S: Final = 60.0
ANSWERS_TIMEOUT_S: Final = 30.0
TELLING_TIMEOUT_S: Final = 120.0


class Load:
    """The stations of one run, its viewers and its reservations."""

    def __init__(self) -> None:
        self._stations: list[Station] = []
        self._viewers: list[Viewer] = []
        self._reserving: Reserving | None = None

    async def do(self, order: Order) -> Reply:
        """The order is done."""
        try:
            match order:
                case Connect():
                    return await self._connect(order)
                case Leave():
                    return await self._leave()
                case SendMessages():
                    return await self._send(order)
                case Pace():
                    return await self._pace(order)
                case Watch():
                    return await self._watch(order)
                case Unwatch():
                    return await self._unwatch()
                case Reserve() | ReserveOpen() | Cancel():
                    return await self._reserve(order)
                case _:
                    assert_never(order)
        except (StationFailed, ViewerFailed, OSError, WSError) as error:
            return Failed(reason=str(error) or repr(error))

    async def _connect(self, order: Connect) -> Done:
        begun = time.perf_counter_ns()
        first = len(self._stations)
        added = [Station(f"BENCH{first + number:05d}") for number in range(order.count)]
        gate = asyncio.Semaphore(order.at_once)
        waits = array("q")

        async def connect(station: Station) -> None:
            async with gate:
                await station.connect(order.url, connectors=order.connectors)
            waits.append(time.perf_counter_ns() - begun)

        coming = self._stations if order.again else added
        await asyncio.gather(*(connect(one) for one in coming))
        if not order.again:
            self._stations += added
        seconds = (time.perf_counter_ns() - begun) / 1e9
        await _quiet()
        gc.collect()
        gc.freeze()
        return summary(waits, seconds=seconds)

    async def _leave(self) -> Done:
        for one in self._stations:
            one.leave()
        await asyncio.sleep(QUIET_S)
        return Done(count=len(self._stations), seconds=0.0)

    async def _watch(self, order: Watch) -> Done:
        begun = time.perf_counter()
        opened = (Viewer.open(order.api, key=order.key) for _ in range(order.viewers))
        self._viewers += await asyncio.gather(*opened)
        return Done(count=order.viewers, seconds=time.perf_counter() - begun)

    async def _unwatch(self) -> Done:
        for one in self._viewers:
            one.close()
        self._viewers.clear()
        await asyncio.sleep(QUIET_S)
        return Done(count=0, seconds=0.0)

    async def _pace(self, order: Pace) -> Done:
        begun, sent = time.perf_counter(), 0
        make = FRAMES[order.kind]
        while (passed := time.perf_counter() - begun) < order.seconds:
            due = int(passed * order.rate)
            for number in range(sent, due):
                self._stations[number % len(self._stations)].send(make)
            sent = due
            await asyncio.sleep(0.005)
        if not self._viewers:
            return Done(count=sent, seconds=order.seconds)
        lags = await all_told(self._viewers, sent, timeout_s=TELLING_TIMEOUT_S)
        told = summary(lags, seconds=time.perf_counter() - begun)
        return msgspec.structs.replace(told, count=sent)

    async def _reserve(self, order: Reserve | ReserveOpen | Cancel) -> Reply:
        if self._reserving is None:
            self._reserving = Reserving([one.station_id for one in self._stations])
        match order:
            case Reserve():
                return await self._reserving.reserve(order)
            case ReserveOpen():
                return await self._reserving.reserve_open(order)
            case Cancel():
                return await self._reserving.cancel(order)

    async def _send(self, order: SendMessages) -> Reply:
        clocking = Clocking(len(self._stations), seconds=order.seconds)
        with Awake() as awake:
            for one in self._stations:
                one.run(FRAMES[order.kind], clocking=clocking)
            reply = await clocking.reply(timeout_s=order.seconds + ANSWERS_TIMEOUT_S)
        return msgspec.structs.replace(reply, idle_s=awake.idle_s) if isinstance(reply, Done) else reply


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
