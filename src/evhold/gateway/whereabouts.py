"""Which node has which station's socket, as far as this node has heard."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evhold.domain.station import Presence
from evhold.domain.values import StationId
from evhold.gateway.mesh import Told
from evhold.usecases.stores import Owned


@dataclass(frozen=True, slots=True)
class Place:
    """A station's connection somewhere."""

    station_id: StationId
    node: str
    epoch: int
    registered: bool
    since: datetime | None
    clock_offset: timedelta

    @property
    def presence(self) -> Presence:
        """As the API shows it."""
        return Presence(online=True, registered=self.registered, since=self.since)


class Whereabouts:
    """A map of stations, compared without case; the greater number of a connection wins, whatever is heard last.

    What the database says is the truth of a moment that has passed: what was told while it was asked is newer.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._told: set[str] = set()

    def find(self, station_id: str) -> Place | None:
        """Where its connection is; None: nowhere."""
        return self._places.get(station_id.casefold())

    def told(self, told: Told) -> None:
        """A node says what became of a connection of its own."""
        key = told.station_id.casefold()
        known = self._places.get(key)
        if known is not None and known.epoch > told.epoch:
            return
        self._told.add(key)
        if not told.online:
            self._places.pop(key, None)
            return
        offset = timedelta(seconds=told.clock_offset_s)
        self._places[key] = Place(told.station_id, told.node, told.epoch, told.registered, told.since, offset)

    def learned(self, station_id: str, *, clock_offset: timedelta) -> None:
        """The station's clock, as its node knows it."""
        known = self.find(station_id)
        if known is not None:
            self._places[station_id.casefold()] = replace(known, clock_offset=clock_offset)

    # What the database says

    def asking(self) -> None:
        """It is about to be asked."""
        self._told.clear()

    def answered(self, rows: Iterable[Owned], *, among: Collection[StationId] | None) -> None:
        """Of these stations, or of all, only those in the rows have a connection; but for what was told since ``asking``."""
        found = {row.station_id.casefold(): row for row in rows}
        asked = {one.casefold() for one in among} if among is not None else self._places.keys() | found.keys()
        for key in asked - self._told:
            row, known = found.get(key), self._places.get(key)
            if row is None:
                self._places.pop(key, None)
            elif known is None or known.epoch <= row.epoch:
                self._places[key] = _place(row, known)

    def gone(self, living: Collection[str]) -> list[Place]:
        """Only the living have stations; return those that the others had."""
        lost = [place for place in self._places.values() if place.node not in living]
        for place in lost:
            del self._places[place.station_id.casefold()]
        return lost

    def __len__(self) -> int:
        return len(self._places)


def _place(row: Owned, known: Place | None) -> Place:
    since = known.since if known is not None and known.epoch == row.epoch else None
    return Place(row.station_id, row.node, row.epoch, row.registered, since, row.clock_offset)
