"""/timeline: what held, used or hindered every EVSE."""

import asyncio
from typing import Annotated, Final

from litestar import Response
from msgspec import Meta, Struct, field

from evhold.domain.reservation import State
from evhold.domain.station import Station
from evhold.domain.timeline import Bar, Kind
from evhold.domain.timeline_rows import Row
from evhold.usecases import timeline
from evhold.web.dto import LocationDto, Stamp, StationName, Time
from evhold.web.request import Req, calls_of, query_of, reply
from evhold.web.views import location_dto, maybe_stamp, stamp

_FEW: Final = 50


class TimelineQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """Which hours: at most 48."""

    from_: Annotated[Time, Meta(description="default: 6 hours ago")] | None = field(name="from", default=None)
    to: Annotated[Time, Meta(description="default: 8 hours after `from`")] | None = None
    station_id: StationName | None = None


class BarDto(Struct, rename="camel", kw_only=True, frozen=True):
    """A part of a row; it may begin before the window and end after it, and goes on where ``to`` is null.

    ``status`` is the reservation's as it is now. ``until`` is the expiry of a hold. ``doubt``: nobody knows whether the
    station holds it, or it waits to be canceled, or its use is not proven.
    """

    kind: Kind
    from_: Stamp = field(name="from")
    to: Stamp | None
    reservation_id: int | None
    status: State | None
    doubt: bool
    transaction_id: str | None
    until: Stamp | None


class EvseBarsDto(Struct, rename="camel", kw_only=True, frozen=True):
    """One EVSE; ``id`` null: the reservations and transactions that name none."""

    id: int | None
    types: list[str]
    status: str | None
    bars: list[BarDto]


class StationBarsDto(Struct, rename="camel", kw_only=True, frozen=True):
    """One station."""

    id: str
    location: LocationDto | None
    online: bool
    evses: list[EvseBarsDto]


class TimelineDto(Struct, rename="camel", kw_only=True, frozen=True):
    """The rows of every station, by id; ``now`` is the time of the answer."""

    from_: Stamp = field(name="from")
    to: Stamp
    now: Stamp
    stations: list[StationBarsDto]


async def show(request: Req) -> Response[bytes]:
    """GET /timeline."""
    calls, asked = calls_of(request), query_of(request, TimelineQuery)
    window = timeline.window_of(asked.from_, asked.to, now=calls.clock.now(), station_id=asked.station_id)
    found = await calls.site.timeline(window)
    stations = []
    for number, (one, rows) in enumerate(found.stations):
        stations.append(_station(one, rows, online=one.id in found.online))
        if number % _FEW == 0:
            # Others wait as well.
            await asyncio.sleep(0)
    told = TimelineDto(
        from_=stamp(found.window.start),
        to=stamp(found.window.end),
        now=stamp(found.window.now),
        stations=stations,
    )
    return reply(told)


def _station(station: Station, rows: list[Row], *, online: bool) -> StationBarsDto:
    return StationBarsDto(
        id=station.id, location=location_dto(station.location), online=online, evses=[_row(row) for row in rows]
    )


def _row(row: Row) -> EvseBarsDto:
    return EvseBarsDto(id=row.id, types=row.types, status=row.status, bars=[_bar(bar) for bar in row.bars])


def _bar(bar: Bar) -> BarDto:
    return BarDto(
        kind=bar.kind,
        from_=stamp(bar.start),
        to=maybe_stamp(bar.end),
        reservation_id=bar.reservation_id,
        status=bar.state,
        doubt=bar.doubt,
        transaction_id=bar.transaction_id,
        until=maybe_stamp(bar.until),
    )
