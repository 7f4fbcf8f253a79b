"""Memory of peers that left: given back once enough of them have."""

import asyncio

from gateway_harness import Gateway

from evhold.gateway import memory, server


async def test_it_is_given_back_when_enough_have_left(monkeypatch):
    """Once for all of them, beside the loop; not for a few."""
    given = asyncio.Event()
    times = []
    loop = asyncio.get_running_loop()

    def give_back():
        times.append(1)
        loop.call_soon_threadsafe(given.set)

    monkeypatch.setattr(server, "WORTH_WHILE", 3)
    monkeypatch.setattr(server, "give_back", give_back)
    async with Gateway(tick_s=0.01) as gateway:
        for _ in range(2):
            async with gateway.connect("CS1"):
                pass
        ticks = count_ticks(gateway)
        await ticks(3)
        assert not times
        async with gateway.connect("CS1"):
            pass
        await asyncio.wait_for(given.wait(), 10)
        await ticks(3)
        assert len(times) == 1


def count_ticks(gateway):
    """What waits until the server has looked so often."""
    looks = asyncio.Semaphore(0)
    tick = gateway.server.doors.tick

    def counted():
        tick()
        looks.release()

    gateway.server.doors.tick = counted

    async def wait(number):
        for _ in range(number):
            await asyncio.wait_for(looks.acquire(), 10)

    return wait


def test_it_works_where_the_library_can_and_harms_nobody_where_not(monkeypatch):
    """By glibc here; without it nothing is done."""
    memory.give_back()
    monkeypatch.setattr(memory, "_trim", None)
    memory.give_back()
