"""Every case of the table on a real socket: an answer, or the CLOSE that the RFCs ask for; and the gateway lives."""

import asyncio
import json

from gateway_harness import Gateway
from ws_cases import CLOSE, PONG, Case, cases

from evhold.gateway.deflate import InflateFailed, inflate
from frames import read_frame

_READ = 1 << 20


async def outcome(gateway: Gateway, case: Case) -> str:
    """Empty when all came as it has to; else what came instead."""
    extra = f"Sec-WebSocket-Extensions: {case.deflate}\r\n" if case.deflate else ""
    reader, writer, _ = await gateway.raw(extra=extra)
    try:
        writer.write(case.sent)
        pongs = []
        while True:
            opcode, payload = await read_frame(reader)
            if opcode == PONG:
                pongs.append(payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if payload else 1000
                return "" if code in case.close else f"CLOSE {code}"
            else:
                break
        if case.close:
            return f"an answer: {payload[:60]!r}"
        if tuple(pongs) != case.pongs:
            return f"PONGs {pongs[:3]!r}"
        try:
            frame = json.loads(payload)
        except ValueError:
            frame = json.loads(inflate(payload, limit=_READ))
        return "" if frame[0] == (4 if case.refused else 3) else f"an answer: {payload[:60]!r}"
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError, InflateFailed) as error:
        return type(error).__name__
    finally:
        writer.transport.abort()


async def test_the_cases_of_the_known_suites():
    """More than 500, each on a connection of its own; at the end a station is served as ever."""
    listed = list(cases())
    async with Gateway(reconnects=10_000, accepts_per_second=1e6) as gateway:
        wrong = {case.name: told for case in listed if (told := await outcome(gateway, case))}
        assert await outcome(gateway, Case("at the end", listed[0].sent)) == ""
    print(f"gateway: {len(listed)} cases of RFC 6455 and RFC 7692")
    assert len(listed) == len({case.name for case in listed}) >= 500
    assert wrong == {}
