"""The rows of a timeline: what was read of a site, as bars of each EVSE."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, StationPresence
from evhold.domain.reservation import Reservation
from evhold.domain.station import Station
from evhold.domain.timeline import BY_STATUS, Bar, Change, Kind, holds, joined, spans, use
from evhold.domain.transaction import Transaction
from evhold.domain.values import ConnectorId, EvseId, ReservationId, StationId, TransactionId

Seen = ConnectorChanged | StationPresence
_Of = TypeVar("_Of", Reservation, Transaction)
#: What an EVSE is, of what its connectors are: the first of these.
_STRONGEST: Final = ("Occupied", "Reserved", "Available", "Faulted", "Unavailable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is drawn. ``is_now``: it holds the present, so that what is stored is how it ends."""

    start: datetime
    end: datetime
    now: datetime

    @property
    def is_now(self) -> bool:
        """Whether the present is in it, or before it."""
        return self.end >= self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One EVSE; without an id those reservations and transactions that name none."""

    id: EvseId | None
    types: list[str]
    status: str | None
    bars: list[Bar]


@dataclass(slots=True, kw_only=True)
class Site:
    """What was read.

    Args:
        online: The stations that can be asked now.
        changes: The states that each reservation went through.
        events: What was seen in the window, in order.
        before: What was seen last before it, of each connector and station once.
    """

    stations: list[Station]
    connectors: Mapping[StationId, list[Connector]]
    online: set[StationId] = field(default_factory=set)
    reservations: list[Reservation] = field(default_factory=list)
    changes: dict[ReservationId, list[Change]] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    events: list[Seen] = field(default_factory=list)
    before: list[Seen] = field(default_factory=list)


Subject = tuple[StationId, EvseId | None, ConnectorId | None]


def subject(seen: Seen) -> Subject:
    """The connector, or the station, that an event is about."""
    if isinstance(seen, StationPresence):
        return seen.station_id, None, None
    return seen.station_id, seen.evse_id, seen.connector_id


class Drawing:
    """The rows of a site in a window."""

    def __init__(self, site: Site, window: Window) -> None:
        self._site = site
        self._window = window
        self._told: defaultdict[Subject, list[Seen]] = defaultdict(list)
        for seen in (*site.before, *site.events):
            self._told[subject(seen)].append(seen)
        self._reservations = _by_station(site.reservations)
        self._transactions = _by_station(site.transactions)

    def rows(self, station: Station) -> list[Row]:
        """The rows of a station by EVSE, the one without an EVSE first where there is anything in it."""
        bars: defaultdict[EvseId | None, list[Bar]] = defaultdict(list)
        reservations = self._reservations.get(station.id, [])
        for one in reservations:
            changes = self._site.changes.get(one.id, ())
            bars[one.terms.evse_id] += holds(one, changes, clock_offset=station.clock_offset)
        self._add_uses(bars, station, reservations)
        connectors: defaultdict[EvseId, list[Connector]] = defaultdict(list)
        for connector in self._site.connectors.get(station.id, ()):
            connectors[connector.evse_id].append(connector)
        offline = self._offline(station)
        for evse_id in {*connectors, *(one for one in bars if one is not None)}:
            seen = [bar for one in connectors[evse_id] for bar in self._statuses(one, station)]
            bars[evse_id] += [*joined(seen), *offline]
        found = [self._row(evse_id, connectors.get(evse_id, []), bars[evse_id]) for evse_id in sorted(connectors)]
        anywhere = self._row(None, [], bars[None])
        return [anywhere, *found] if anywhere.bars else found

    def _row(self, evse_id: EvseId | None, connectors: Sequence[Connector], bars: Iterable[Bar]) -> Row:
        start, end = self._window.start, self._window.end
        return Row(
            id=evse_id,
            types=sorted({one.type for one in connectors if one.type is not None}),
            status=next((one for one in _STRONGEST if any(known.status == one for known in connectors)), None),
            bars=sorted((bar for bar in bars if bar.meets(start, end)), key=lambda bar: (bar.start, bar.kind)),
        )

    def _add_uses(
        self, bars: "defaultdict[EvseId | None, list[Bar]]", station: Station, reservations: Sequence[Reservation]
    ) -> None:
        bound: dict[TransactionId | None, Reservation] = {one.transaction_id: one for one in reservations}
        by_id = {one.id: one for one in reservations}
        for one in self._transactions.get(station.id, []):
            used = bound.get(one.transaction_id)
            if used is None and one.reservation_id is not None:
                used = by_id.get(one.reservation_id)
            bar = use(one, used, clock_offset=station.clock_offset)
            if bar is not None:
                bars[one.evse_id].append(bar)

    def _statuses(self, connector: Connector, station: Station) -> list[Bar]:
        """Faults and the like of one connector."""
        told = [
            (seen.at, BY_STATUS.get(seen.status))
            for seen in self._told.get((connector.station_id, connector.evse_id, connector.connector_id), ())
            if isinstance(seen, ConnectorChanged)
        ]
        if not told and self._window.is_now and connector.since is not None:
            told = [(connector.since - station.clock_offset, BY_STATUS.get(connector.status or ""))]
        return self._cut(spans(told))

    def _offline(self, station: Station) -> list[Bar]:
        told: list[tuple[datetime, Kind | None]] = [
            (seen.at, None if seen.online else Kind.OFFLINE)
            for seen in self._told.get((station.id, None, None), ())
            if isinstance(seen, StationPresence)
        ]
        if self._window.is_now:
            is_offline = station.id not in self._site.online
            if not told and is_offline:
                told = [(station.last_seen or station.created_at or self._window.start, Kind.OFFLINE)]
            elif told and is_offline != (told[-1][1] is Kind.OFFLINE):
                # A node that fell told nobody: the station was last heard before.
                last = max(told[-1][0], station.last_seen or told[-1][0])
                told.append((last, Kind.OFFLINE) if is_offline else (self._window.now, None))
        return self._cut(spans(told))

    def _cut(self, bars: list[Bar]) -> list[Bar]:
        """Of what came after a window of the past nothing is known here."""
        if self._window.is_now or not bars or bars[-1].end is not None:
            return bars
        last = bars[-1]
        return [*bars[:-1], Bar(kind=last.kind, start=last.start, end=max(self._window.end, last.start))]


def _by_station(found: Sequence[_Of]) -> dict[StationId, list[_Of]]:
    made: dict[StationId, list[_Of]] = {}
    for one in found:
        made.setdefault(one.station_id, []).append(one)
    return made
