"""Clients of the API that reserve at EVSEs that nobody has reserved yet, and cancel what they made."""

import asyncio
import re
import time
from array import array
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from bench.load.clocking import Clocking, summary
from bench.load.orders import Cancel, Failed, Reply, Reserve, ReserveOpen
from bench.load.rest import RestConnection, RestFailed

CLOSING_S: Final = 30.0
_ID: Final = re.compile(rb'"id": ?(\d+)')
_Client = Callable[[RestConnection], Coroutine[Any, Any, None]]


def bodies(stations: list[str]) -> Iterator[bytes]:
    """Requests without end: every station's EVSE 1, then every station's EVSE 2, and so on; each with a token of its own."""
    expiry = (datetime.now(UTC) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    form = b'{"stationId":"%b","evseId":%d,"idToken":{"idToken":"%012X","type":"ISO14443"},"expiryDateTime":"%b"}'
    ids = [one.encode() for one in stations]
    for number in count():
        evse, station = divmod(number, len(ids))
        yield form % (ids[station], evse + 1, number, expiry)


class Reserving:
    """What was asked for so far, and what was made of it and is not canceled yet."""

    def __init__(self, stations: list[str]) -> None:
        self._bodies = bodies(stations)
        self._made: list[bytes] = []

    async def reserve(self, order: Reserve) -> Reply:
        """Each client sent its next request when the last was answered 201; another answer ends it all."""
        clocking = Clocking(order.at_once, seconds=order.seconds)

        async def client(connection: RestConnection) -> None:
            now = time.perf_counter_ns()
            while now:
                await self._post(connection, order.key)
                now = clocking.clock(now)

        return await _together(order.api, order.at_once, client, clocking, timeout_s=order.seconds + CLOSING_S)

    async def cancel(self, order: Cancel) -> Reply:
        """Each client sent its next request when the last was answered 200, until none was left."""
        clocking = Clocking(order.at_once, seconds=3600)
        made, self._made = self._made, []

        async def client(connection: RestConnection) -> None:
            while made:
                begun = time.perf_counter_ns()
                status, body = await connection.send(_head(order.key, b"DELETE", b"/%b" % made.pop()))
                if status != 200:
                    raise RestFailed(f"DELETE was answered {status}: {body.decode(errors='replace')}")
                clocking.clock(begun)
            clocking.leave()

        return await _together(order.api, order.at_once, client, clocking, timeout_s=300)

    async def reserve_open(self, order: ReserveOpen) -> Reply:
        """The requests were sent when they were due, each by a connection that was free; another answer than 201 fails."""
        latencies = array("q")
        free: list[RestConnection] = []
        opened: list[RestConnection] = []

        async def one(due: int) -> None:
            if free:
                connection = free.pop()
            else:
                opened.append(connection := await RestConnection.open(order.api))
            await self._post(connection, order.key)
            latencies.append(time.perf_counter_ns() - due)
            free.append(connection)

        begun = time.perf_counter_ns()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(int(order.rate * order.seconds)):
                    due = begun + int(number / order.rate * 1e9)
                    await asyncio.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
                    group.create_task(one(due))
        except ExceptionGroup as failed:
            if isinstance(failed.exceptions[0], RestFailed):
                return Failed(reason=str(failed.exceptions[0]))
            raise
        finally:
            for each in opened:
                each.close()
        return summary(latencies, seconds=(time.perf_counter_ns() - begun) / 1e9)

    async def _post(self, connection: RestConnection, key: str) -> None:
        status, body = await connection.send(_head(key, b"POST", b""), next(self._bodies))
        if status != 201:
            raise RestFailed(f"POST /reservations was answered {status}: {body.decode(errors='replace')}")
        found = _ID.search(body)
        assert found is not None
        self._made.append(found[1])


async def _together(api: str, number: int, client: _Client, clocking: Clocking, *, timeout_s: float) -> Reply:
    connections = await asyncio.gather(*(RestConnection.open(api) for _ in range(number)))

    async def play(connection: RestConnection) -> None:
        try:
            await client(connection)
        except RestFailed as error:
            clocking.fail(str(error))

    async with asyncio.TaskGroup() as clients:
        for one in connections:
            clients.create_task(play(one))
        reply = await clocking.reply(timeout_s=timeout_s)
        for one in connections:
            one.close()
    return reply


def _head(key: str, method: bytes, path: bytes) -> bytes:
    head = b"%b /api/v1/reservations%b HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %b\r\n"
    return head % (method, path, key.encode()) + b"Content-Type: application/json\r\n"
