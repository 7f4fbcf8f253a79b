"""What a peer can do to the listener of stations, and what becomes of it: the outcome, the refusals counted, the memory."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress

import pytest
from attack_stage import DEFLATE, HEARTBEAT, Attacked, close_code, ended

from frames import frame, read_frame

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]
POLICY_VIOLATION, TOO_BIG = 1008, 1009
#: What a Python process holds more after some work, whatever the work was.
SLACK_MIB = 24


async def test_who_opens_and_never_speaks_is_closed(attacked: Attacked) -> None:
    """Each socket ends after the time limit of a handshake; more than may stand at the door are told 503 at once."""
    peers = [await attacked.tcp() for _ in range(300)]
    answers = await asyncio.gather(*(ended(reader) for reader, _ in peers))

    told = [one for one in answers if one]
    assert len(told) == 100
    assert all(one.startswith(b"HTTP/1.1 503 ") and one.endswith(b"handshakes-at-once") for one in told)
    assert await attacked.refusals("handshakes-at-once") == 100
    assert await attacked.refusals("handshake-timeout") == 200
    assert await attacked.is_well()
    assert attacked.grown_mib < SLACK_MIB
    attacked.report("opens and never speaks", peers=300)


async def test_a_slow_handshake_is_closed(attacked: Attacked) -> None:
    """A header that comes byte by byte has the time that a whole one has; one without an end stops at 16 KiB."""

    async def drip(number: int) -> bytes:
        reader, writer = await attacked.tcp()
        told = asyncio.create_task(ended(reader))
        with suppress(ConnectionError):
            writer.write(b"GET /ocpp/SLOW HTTP/1.1\r\nX: ")
            while not told.done():
                # A byte as often as the loop turns about, to the end of the time; or as much as it takes.
                writer.write(b"x" if number % 2 else b"x" * 1024)
                await writer.drain()
                await asyncio.wait([told], timeout=0.05)
        return await told

    answers = await asyncio.gather(*(drip(number) for number in range(100)))
    assert not any(b"101" in one for one in answers)
    assert await attacked.refusals("handshake-timeout") >= 50
    assert await attacked.is_well()
    assert attacked.grown_mib < SLACK_MIB
    attacked.report("slow handshakes", peers=100)


async def test_a_flood_of_handshakes_of_one_station_is_bounded(attacked: Attacked) -> None:
    """A station may come again so often in half a minute; then it is told 503, and others are let in."""
    statuses = []
    for _ in range(100):
        reader, writer = await attacked.tcp()
        writer.write(
            b"GET /ocpp/AGAIN HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n"
        )
        statuses.append((await reader.readuntil(b"\r\n\r\n"))[9:12])
    await attacked.leave()

    assert statuses == [b"101"] * 60 + [b"503"] * 40
    assert await attacked.refusals("reconnects") == 40
    assert await attacked.is_well()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(frame(HEARTBEAT.encode()), id="calls"),
        pytest.param(frame(b"x" * 100, opcode=9), id="pings"),
        pytest.param(frame(b'[3,"nothing",{}]'), id="answers-to-nothing"),
        pytest.param(frame(b"not a frame"), id="garbage"),
        pytest.param(frame(b'[2,"b","DataTransfer",{"vendorId":"' + b"v" * 200_000 + b'"}]'), id="big-calls"),
    ],
)
async def test_a_flood_of_frames_ends_its_socket(
    attacked: Attacked, sent: bytes, request: pytest.FixtureRequest
) -> None:
    """Each of ten peers is closed with 1008 once it sent more than a station may, and holds no memory."""

    async def flood(number: int) -> int:
        reader, writer = await attacked.station(f"{request.node.callspec.id}{number}")
        code = asyncio.create_task(close_code(reader))
        with suppress(ConnectionError):
            for _ in range(4_000):
                writer.write(sent)
                await writer.drain()
                if code.done():
                    break
        return await code

    codes = await asyncio.gather(*(flood(number) for number in range(10)))
    # A peer that goes on sending after the CLOSE may find the socket gone before it reads it.
    assert set(codes) <= {POLICY_VIOLATION, 0}
    assert await attacked.refusals("messages-per-second", "early-messages") == 10
    assert await attacked.is_well()
    # Of each a megabyte may have waited behind the CALL in hand, and one in the buffer that it was read into.
    assert attacked.grown_mib < SLACK_MIB + 10 * 2
    attacked.report("flood", of=request.node.callspec.id)


async def test_a_peer_that_never_reads_is_dropped(attacked: Attacked) -> None:
    """What waits for it is bounded; it is dropped there, and the memory is free again."""

    async def deaf(number: int) -> None:
        _, writer = await attacked.station(f"DEAF{number}")
        writer.transport.pause_reading()
        # All is answered by what it asked for: a PONG, or the refusal that names the action.
        with suppress(ConnectionError):
            for _ in range(800):
                writer.write(frame(b"x" * 125, opcode=9))
                writer.write(frame(b'[2,"m","' + b"N" * 8000 + b'",{}]'))
            await writer.drain()

    await asyncio.gather(*(deaf(number) for number in range(10)))
    async with asyncio.timeout(20):
        while await attacked.refusals("max-unread", "messages-per-second", "early-messages") < 10:
            await asyncio.sleep(0)
    assert await attacked.is_well()
    assert attacked.grown_mib < SLACK_MIB + 10 * 2
    attacked.report("never reads", dropped=await attacked.refusals("max-unread"))
    await attacked.leave()


async def test_a_message_of_a_byte_a_time_costs_what_it_has(attacked: Attacked) -> None:
    """Of fragments of one byte only the bytes are held; a frame that never ends holds no more than it may be long."""
    for number in range(50):
        _, writer = await attacked.station(f"DRIP{number}")
        writer.write(frame(b'["', fin=False) + frame(b"x", opcode=0, fin=False) * 500)
        _, writer = await attacked.station(f"LONG{number}")
        # A frame of 200 KiB, of which all but the last byte comes.
        writer.write(frame(b"y" * 200 * 1024)[:-1])
        await writer.drain()
    assert await attacked.is_well()
    # 50 peers hold 200 KiB each, in buffers that grow by doubling.
    assert attacked.grown_mib < SLACK_MIB + 50 * 0.4
    attacked.report("a byte a time", peers=100)
    await attacked.leave()


async def test_a_bomb_is_refused_before_it_is_blown_up(attacked: Attacked) -> None:
    """A message of 64 MiB in 64 KiB is refused with 1009, and never held; in one frame or in many."""
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = (deflater.compress(b"0" * 64 * 1024 * 1024) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    for number in range(20):
        reader, writer = await attacked.station(f"BOMB{number}", extra=DEFLATE)
        if number % 2:
            writer.write(frame(bomb, rsv=4))
        else:
            writer.write(frame(bomb[:1000], rsv=4, fin=False) + frame(bomb[1000:], opcode=0))
        assert await close_code(reader) == TOO_BIG
    assert await attacked.refusals("max-message") == 20
    assert await attacked.is_well()
    assert attacked.peak_mib < SLACK_MIB
    attacked.report("bombs", bytes=len(bomb), peak_mib=round(attacked.peak_mib, 1))


async def test_a_message_too_long_is_refused(attacked: Attacked) -> None:
    """By the length that its frame claims, before it comes: 1009; and a station that keeps to the limits is served."""
    reader, writer = await attacked.station("HUGE")
    writer.write(frame(b"z" * 300 * 1024)[:100])
    assert await close_code(reader) == TOO_BIG
    reader, writer = await attacked.station("FINE")
    writer.write(frame(HEARTBEAT.encode()))
    assert (await read_frame(reader))[1].startswith(b'[3,"h",{"currentTime"')
    async with asyncio.timeout(10):
        while await attacked.refusals("max-message") == 0:
            await asyncio.sleep(0)
    await attacked.leave()
