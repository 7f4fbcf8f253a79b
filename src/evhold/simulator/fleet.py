"""Many equal stations at once, for `evhold simulate`; lively ones have drivers who come and go."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions, World

TROUBLE_AFTER_S = 5.0
START_SPACING_S = 0.005
# The drivers of a lively fleet; a CSMS that refuses unknown tokens has to be told of them.
DRIVER_TOKENS = tuple(IdTokenType(id_token=f"D0000{n:03d}", type="ISO14443") for n in range(1, 10))


async def run_fleet(
    url: str,
    stations: Sequence[StationOptions],
    *,
    lively: bool,
    stop: asyncio.Event,
    on_online: Callable[[SimulatedStation], None],
    world: World,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> None:
    """Keep the stations online until `stop` is set.

    Args:
        url: The CSMS's address without the station id.
        stations: Each one's hardware, and how it proves itself.
        lively: On every EVSE but the first, drivers come and go; holders of reservations come after a while.
        on_online: Called once for each station when the CSMS has accepted it.
        on_trouble: Called with the reason, again when it changes, while the CSMS has not accepted a station.
    """
    async with asyncio.TaskGroup() as group:
        plays = []
        for options in stations:
            station = SimulatedStation(url, replace(options, remember=20), world=world)
            plays.append(group.create_task(_play(station, lively, on_online, on_trouble, world)))
            await asyncio.sleep(START_SPACING_S)
            if stop.is_set():
                break
        await stop.wait()
        for play in plays:
            play.cancel()


async def _play(
    station: SimulatedStation,
    lively: bool,
    on_online: Callable[[SimulatedStation], None],
    on_trouble: Callable[[str], None],
    world: World,
) -> None:
    async with station:
        await until_online(station, on_trouble)
        on_online(station)
        while True:
            if not lively:
                await asyncio.sleep(3600)
                continue
            await asyncio.sleep(world.rng.uniform(4, 15))
            if station.is_online:
                await _visit(station, world)


async def until_online(station: SimulatedStation, on_trouble: Callable[[str], None]) -> None:
    """The CSMS has accepted the station; `on_trouble` gets the reason while it has not, again when it changes."""
    told = ""
    while True:
        try:
            await station.online(timeout_s=TROUBLE_AFTER_S)
            return
        except TimeoutError as error:
            if str(error) != told:
                told = str(error)
                on_trouble(told)


async def _visit(station: SimulatedStation, world: World) -> None:
    """Let one driver do one thing: leave, come for a reservation, or come by chance."""
    evses = [evse.id for evse in station.state.evses.values() if evse.id != 1 or len(station.state.evses) == 1]
    evse_id = world.rng.choice(evses)
    evse = station.evse(evse_id)
    try:
        if evse.plugged is not None:
            await station.unplug(evse_id)
        elif station.status(evse_id) == "Available" and evse.token is None:
            swipe = await station.present(evse_id, world.rng.choice(DRIVER_TOKENS))
            if swipe.outcome == "Accepted":
                await station.plug_in(evse_id)
        elif station.status(evse_id) == "Reserved" and (token := _due_holder(station, evse_id, world.now())):
            await station.present(evse_id, token)
            await station.plug_in(evse_id)
    except TimeoutError:
        return  # the CSMS is slow or away: the driver gives up


def _due_holder(station: SimulatedStation, evse_id: int, now: datetime) -> IdTokenType | None:
    """The token of a reservation of this EVSE that has little time left."""
    for reservation in station.state.reservations.values():
        if reservation.evse_id in (None, evse_id) and (reservation.expires - now).total_seconds() < 120:
            return reservation.token
    return None
