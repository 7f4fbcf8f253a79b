"""The stations' credentials in memory."""

import asyncio
from collections.abc import Collection

from evhold.domain.station import Credentials
from evhold.domain.values import StationId
from evhold.gateway.credentials import CredentialsCache


def credentials(*names: str) -> list[Credentials]:
    """Stations without a password."""
    return [Credentials(station_id=StationId(name)) for name in names]


async def test_a_station_is_found_by_its_folded_id():
    """Nobody is there before the first refresh; afterwards who is stored, and nobody else."""

    async def load(station_ids: Collection[str] | None) -> list[Credentials]:
        return credentials("Station-1")

    cache = CredentialsCache(load)
    assert cache.find("station-1") is None
    await cache.refresh()

    assert cache.find("station-1") == Credentials(station_id=StationId("Station-1"))
    assert cache.find("station-2") is None


async def test_what_is_gone_is_forgotten():
    """A refresh replaces all."""
    stored = credentials("A", "B")

    async def load(station_ids: Collection[str] | None) -> list[Credentials]:
        return list(stored)

    cache = CredentialsCache(load)
    await cache.refresh()
    del stored[0]
    await cache.refresh()

    assert (cache.find("a"), cache.find("b")) == (None, Credentials(station_id=StationId("B")))


async def test_the_last_of_two_refreshes_is_kept():
    """A slow reading that began before a change does not overwrite what the later one found."""
    first, readings = asyncio.Event(), [credentials("old"), credentials("new")]

    async def load(station_ids: Collection[str] | None) -> list[Credentials]:
        found = readings.pop(0)
        if readings:
            await first.wait()
        return found

    cache = CredentialsCache(load)
    both = asyncio.gather(cache.refresh(), cache.refresh())
    await asyncio.sleep(0)
    first.set()
    await both

    assert (cache.find("old"), cache.find("new")) == (None, Credentials(station_id=StationId("new")))


async def test_those_that_changed_are_read_alone():
    """One that is new is found, one that is gone is not; nobody else is asked about."""
    stored = {"a": credentials("A")[0], "b": credentials("B")[0]}
    asked: list[Collection[str] | None] = []

    async def load(station_ids: Collection[str] | None) -> list[Credentials]:
        asked.append(station_ids)
        wanted = stored if station_ids is None else {one.casefold() for one in station_ids}
        return [one for key, one in stored.items() if key in wanted]

    cache = CredentialsCache(load)
    await cache.refresh()
    del stored["a"]
    stored["c"] = credentials("C")[0]
    await cache.refresh(["A", "C"])

    assert asked == [None, ["A", "C"]]
    assert [cache.find(one) is not None for one in "abc"] == [False, True, True]
