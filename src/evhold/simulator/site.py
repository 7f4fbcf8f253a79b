"""The lively site of `evhold demo`: its stations are online, and its people, guests and incidents come and go."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace

from evhold.simulator.blueprint import Planned, everybody, people, plan
from evhold.simulator.booking import Booking
from evhold.simulator.client import SimulatedStation
from evhold.simulator.fleet import START_SPACING_S, until_online
from evhold.simulator.guests import Guests
from evhold.simulator.incidents import INCIDENTS
from evhold.simulator.options import World
from evhold.simulator.pace import Pace
from evhold.simulator.state import token_key
from evhold.simulator.town import Town
from evhold.simulator.visits import live


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where the CSMS is, and what lets the site in.

    Args:
        stations: Address of the station listener without the station id, such as ``ws://127.0.0.1:9000/ocpp``.
        api: The API's origin, such as ``http://127.0.0.1:8080``.
        passwords: By station id.
        keys: API keys of the role driver, by app; each for the cards of its people (`blueprint.everybody`).
    """

    stations: str
    api: str
    passwords: Mapping[str, str]
    keys: Mapping[str, str]


async def run_site(
    reach: Reach,
    *,
    size: int,
    stop: asyncio.Event,
    on_online: Callable[[], None],
    world: World,
    scale: float = 1.0,
) -> None:
    """The site lives until ``stop`` is set.

    Args:
        reach: The CSMS, where stations and cards are provisioned already.
        size: How many stations of the `blueprint.plan`.
        stop: Ends it all.
        on_online: Called once, when the CSMS has accepted all stations.
        world: Time, ids and chance.
        scale: All times of the people are multiplied by it; 1 is for an audience.
    """
    life = asyncio.create_task(_live(reach, size=size, on_online=on_online, world=world, scale=scale))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((life, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life


async def _live(reach: Reach, *, size: int, on_online: Callable[[], None], world: World, scale: float) -> None:
    planned = plan(size)
    stations = [_station(one, reach, world) for one in planned]
    async with Booking(reach.api, reach.keys) as booking, AsyncExitStack() as sockets:
        for station in stations:
            await sockets.enter_async_context(station)
            await asyncio.sleep(START_SPACING_S)
        await asyncio.gather(*(until_online(station, lambda _: None) for station in stations))
        on_online()
        town = Town(
            stations={station.id: station for station in stations},
            people=tuple(people(planned)),
            booking=booking,
            pace=Pace(world.rng, scale=scale),
            world=world,
        )
        known = frozenset(token_key(one.token) for one in everybody(planned))
        async with asyncio.TaskGroup() as group:
            for driver in town.people:
                group.create_task(live(town, driver))
            for incident in INCIDENTS:
                group.create_task(incident(town))
            group.create_task(Guests(town, known).come())


def _station(planned: Planned, reach: Reach, world: World) -> SimulatedStation:
    options = replace(planned.options, password=reach.passwords.get(planned.options.station_id))
    return SimulatedStation(reach.stations, options, world=world)
