"""What the people of a lively site know: its stations, which EVSEs are free, the app, and how fast to live."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from evhold.simulator.blueprint import KEPT, Driver
from evhold.simulator.booking import Booking
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import World
from evhold.simulator.pace import Pace
from evhold.simulator.state import Evse


class Spot(NamedTuple):
    """An EVSE that somebody can go to."""

    station: SimulatedStation
    evse_id: int

    @property
    def evse(self) -> Evse:
        """As the station sees it."""
        return self.station.evse(self.evse_id)

    @property
    def status(self) -> str:
        """Of its first connector."""
        return self.station.status(self.evse_id)

    @property
    def is_free(self) -> bool:
        """Anybody may come, as far as the station has told."""
        evse = self.evse
        return self.station.is_online and self.status == "Available" and evse.plugged is None and evse.token is None


@dataclass(frozen=True, slots=True)
class Town:
    """The site with all that happens there."""

    stations: dict[str, SimulatedStation]
    people: tuple[Driver, ...]
    booking: Booking
    pace: Pace
    world: World

    def spots(self) -> list[Spot]:
        """Every EVSE but the one that is kept free."""
        return [
            Spot(station, evse_id)
            for station in self.stations.values()
            for evse_id in station.state.evses
            if (station.id, evse_id) != KEPT
        ]

    def any_free(self, *, at: str | None = None) -> Spot | None:
        """A free EVSE, of the station ``at`` if one is named; None: there is none."""
        return self.one_of(one for one in self.spots() if one.is_free and at in (None, one.station.id))

    def one_of(self, spots: Iterable[Spot]) -> Spot | None:
        """One of them by chance; None: there are none."""
        listed = list(spots)
        return self.pace.rng.choice(listed) if listed else None

    def chance(self, percent: float) -> bool:
        """True so often."""
        return self.pace.rng.uniform(0, 100) < percent
