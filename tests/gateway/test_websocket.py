"""The parts of RFC 6455 and RFC 7692 that the gateway does itself, held against an independent client or bare bytes."""

import asyncio
import json
import zlib

import pytest
from gateway_harness import Gateway, ask, call
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from frames import frame, read_frame

PLAIN_ANSWER = [3, "m1", {"text": ""}]
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the CLOSE frame that comes next."""
    opcode, payload = await read_frame(reader)
    assert opcode == CLOSE
    return int.from_bytes(payload[:2], "big")


def deflated(data: bytes) -> bytes:
    """The payload of a compressed message."""
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def test_fragments_make_one_message(gateway):
    """A message in many frames is one CALL, even with a ping between them."""
    async with gateway.connect() as client:
        await client.send(list(call("Plain", "in pieces")))
        assert json.loads(await client.recv()) == [3, "m1", {"text": "in pieces"}]

    reader, writer, _ = await gateway.raw()
    data = call("Plain", "interrupted").encode()
    writer.write(frame(data[:9], fin=False) + frame(b"still there?", opcode=PING) + frame(data[9:], opcode=0))

    assert await read_frame(reader) == (PONG, b"still there?")
    assert json.loads((await read_frame(reader))[1]) == [3, "m1", {"text": "interrupted"}]
    writer.close()


@pytest.mark.parametrize(
    "frames",
    [
        frame(b"x", opcode=0),
        frame(b"x", fin=False) + frame(b"y"),
        frame(b"x", rsv=2),
        frame(b"x", rsv=1),
        frame(b"x", rsv=4, fin=False),
        frame(b"x", opcode=3),
        frame(b"x", opcode=11),
        frame(b"x", opcode=9, rsv=4),
        frame(b"x", opcode=10, rsv=2),
        frame(b"x", opcode=9, fin=False),
        frame(b"x" * 126, opcode=9),
        frame(b"x", opcode=8),
        frame((999).to_bytes(2, "big"), opcode=8),
        b"\x81\x01x",
        b"garbage that is no frame at all, and quite a lot of it",
    ],
    ids=[
        *("stray", "interleaved", "rsv2", "rsv1", "rsv3", "opcode3", "opcode11", "ping-rsv1", "pong-rsv2"),
        *("ping-in-pieces", "ping-too-long", "close-one-byte", "close-code-999", "unmasked", "garbage"),
    ],
)
async def test_a_broken_frame_closes_only_its_own_socket(gateway, frames):
    """What RFC 6455 forbids ends that socket with 1002; other stations go on."""
    async with gateway.connect("CS2") as client:
        reader, writer, _ = await gateway.raw()
        writer.write(frames)

        assert await close_code(reader) == 1002
        writer.write(frame((1002).to_bytes(2, "big"), opcode=CLOSE))
        assert await reader.read() == b""
        assert await ask(client, "Plain") == PLAIN_ANSWER
        writer.close()


async def test_rsv1_on_a_later_fragment_is_refused(gateway):
    """Only the first frame of a message says that it is compressed."""
    reader, writer, _ = await gateway.raw(extra=DEFLATE)
    writer.write(frame(b"x", fin=False) + frame(b"y", opcode=0, rsv=4))

    assert await close_code(reader) == 1002
    writer.close()


async def test_binary_is_refused(gateway):
    """OCPP-J is text: 1003."""
    client = await gateway.connect()
    await client.send(b"\x00")
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()

    assert closed.value.rcvd.code == 1003


@pytest.mark.parametrize("fragmented", [False, True])
async def test_a_message_beyond_the_limit_is_refused(fragmented):
    """Whole or in pieces: 1009."""
    async with Gateway(max_message=2000) as gateway:
        client = await gateway.connect(compression=None)
        pieces = ["x" * 900] * 3
        await client.send(pieces if fragmented else "".join(pieces))
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()

    assert closed.value.rcvd.code == 1009


async def test_a_message_as_large_as_the_limit_passes():
    """The bound is inclusive."""
    async with Gateway(max_message=2000) as gateway, gateway.connect(compression=None) as client:
        text = "x" * (2000 - len(call("Plain")))
        assert await ask(client, "Plain", text) == [3, "m1", {"text": text}]


async def test_empty_fragments_take_no_room():
    """They count nothing against the limit, so none is kept: the message is what the others make."""
    async with Gateway(max_message=2000) as gateway:
        reader, writer, _ = await gateway.raw()
        data = call("Plain").encode()
        writer.write(frame(data, fin=False) + frame(b"", opcode=0, fin=False) * 5000)
        await writer.drain()
        (socket,) = gateway.server._sockets
        writer.write(frame(b"?", opcode=PING))
        assert await read_frame(reader) == (PONG, b"?")
        assert len(socket._parts) == len(data)
        writer.write(frame(b"", opcode=0))

        assert json.loads((await read_frame(reader))[1]) == PLAIN_ANSWER
        writer.close()


async def test_broken_utf8_is_answered_and_the_connection_lives(gateway):
    """A CALL whose text is no UTF-8 gets a CALLERROR; the next one is served."""
    reader, writer, _ = await gateway.raw()
    writer.write(frame(b'[2,"m0","Plain",{"text":"\xff"}]') + frame(call("Plain").encode()))

    assert json.loads((await read_frame(reader))[1])[:3] == [4, "m0", "FormatViolation"]
    assert json.loads((await read_frame(reader))[1]) == PLAIN_ANSWER
    writer.close()


async def test_compression_works_both_ways(gateway):
    """A long text survives the way there and back, compressed, again and again."""
    async with gateway.connect() as client:
        for number in range(3):
            text = f"{number} " + "compressible " * 300
            assert await ask(client, "Plain", text) == [3, "m1", {"text": text}]

    assert [type(extension).__name__ for extension in client.protocol.extensions] == ["PerMessageDeflate"]


@pytest.mark.parametrize("bits", [9, 12, 15])
async def test_a_small_window_is_kept(gateway, bits):
    """A client that can only remember so many bytes can read what we send."""
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits)
    async with gateway.connect(compression=None, extensions=[factory]) as client:
        text = "".join(f"{number} and " for number in range(2000))
        assert await ask(client, "Plain", text) == [3, "m1", {"text": text}]


async def test_short_answers_leave_plain(gateway):
    """Below 256 bytes an answer is not compressed; from there on it is."""
    reader, writer, _ = await gateway.raw(extra=DEFLATE)
    writer.write(frame(deflated(call("Plain").encode()), rsv=4))
    short = await reader.readexactly(2)
    await reader.readexactly(short[1])
    writer.write(frame(deflated(call("Plain", "x" * 300).encode()), rsv=4))
    long = await reader.readexactly(2)

    assert short[0] == 0x81
    assert long[0] == 0xC1
    writer.close()


async def test_compressed_fragments_make_one_message(gateway):
    """The pieces are put together before they are inflated."""
    reader, writer, _ = await gateway.raw(extra=DEFLATE)
    data = deflated(call("Plain", "squeezed").encode())
    writer.write(frame(data[:5], fin=False, rsv=4) + frame(data[5:], opcode=0))

    assert json.loads((await read_frame(reader))[1]) == [3, "m1", {"text": "squeezed"}]
    writer.close()


async def test_a_bomb_is_refused(gateway):
    """A few kilobytes that would inflate to many megabytes: 1009."""
    reader, writer, _ = await gateway.raw(extra=DEFLATE)
    writer.write(frame(deflated(b"x" * 50_000_000), rsv=4))

    assert await close_code(reader) == 1009
    writer.close()


async def test_what_is_no_deflate_stream_is_refused(gateway):
    """A compressed message that cannot be inflated: 1007."""
    reader, writer, _ = await gateway.raw(extra=DEFLATE)
    writer.write(frame(b"\xff\xff\xff\xff", rsv=4))

    assert await close_code(reader) == 1007
    writer.close()


async def test_a_ping_is_answered(gateway):
    """The peer's PING gets a PONG with the same payload."""
    async with gateway.connect() as client:
        await asyncio.wait_for(await client.ping(b"hello"), 5)


async def test_a_silent_peer_is_pinged_and_lives():
    """An idle client that answers PINGs stays connected, ping after ping."""
    async with Gateway(tick_s=0.01, ping_after_ticks=1, drop_after_ticks=200) as gateway:
        reader, writer, _ = await gateway.raw()
        for _ in range(3):
            assert (await read_frame(reader))[0] == PING
            writer.write(frame(b"", opcode=PONG))
        writer.write(frame(call("Plain").encode()))
        while (received := await read_frame(reader))[0] == PING:
            pass

        assert json.loads(received[1]) == PLAIN_ANSWER
        writer.close()


async def test_a_peer_that_answers_no_ping_is_dropped():
    """One PING, no PONG within the limit, and the socket is gone."""
    async with Gateway(tick_s=0.01, ping_after_ticks=1, drop_after_ticks=3) as gateway:
        reader, writer, _ = await gateway.raw()
        assert await read_frame(reader) == (PING, b"")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await read_frame(reader)
        writer.close()
        await gateway.until(lambda: not len(gateway.registry))

        assert gateway.node.counters.disconnects["no-pong"] == 1


async def test_a_slow_reader_is_dropped():
    """A peer that sends and never reads is dropped once too much waits for it; others go on."""
    async with Gateway(max_buffered=64 * 1024) as gateway, gateway.connect("CS2") as other:
        reader, writer, _ = await gateway.raw()
        reader._transport.pause_reading()
        text = "x" * 60_000
        async with asyncio.timeout(10):
            while gateway.registry.find("CS1") is not None:
                if not writer.is_closing():
                    writer.write(frame(call("Plain", text).encode()))
                await asyncio.sleep(0)

        assert gateway.node.counters.disconnects["slow-reader"] == 1
        assert await ask(other, "Plain") == PLAIN_ANSWER
        writer.close()


async def test_the_peers_close_is_answered(gateway):
    """The code comes back, the socket ends, and the use cases are told."""
    reader, writer, _ = await gateway.raw()
    await gateway.ready()
    writer.write(frame((1000).to_bytes(2, "big") + b"bye", opcode=CLOSE))

    assert await close_code(reader) == 1000
    assert await reader.read() == b""
    await gateway.until(lambda: ("closed", "CS1") in gateway.told)
    writer.close()


@pytest.mark.parametrize("payload", [b"", (3001).to_bytes(2, "big")])
async def test_a_close_with_an_odd_code_is_answered(gateway, payload):
    """No code or a private one: the handshake of closing is completed all the same."""
    reader, writer, _ = await gateway.raw()
    writer.write(frame(payload, opcode=CLOSE))

    assert await close_code(reader) == 1000
    writer.close()


async def test_a_peer_that_ignores_our_close_is_dropped():
    """The closing handshake has a time limit."""
    async with Gateway(close_timeout_s=0.01) as gateway:
        reader, writer, _ = await gateway.raw()
        writer.write(frame(b"x", opcode=BINARY) + frame(call("Plain").encode()))

        assert await close_code(reader) == 1003
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await read_frame(reader)
        writer.close()


async def test_a_lost_socket_ends_its_session(gateway):
    """A connection that just disappears is told as closed."""
    _, writer, _ = await gateway.raw()
    await gateway.ready()
    writer.transport.abort()
    await gateway.until(lambda: ("closed", "CS1") in gateway.told)

    assert gateway.node.counters.disconnects["lost"] == 1
