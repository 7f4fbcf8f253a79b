"""Reservations that somebody else made at a lively site, at the page or by curl, are used before they expire."""

import asyncio
from collections.abc import Iterator
from typing import Final

from evhold.simulator.blueprint import DRIVER_APP, KEPT, Driver
from evhold.simulator.client import SimulatedStation
from evhold.simulator.state import Reservation, token_key
from evhold.simulator.town import Town
from evhold.simulator.visits import Held, Trip, use

#: The holder comes when so much time is left, or a third of it when that is less.
COMES_BEFORE_S: Final = 120.0
LOOKS_EVERY_S: Final = 5.0


class Guests:
    """Whoever holds a reservation for another card than the ``known`` ones comes; nobody comes to the EVSE that is kept free."""

    def __init__(self, town: Town, known: frozenset[tuple[str, str]]) -> None:
        self._town = town
        self._known = known
        #: With how many seconds left each was seen first, by station and reservation; None: the holder is on the way.
        self._seen: dict[tuple[str, int], float | None] = {}

    async def come(self) -> None:
        """They come, for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._town.pace.rest(LOOKS_EVERY_S, LOOKS_EVERY_S)
                for station, reservation in self._due():
                    group.create_task(_use(self._town, station, reservation))

    def _due(self) -> list[tuple[SimulatedStation, Reservation]]:
        now = self._town.world.now()
        seen, self._seen = self._seen, {}
        due = []
        for station, one in self._theirs():
            left_s = (one.expires - now).total_seconds()
            first_s = seen.get((station.id, one.id), left_s)
            if first_s is not None and left_s < min(COMES_BEFORE_S, first_s / 3):
                due.append((station, one))
                first_s = None
            self._seen[station.id, one.id] = first_s
        return due

    def _theirs(self) -> Iterator[tuple[SimulatedStation, Reservation]]:
        for station in self._town.stations.values():
            for one in station.state.reservations.values():
                if (station.id, one.evse_id) != KEPT and token_key(one.token) not in self._known:
                    yield station, one


async def _use(town: Town, station: SimulatedStation, reservation: Reservation) -> None:
    trip = Trip(town, Driver(reservation.token, DRIVER_APP), town.pace.stretch())
    held = Held(reservation.id, station, reservation.evse_id, reservation.expires, for_group=False)
    try:
        await use(trip, held)
    except TimeoutError:
        return  # the CSMS is slow or away: the driver gives up
