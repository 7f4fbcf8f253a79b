"""Peers that mean harm, each again and again for as long as the soak lasts: what they get is counted, not timed."""

import asyncio
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from bench.soak.station import frame, upgrade

_deflater = zlib.compressobj(9, wbits=-15)
_BOMB: Final = (_deflater.compress(bytes(16 * 1024 * 1024)) + _deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def never_speaks(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Opens, and waits."""
    await reader.read()


async def slow_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A header a byte at a time."""
    told = asyncio.create_task(reader.read())
    while not told.done():
        writer.write(b"x")
        await asyncio.wait([told], timeout=1)
    told.exception()


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """CALLs as fast as the socket takes them."""
    await _enter(reader, writer, "FLOOD")
    told = asyncio.create_task(reader.read())
    for number in range(50_000):
        writer.write(frame(b'[2,"%d","Heartbeat",{}]' % number))
        if number % 50 == 0:
            await writer.drain()
            await asyncio.sleep(0)
        if told.done():
            break
    writer.close()
    await told


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """CALLs, whose answers nobody takes."""
    await _enter(reader, writer, "DEAF")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
    for number in range(5_000):
        writer.write(frame(b'[2,"%d","Heartbeat",{}]' % number))
    await asyncio.sleep(10)


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A frame a byte a second."""
    await _enter(reader, writer, "DRIP")
    for one in frame(b"y" * 100_000)[:300]:
        writer.write(bytes([one]))
        await writer.drain()
        await asyncio.sleep(1)


async def bombs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """16 MiB of zeros in 16 KiB."""
    await _enter(reader, writer, "BOMB", extra=b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
    data = bytearray(frame(_BOMB))
    data[0] |= 0x40
    writer.write(data)
    await reader.read()


ATTACKS: Final[dict[str, Attack]] = {
    "never-speaks": never_speaks,
    "slow-handshake": slow_handshake,
    "floods": floods,
    "never-reads": never_reads,
    "drips": drips,
    "bombs": bombs,
}


async def attack(name: str, *, host: str, port: int, done: Counter[str]) -> None:
    """The attack again and again, a second between; what the socket says of it is no matter here."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError, RuntimeError):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                async with asyncio.timeout(300):
                    await ATTACKS[name](reader, writer)
            finally:
                writer.transport.abort()
        done[name] += 1
        await asyncio.sleep(1)


async def _enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, *, extra: bytes = b"") -> None:
    writer.write(upgrade(name).replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n"))
    await reader.readuntil(b"\r\n\r\n")
