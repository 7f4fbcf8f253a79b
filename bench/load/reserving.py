"""Clients of the API that reserve: so many at once, each POST at an EVSE that nobody has reserved yet."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

from bench.load.clocking import Clocking
from bench.load.orders import Failed, Reply, Reserve
from bench.load.rest import RestConnection, RestFailed


def bodies(stations: list[str]) -> Iterator[bytes]:
    """Requests without end: every station's EVSE 1, then every station's EVSE 2, and so on; each with a token of its own."""
    expiry = (datetime.now(UTC) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    form = b'{"stationId":"%b","evseId":%d,"idToken":{"idToken":"%012X","type":"ISO14443"},"expiryDateTime":"%b"}'
    ids = [one.encode() for one in stations]
    for number in count():
        evse, station = divmod(number, len(ids))
        yield form % (ids[station], evse + 1, number, expiry)


async def reserve(order: Reserve, *, requests: Iterator[bytes]) -> Reply:
    """Each client sent its next request when the last was answered 201; another answer ends it all."""
    head = f"POST /api/v1/reservations HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {order.key}\r\n".encode()
    head += b"Content-Type: application/json\r\n"
    connections = await asyncio.gather(*(RestConnection.open(order.api) for _ in range(order.at_once)))
    clocking = Clocking(order.at_once, seconds=order.seconds)
    async with asyncio.TaskGroup() as clients:
        for one in connections:
            clients.create_task(_client(one, head, requests=requests, clocking=clocking))
        reply = await clocking.reply(timeout_s=order.seconds + 30)
        if isinstance(reply, Failed):
            for one in connections:
                one.close()
    for one in connections:
        one.close()
    return reply


async def _client(connection: RestConnection, head: bytes, *, requests: Iterator[bytes], clocking: Clocking) -> None:
    now = time.perf_counter_ns()
    while now:
        try:
            status, body = await connection.post(head, next(requests))
        except RestFailed as error:
            clocking.fail(str(error))
            return
        if status != 201:
            clocking.fail(f"POST /reservations was answered {status}: {body.decode(errors='replace')}")
            return
        now = clocking.clock(now)
