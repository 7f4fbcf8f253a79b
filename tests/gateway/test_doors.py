"""Who may stand at the door, by address and in all, and how often a station may come again."""

import asyncio
import gc
from collections import Counter

import pytest
from gateway_harness import Gateway, call

from evhold.gateway import doors
from evhold.gateway.doors import CONNECTIONS, HANDSHAKES, RECONNECTS, Doors, DoorSettings, Visit, is_loopback
from evhold.gateway.session import Session
from frames import frame, read_frame

FAR = "192.0.2.7"


def made(**settings) -> tuple[Doors, Counter]:
    """Doors on a clock that stands still, and their refusals."""
    refusals: Counter = Counter()
    return Doors(DoorSettings(**settings), refusals=refusals, now=lambda: 0.0), refusals


def test_an_address_may_have_so_many_sockets():
    """One more is refused and counted; another address is not affected, nor is one that has left."""
    door, refusals = made(connections_per_address=2, handshakes_at_once=100)
    first, _ = door.enter(FAR), door.enter(FAR)
    assert door.enter(FAR) == CONNECTIONS
    assert isinstance(door.enter("192.0.2.8"), Visit)
    first.leave()
    assert isinstance(door.enter(FAR), Visit)
    assert refusals == {CONNECTIONS: 1}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_has_no_limit_of_its_own(address):
    """A proxy stands there for all the world; only the handshakes of all count."""
    assert is_loopback(address)
    door, _ = made(connections_per_address=1, handshakes_at_once=8)
    assert all(isinstance(door.enter(address), Visit) for _ in range(8))
    assert door.enter(address) == HANDSHAKES


def test_an_address_may_have_a_quarter_of_the_handshakes():
    """One attacker leaves room for the others; an answered handshake counts no more."""
    door, refusals = made(handshakes_at_once=8)
    visits = [door.enter(FAR), door.enter(FAR)]
    assert door.enter(FAR) == HANDSHAKES
    visits[0].answer()
    visits[0].answer()
    assert isinstance(door.enter(FAR), Visit)
    assert refusals == {HANDSHAKES: 1}


def test_nothing_is_kept_of_who_has_left():
    """However many addresses came: the tables are empty, and a second farewell changes nothing."""
    door, refusals = made()
    for number in range(1000):
        visit = door.enter(f"2001:db8::{number:x}")
        if number % 2:
            visit.answer()
        visit.leave()
        visit.leave()
    assert (door._open, door._shaking, door.handshakes, refusals) == ({}, {}, 0, {})


def test_a_station_may_come_again_so_often():
    """Until the next tick."""
    door, refusals = made(reconnects=2)
    assert [door.may_come_again("CS1") for _ in range(3)] == [True, True, False]
    assert door.may_come_again("CS2")
    door.tick()
    assert door.may_come_again("CS1")
    assert refusals == {RECONNECTS: 1}


async def test_a_far_address_is_told_503(monkeypatch):
    """Real sockets, taken for far ones: the second of two is told why, at once; the first is served."""
    monkeypatch.setattr(doors, "is_loopback", lambda address: False)
    async with Gateway(connections_per_address=1) as gateway:
        reader, writer, _ = await gateway.raw()
        other, closing = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        told = await other.read()
        writer.write(frame(call("Plain").encode()))
        assert (await read_frame(reader))[1].startswith(b"[3,")
        assert gateway.node.counters.refusals == {CONNECTIONS: 1}
        assert told.startswith(b"HTTP/1.1 503 ")
        assert told.endswith(CONNECTIONS.encode())
        closing.close()
        writer.close()


async def test_what_comes_before_the_context_is_bounded():
    """A station that sends on and on while its context is loaded is closed with 1008, and nothing of it is kept."""
    async with Gateway() as gateway:
        gateway.opening.clear()
        reader, writer, _ = await gateway.raw()
        writer.write(frame(call("Plain", "x" * 100_000).encode()) * 12)
        opcode, payload = await read_frame(reader)
        assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 1008)
        assert gateway.node.counters.refusals["early-messages"] == 1
        gateway.opening.set()
        writer.close()


async def test_a_message_that_does_not_end_is_closed():
    """Fragments may come as slowly as they like for two ticks, but not for ever; PINGs between them change nothing."""
    async with Gateway() as gateway:
        reader, writer, _ = await gateway.raw()
        writer.write(frame(b"x", fin=False) + frame(b"?", opcode=9))
        assert (await read_frame(reader))[0] == 10
        (socket,) = gateway.server._sockets
        for _ in range(3):
            socket.tick()
            writer.write(frame(b"x", opcode=0, fin=False) + frame(b"?", opcode=9))
            opcode, payload = await read_frame(reader)
            if opcode == 9:
                opcode, payload = await read_frame(reader)
        assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 1008)
        assert gateway.node.counters.refusals["message-time"] == 1
        writer.close()


async def test_answers_to_nothing_are_looked_up_a_few_at_a_time(gateway):
    """A flood of them makes no more tasks than that; the rest is dropped and counted."""
    stuck = asyncio.Event()

    async def on_stray(context, message_id, answer):
        await stuck.wait()

    object.__setattr__(gateway.node.hooks, "on_stray", on_stray)
    reader, writer, _ = await gateway.raw()
    session = await gateway.ready()
    writer.write(frame(b'[3,"nothing",{}]') * 100 + frame(call("Plain").encode()))
    await read_frame(reader)
    assert session._strays == 16
    assert gateway.node.counters.refusals["stray-answers"] == 84
    stuck.set()
    await gateway.until(lambda: session._strays == 0)
    writer.close()


async def test_calls_behind_the_one_in_hand_are_bounded_in_bytes(gateway):
    """A megabyte may wait; the CALL beyond is refused by a code that claims nothing about it."""
    reader, writer, _ = await gateway.raw()
    await gateway.ready()
    writer.write(frame(call("Slow").encode()))
    for number in range(4):
        writer.write(frame(call("Plain", "x" * 400_000, message_id=f"q{number}").encode()))
    await writer.drain()
    assert (await read_frame(reader))[1].startswith(b'[4,"q3","GenericError"')
    gateway.gate.set()
    writer.close()


async def test_nothing_is_left_of_a_connection_that_is_gone(gateway):
    """Sessions hold no circles: with the collector off, those of thirty connections are gone with their sockets."""
    gc.collect()
    gc.disable()
    before = sum(isinstance(one, Session) for one in gc.get_objects())
    try:
        for _ in range(30):
            reader, writer, _ = await gateway.raw()
            writer.write(frame(call("Plain").encode()))
            await read_frame(reader)
            writer.transport.abort()
            await gateway.until(lambda: not gateway.server._sockets)
        left = sum(isinstance(one, Session) for one in gc.get_objects())
    finally:
        gc.enable()
    assert left - before < 5
