"""What goes wrong at a lively site: faults, lines that are lost, maintenance. The endless ones are `INCIDENTS`."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

from evhold.simulator.blueprint import FLAKY, SERVICED, SLOW
from evhold.simulator.state import same_token
from evhold.simulator.town import Town
from evhold.simulator.visits import Trip, reserve

HOLD_S: Final = 300.0


async def faults(town: Town) -> None:
    """Now and then an EVSE breaks, for ever."""
    while True:
        await town.pace.rest(40, 80)
        await one_fault(town)


async def one_fault(town: Town) -> None:
    """An EVSE was Faulted for a while, most often a reserved one, whose reservation the station took back (H01.FR.16)."""
    await town.pace.turn()
    working = [one for one in town.spots() if one.evse.in_service and one.station.is_online]
    reserved = [one for one in working if one.status == "Reserved"]
    spot = town.one_of(reserved if reserved and town.chance(70) else working)
    if spot is not None:
        await spot.station.fault(spot.evse_id)
        await town.pace.rest(25, 60)
        await town.pace.turn()
        await spot.station.clear_fault(spot.evse_id)


async def maintenance(town: Town) -> None:
    """Now and then an EVSE is taken out of service at the station, for ever; it begins with that."""
    station = town.stations.get(SERVICED.station_id)
    while station is not None:
        await station.set_operative(SERVICED.evse_id, False)
        await town.pace.rest(60, 150)
        await town.pace.turn()
        await station.set_operative(SERVICED.evse_id, True)
        await town.pace.rest(120, 240)
        await town.pace.turn()


async def lost_lines(town: Town) -> None:
    """Now and then one of two stations can't be reached for a while, in turn and for ever."""
    stories = [story for station_id, story in _LINES.items() if station_id in town.stations]
    while stories:
        for story in stories:
            await town.pace.rest(40, 90)
            await story(town)


async def wish_waits(town: Town) -> None:
    """A station was offline; whoever held a place there canceled, which waited until it was back (H02)."""
    station = town.stations[FLAKY]
    trip = _somebody(town)
    held = await reserve(trip, hold_s=HOLD_S, at=FLAKY, or_charge=False)
    await town.pace.rest(5, 12)
    await town.pace.turn()
    await station.go_offline()
    if held is not None:
        await town.pace.rest(8, 20)
        await town.pace.turn()
        await town.booking.cancel(trip.driver, held.reservation_id)
    await town.pace.rest(45, 90)
    await _come_back(town, FLAKY)


async def order_is_lost(town: Town) -> None:
    """The line was lost before a slow station had answered: nobody knew whether it holds (H01, Unconfirmed)."""
    station = town.stations[SLOW]
    trip = _somebody(town)
    if town.any_free(at=SLOW) is None:
        return
    asked = asyncio.create_task(reserve(trip, hold_s=HOLD_S, at=SLOW, or_charge=False))
    with suppress(TimeoutError):
        await station.wait_for(
            lambda: any(same_token(one.token, trip.driver.token) for one in station.state.reservations.values())
        )
        await station.go_offline()
        await town.pace.rest(25, 50)
        await _come_back(town, SLOW)
    await asked


async def _come_back(town: Town, station_id: str) -> None:
    await town.pace.turn()
    with suppress(TimeoutError):  # it goes on trying by itself
        await town.stations[station_id].go_online()


def _somebody(town: Town) -> Trip:
    return Trip(town, town.pace.rng.choice(town.people), town.pace.stretch())


_LINES: Final = {FLAKY: wish_waits, SLOW: order_is_lost}
INCIDENTS: Final[tuple[Callable[[Town], Coroutine[None, None, None]], ...]] = (faults, maintenance, lost_lines)
