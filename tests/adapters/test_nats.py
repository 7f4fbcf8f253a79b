"""NATS as the mesh between nodes: quick to say that nobody is there, never keeping anything for later, back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from evhold.adapters.nats import NatsMesh
from evhold.gateway.mesh import NobodyThere, NoReply, call_subject
from nats_server import NatsServer, running_nats

PAUSE_S = 0.01


@asynccontextmanager
async def joined(url: str) -> AsyncIterator[NatsMesh]:
    """A node's connection."""
    mesh = NatsMesh(url, nobody_there=NobodyThere, no_reply=NoReply)
    assert await mesh.start()
    try:
        yield mesh
    finally:
        await mesh.close()


async def until(what) -> None:
    """It is true, soon."""
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(PAUSE_S)


async def told(mesh: NatsMesh) -> None:
    """The server knows of everything that was asked of it. The client's own PING overtakes what it has not written yet."""
    await mesh._client._flush_pending(force_flush=True)
    await mesh._client.flush()


async def echo(payload: bytes) -> bytes:
    """The reply is what was asked."""
    return b"re: " + payload


async def test_a_request_is_answered_by_the_node_that_listens(nats: NatsServer) -> None:
    """Two that listen alone share the work; one that left is asked no more."""
    async with joined(nats.url) as one, joined(nats.url) as other:
        subject = call_subject("CS.1 *")
        kept = await other.listen(subject, echo, alone=True)
        await told(other)
        assert await one.request(subject, b"a", timeout_s=5) == b"re: a"
        await kept.end()
        await told(other)
        with pytest.raises(NobodyThere):
            await one.request(subject, b"b", timeout_s=5)


async def test_silence_is_not_absence(nats: NatsServer) -> None:
    """Somebody listens and does not answer: it may have been done."""
    async with joined(nats.url) as one, joined(nats.url) as other:

        async def silent(payload: bytes) -> None:
            return None

        await other.listen("quiet", silent)
        await told(other)
        with pytest.raises(NoReply):
            await one.request("quiet", b"", timeout_s=0.05)


async def test_what_is_told_reaches_all_others(nats: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    """And not who told it; a handler that fails harms nobody."""
    heard: list[str] = []
    async with joined(nats.url) as one, joined(nats.url) as two, joined(nats.url) as three:
        for name, mesh in (("one", one), ("two", two), ("three", three)):

            async def hear(payload: bytes, name: str = name) -> None:
                heard.append(name)
                raise ValueError(name)

            await mesh.listen("news", hear)
            await told(mesh)
        await one.tell("news", b"x")
        await until(lambda: len(heard) == 2)
        await one.tell("news", b"x")
        await until(lambda: len(heard) == 4)
    assert sorted(heard) == ["three", "three", "two", "two"]
    assert "nats.message-failed" in capsys.readouterr().out


async def test_it_comes_back_by_itself() -> None:
    """While it is away nobody is there, and nothing is kept; then all is listened to again, also what began meanwhile."""
    ups: list[int] = []
    with running_nats() as server:
        async with joined(server.url) as one, joined(server.url) as other:
            one.on_up = lambda: ups.append(1)
            await other.listen("old", echo)
            server.stop()
            await until(lambda: not one.is_up and not other.is_up)
            with pytest.raises(NobodyThere):
                await one.request("old", b"", timeout_s=5)
            await one.tell("old", b"lost")
            await other.listen("new", echo)
            await asyncio.to_thread(server.start)
            await until(lambda: one.is_up and other.is_up and ups)
            await told(other)
            assert await one.request("old", b"1", timeout_s=5) == b"re: 1"
            assert await one.request("new", b"2", timeout_s=5) == b"re: 2"


async def test_a_node_starts_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is away at the start: the node goes on, and joins when it is there."""
    monkeypatch.setattr("evhold.adapters.nats.START_S", 0.05)
    with running_nats() as server:
        server.stop()
        mesh = NatsMesh(server.url, nobody_there=NobodyThere, no_reply=NoReply)
        assert not await mesh.start()
        await mesh.listen("new", echo)
        await asyncio.to_thread(server.start)
        await until(lambda: mesh.is_up)
        async with joined(server.url) as other:
            await until(lambda: "new" in mesh._kept and mesh._kept["new"].subscription is not None)
            await told(mesh)
            assert await other.request("new", b"2", timeout_s=5) == b"re: 2"
        await mesh.close()


@pytest.mark.parametrize("station_id", ["CS.1", "a b", "*", "=2E", "Ä".replace("Ä", "@|+")])
async def test_every_station_has_a_subject(station_id: str) -> None:
    """Of one legal token, alike for every spelling, and its own."""
    subject = call_subject(station_id)
    token = subject.removeprefix("evhold.call.")
    assert token
    assert not set(token) & set(". *>\t")
    assert subject == call_subject(station_id.upper()) == call_subject(station_id.lower())
    assert len({call_subject(one) for one in ("a.b", "a b", "a=2eb", "a*b", "ab")}) == 5
