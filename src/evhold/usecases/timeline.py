"""The timeline: for every EVSE of a site what held, used or hindered it, read in parts, each a short look of its own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from evhold.domain.errors import InvalidOrder
from evhold.domain.reservation import Reservation
from evhold.domain.station import Station
from evhold.domain.timeline import Change
from evhold.domain.timeline_rows import Drawing, Row, Seen, Site, Subject, Window, subject
from evhold.domain.transaction import Transaction
from evhold.domain.values import ReservationId, StationId
from evhold.usecases.periods import Period, Place, reckoned
from evhold.usecases.ports import Clock, StationCommands, Storage
from evhold.usecases.stores import Tx

T = TypeVar("T")

LONGEST: Final = timedelta(hours=48)
PAST: Final = timedelta(hours=6)
AHEAD: Final = timedelta(hours=2)
#: The most that one answer is made of; who asks for more is told to ask for less.
MOST_RESERVATIONS: Final = 50_000
MOST_EVENTS: Final = 200_000
#: How many events before the window are searched for what was the case when it began: of all stations, or of one.
LOOK_BACK: Final = 30_000
LOOK_BACK_FOR_ONE: Final = 500_000
#: Events are numbered as they are committed, and stamped a moment before.
_MARGIN: Final = timedelta(minutes=2)
_PART: Final = 2_000
_MANY: Final = 500
_FEW: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What was drawn: each station with its rows, and which of them can be asked now."""

    window: Window
    online: set[StationId]
    stations: list[tuple[Station, list[Row]]]


def window_of(start: datetime | None, end: datetime | None, *, now: datetime, station_id: str | None) -> Period:
    """The window that is asked for; by default from 6 hours ago to in 2 hours.

    Raises:
        InvalidOrder: It is empty, or longer than ``LONGEST``, or beyond reckoning.
    """
    if end is not None:
        end = reckoned(end, "to")
    if start is None:
        start = now - PAST if end is None else end - PAST - AHEAD
    start = reckoned(start, "from")
    if end is None:
        end = start + PAST + AHEAD
    if end <= start:
        raise InvalidOrder("to", "is not after from")
    if end - start > LONGEST:
        raise InvalidOrder("from", f"is more than {LONGEST // timedelta(hours=1)} hours before to")
    return Period(start=start, end=end, station_id=None if station_id is None else StationId(station_id))


async def timeline(window: Period, *, storage: Storage, stations: StationCommands, clock: Clock) -> Timeline:
    """Every station, or the one that is asked for, by id.

    Statuses and presences are known as far back as told events are kept; where a connector has not changed since, its
    status of now says what was.

    Raises:
        StationUnknown: It is not provisioned.
        InvalidOrder: The window holds more than ``MOST_RESERVATIONS`` or ``MOST_EVENTS``.
    """
    now = clock.now()
    site = await storage.read(lambda tx: _site(tx, window.station_id))
    if window.station_id is not None:
        # As it was provisioned: ids compare without case.
        window = replace(window, station_id=site.stations[0].id)
    site.online = {one.id for one in site.stations if _is_online(stations, one.id)}
    site.reservations = await _reservations(window, storage=storage)
    for some in _parts([one.id for one in site.reservations]):
        site.changes |= await storage.read(_changes_of(some))
    site.transactions = await _transactions(site, window, storage=storage)
    drawn = Window(start=window.start, end=window.end, now=now)
    await _see(site, window, drawn, storage=storage)
    drawing = Drawing(site, drawn)
    rows: list[tuple[Station, list[Row]]] = []
    for some_stations in _parts(site.stations, of=_FEW):
        # It is drawn where it was read, a few stations at a time: drawing many is work too.
        rows += await storage.read(_drawn(drawing, some_stations))
    return Timeline(window=drawn, online=site.online, stations=rows)


def _is_online(stations: StationCommands, station_id: StationId) -> bool:
    presence = stations.presence(station_id)
    return presence.online and presence.registered


def _site(tx: Tx, station_id: StationId | None) -> Site:
    if station_id is None:
        return Site(stations=tx.stations.page(), connectors=tx.connectors.of_all())
    station = tx.stations.get(station_id)
    return Site(stations=[station], connectors={station.id: tx.connectors.of(station.id)})


async def _reservations(window: Period, *, storage: Storage) -> list[Reservation]:
    # The live ones first: what ends in between is read twice, and not missed.
    live = await storage.read(lambda tx: tx.timeline.live(window, limit=MOST_RESERVATIONS + 1))
    found = {one.id: one for one in live}
    after: Place | None = None
    while len(found) <= MOST_RESERVATIONS:
        part, after = await storage.read(_ended_of(window, after))
        found |= {one.id: one for one in part}
        if after is None:
            return list(found.values())
    raise _too_much(MOST_RESERVATIONS, "reservations")


async def _transactions(site: Site, window: Period, *, storage: Storage) -> list[Transaction]:
    running = await storage.read(lambda tx: tx.timeline.running(window.station_id))
    found = {(one.station_id, one.transaction_id): one for one in running}
    for these in _parts([one.id for one in site.stations]):
        stored = await storage.read(_stored_of(these, since=window.start))
        found |= {(one.station_id, one.transaction_id): one for one in stored}
    return list(found.values())


async def _see(site: Site, window: Period, drawn: Window, *, storage: Storage) -> None:
    """The events of the window, and what was the case before them where they do not say it."""
    first = await storage.read(lambda tx: tx.timeline.first_event(drawn.start - _MARGIN))
    end = await storage.read(lambda tx: tx.timeline.first_event(drawn.end + _MARGIN))
    start: int | None = first
    while start is not None:
        seen, start = await storage.read(_events_of(window.station_id, start=start, end=end))
        site.events += seen
        if len(site.events) > MOST_EVENTS:
            raise _too_much(MOST_EVENTS, "events")
    wanted = {subject(one) for one in site.events}
    if not drawn.is_now:
        wanted |= {(one.id, None, None) for one in site.stations}
        wanted |= {(c.station_id, c.evse_id, c.connector_id) for known in site.connectors.values() for c in known}
    await _look_back(site, wanted, window.station_id, end=first, storage=storage)


async def _look_back(
    site: Site, wanted: set[Subject], station_id: StationId | None, *, end: int, storage: Storage
) -> None:
    """Farther and farther, until everything wanted was seen; of one station little is among much, and quickly passed over."""
    first = end - (LOOK_BACK if station_id is None else LOOK_BACK_FOR_ONE)
    width = _PART
    while wanted and end > max(first, 1):
        start = max(first, end - width, 1)
        for one in await storage.read(_events_before(station_id, start=start, end=end)):
            if subject(one) in wanted:
                wanted.discard(subject(one))
                site.before.append(one)
        end, width = start, 2 * width


def _too_much(most: int, what: str) -> InvalidOrder:
    return InvalidOrder("from", f"more than {most} {what} since; ask for less time, or for one station")


def _parts(many: list[T], *, of: int = _MANY) -> Iterator[list[T]]:
    return (many[start : start + of] for start in range(0, len(many), of))


def _drawn(drawing: Drawing, stations: list[Station]) -> Callable[[Tx], list[tuple[Station, list[Row]]]]:
    return lambda tx: [(one, drawing.rows(one)) for one in stations]


def _ended_of(window: Period, after: Place | None) -> Callable[[Tx], tuple[list[Reservation], Place | None]]:
    return lambda tx: tx.timeline.ended(window, after=after, limit=_PART)


def _changes_of(ids: Sequence[ReservationId]) -> Callable[[Tx], dict[ReservationId, list[Change]]]:
    return lambda tx: tx.timeline.changes(ids)


def _stored_of(ids: Sequence[StationId], *, since: datetime) -> Callable[[Tx], list[Transaction]]:
    return lambda tx: tx.timeline.stored(ids, since=since)


def _events_of(station_id: StationId | None, *, start: int, end: int) -> Callable[[Tx], tuple[list[Seen], int | None]]:
    return lambda tx: tx.timeline.events(station_id, start=start, end=end, limit=_PART)


def _events_before(station_id: StationId | None, *, start: int, end: int) -> Callable[[Tx], list[Seen]]:
    return lambda tx: tx.timeline.events_before(station_id, start=start, end=end)
