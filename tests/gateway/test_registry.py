"""One session a station."""

import asyncio
from dataclasses import dataclass

from evhold.gateway.registry import Registry
from evhold.ocpp.router import Context


@dataclass(eq=False)
class Held:
    """What the registry needs of a session."""

    context: Context


def held(station_id: str) -> Held:
    """A session of the station."""
    return Held(Context(station_id=station_id, epoch=0, version="2.0.1"))


def test_a_newer_session_takes_the_place():
    """The one that had it is returned, and its leaving later changes nothing."""
    registry, old, new = Registry(), held("CS1"), held("cs1")

    assert registry.enter(old) is None
    assert registry.enter(new) is old
    registry.leave(old)
    assert registry.find("Cs1") is new
    registry.leave(new)
    assert registry.find("CS1") is None


def test_the_sessions_can_be_walked_while_they_leave():
    """Walking is over a copy."""
    registry = Registry()
    for name in ("CS1", "CS2"):
        registry.enter(held(name))
    for session in registry:
        registry.leave(session)

    assert len(registry) == 0


async def test_what_is_left_to_do_is_found_until_it_is_done():
    """Of the session that ended last; a newer one's work takes its place."""
    registry, session, gate = Registry(), held("CS1"), asyncio.Event()

    async def work():
        await gate.wait()

    old, new = asyncio.create_task(work()), asyncio.create_task(work())
    registry.is_closing(session, old)
    assert registry.closing("cs1") is old
    registry.is_closing(session, new)
    assert registry.closing("cs1") is new
    gate.set()
    await asyncio.wait([old, new])
    await asyncio.sleep(0)
    assert registry.closing("cs1") is None
