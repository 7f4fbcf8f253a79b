"""What drivers do: reserve by app and come, come by chance, come too late, think better of it. One function a story.

Each story happens at the pace of its beginning (`Trip.stretch`), so that a hold and the way to it fit together.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.simulator.blueprint import KEPT, Driver, card, colleague
from evhold.simulator.booking import Terms
from evhold.simulator.client import SimulatedStation
from evhold.simulator.state import same_token
from evhold.simulator.town import Spot, Town

#: Nobody knows this card.
FOREIGN: Final = card(99)
SHORTEST_HOLD_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Trip:
    """One driver on one errand."""

    town: Town
    driver: Driver
    stretch: float

    async def rest(self, least_s: float, most_s: float) -> None:
        """Some time has passed."""
        await self.town.pace.rest(least_s, most_s, stretch=self.stretch)

    def some(self, least: float, most: float) -> float:
        """A number between these."""
        return self.town.pace.rng.uniform(least, most)


@dataclass(frozen=True, slots=True)
class Held:
    """What a driver has reserved; ``evse_id`` None: any that suits."""

    reservation_id: int
    station: SimulatedStation
    evse_id: int | None
    until: datetime
    for_group: bool


async def live(town: Town, driver: Driver) -> None:
    """The driver goes on errands for ever."""
    stories, weights = zip(*STORIES.items(), strict=True)
    while True:
        trip = Trip(town, driver, town.pace.stretch())
        await trip.rest(5, 35)
        story = town.pace.rng.choices(stories, weights)[0]
        with suppress(TimeoutError):  # the CSMS is slow or away: the driver gives up
            await story(trip)


# --- stories


async def comes_in_time(trip: Trip) -> None:
    """Reserves, comes before the expiry, charges and leaves."""
    way_s = trip.some(25, 140)
    held = await reserve(trip, hold_s=way_s * trip.some(1.6, 5))
    if held is not None:
        await trip.rest(way_s, way_s)
        await use(trip, held)


async def comes_late(trip: Trip) -> None:
    """Reserves for too short a time; the reservation expires, and the driver takes what is free then."""
    held = await reserve(trip, hold_s=trip.some(25, 80))
    if held is not None:
        await asyncio.sleep(max(0.0, (held.until - trip.town.world.now()).total_seconds()))
        await trip.rest(2, 30)
        if trip.town.chance(50):
            await comes_by_chance(trip)


async def thinks_better_of_it(trip: Trip) -> None:
    """Reserves and cancels."""
    way_s = trip.some(10, 60)
    held = await reserve(trip, hold_s=way_s * 5)
    if held is not None:
        await trip.rest(way_s, way_s)
        await trip.town.pace.turn()
        await trip.town.booking.cancel(trip.driver, held.reservation_id)


async def needs_longer(trip: Trip) -> None:
    """Reserves, extends on the way, comes."""
    way_s = trip.some(20, 60)
    held = await reserve(trip, hold_s=way_s * 1.3)
    if held is not None:
        await trip.rest(way_s, way_s)
        until = held.until + timedelta(seconds=way_s * 3 * trip.stretch)
        await trip.town.pace.turn()
        if await trip.town.booking.extend(trip.driver, held.reservation_id, until=until):
            await trip.rest(way_s, way_s)
        await use(trip, held)


async def comes_by_chance(trip: Trip) -> None:
    """Finds a free EVSE, charges and leaves."""
    await trip.town.pace.turn()
    spot = trip.town.any_free()
    if spot is not None:
        await _charge_at(trip, spot, trip.driver.token)


async def is_refused(trip: Trip) -> None:
    """Reserves what an old list shows as free, and is told Occupied."""
    await trip.town.pace.turn()
    spot = trip.town.one_of(one for one in trip.town.spots() if one.status == "Occupied" and one.station.is_online)
    if spot is not None:
        until = trip.town.world.now() + timedelta(minutes=15)
        terms = Terms(station_id=spot.station.id, evse_id=spot.evse_id, until=until)
        await trip.town.booking.reserve(trip.driver, terms)


async def is_a_stranger(trip: Trip) -> None:
    """Parks at a free EVSE with a card that nobody knows, and leaves again."""
    await trip.town.pace.turn()
    spot = trip.town.any_free()
    if spot is not None:
        await _charge_at(trip, spot, FOREIGN)


STORIES: Final[dict[Callable[[Trip], Awaitable[None]], int]] = {
    comes_in_time: 54,
    comes_late: 10,
    thinks_better_of_it: 9,
    needs_longer: 6,
    comes_by_chance: 14,
    is_refused: 4,
    is_a_stranger: 3,
}


# --- what they are made of


async def reserve(trip: Trip, *, hold_s: float, at: str | None = None, or_charge: bool = True) -> Held | None:
    """A free EVSE is held, of the station ``at`` if one is named; None: it is not.

    Whoever may not reserve where an EVSE is free charges there without, if ``or_charge``.
    """
    await trip.town.pace.turn()
    spot = trip.town.any_free(at=at)
    if spot is None:
        return None
    terms = _terms(trip, spot, hold_s=hold_s)
    reservation_id = await trip.town.booking.reserve(trip.driver, terms)
    if reservation_id is not None:
        return Held(reservation_id, spot.station, terms.evse_id, terms.until, terms.for_group)
    if or_charge and spot.is_free:
        await _charge_at(trip, spot, trip.driver.token)
    return None


def _terms(trip: Trip, spot: Spot, *, hold_s: float) -> Terms:
    """Most want one EVSE; some any of a connector type, or any at all."""
    answer_s = spot.station.options.misbehaviour.answer_delay.get("ReserveNow", 0.0)
    seconds = max(hold_s * trip.stretch, SHORTEST_HOLD_S) + 2 * answer_s
    until = trip.town.world.now() + timedelta(seconds=seconds)
    terms = Terms(station_id=spot.station.id, evse_id=spot.evse_id, until=until)
    # Whoever takes any EVSE of the station that has the kept one would sooner or later stand there.
    if spot.station.id == KEPT.station_id or trip.town.chance(70):
        return replace(terms, for_group=trip.driver.group is not None and trip.town.chance(50))
    wanted = spot.evse.connectors[0].type if trip.town.chance(60) else None
    return replace(terms, evse_id=None, connector_type=wanted)


async def use(trip: Trip, held: Held) -> None:
    """Come for what is held, by the own card or a colleague's, charge and leave."""
    await trip.town.pace.turn()
    token = (colleague(trip.driver) if held.for_group and trip.town.chance(60) else trip.driver).token
    if held.evse_id is not None:
        await _charge_at(trip, Spot(held.station, held.evse_id), token)
        return
    swipe = await held.station.present(None, token)
    taken = next((one for one in held.station.state.evses.values() if same_token(one.token, token)), None)
    if swipe.outcome == "Accepted" and taken is not None:
        await held.station.plug_in(taken.id)
        await _charge_and_leave(trip, Spot(held.station, taken.id), token)


async def _charge_at(trip: Trip, spot: Spot, token: IdTokenType) -> None:
    """Cable first or card first, by habit."""
    if spot.evse.plugged is not None:
        return
    connector = trip.town.pace.rng.choice(spot.evse.connectors)
    cable_first = trip.town.chance(60) or token is FOREIGN
    if cable_first:
        await spot.station.plug_in(spot.evse_id, connector_id=connector.id)
    swipe = await spot.station.present(spot.evse_id, token)
    if swipe.outcome == "Accepted" and not cable_first:
        await spot.station.plug_in(spot.evse_id, connector_id=connector.id)
    if swipe.outcome == "Accepted":
        await _charge_and_leave(trip, spot, token)
    elif cable_first:
        await trip.rest(4, 12)
        await trip.town.pace.turn()
        await spot.station.unplug(spot.evse_id)


async def _charge_and_leave(trip: Trip, spot: Spot, token: IdTokenType) -> None:
    await trip.rest(30, 120)
    if trip.town.chance(40) and same_token(spot.evse.token, token):
        await spot.station.present(spot.evse_id, token)  # ends it by the card, and is away for a coffee
        await trip.rest(5, 20)
    await trip.town.pace.turn()
    await spot.station.unplug(spot.evse_id)
