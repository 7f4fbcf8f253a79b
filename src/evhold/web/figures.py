"""/figures: a period by day."""

from datetime import UTC, date, timedelta, tzinfo
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from litestar import Response
from msgspec import Meta, Struct, field

from evhold.domain.figures import Tally
from evhold.domain.reservation import State
from evhold.usecases import figures
from evhold.web.dto import Stamp, StationName, Time
from evhold.web.problems import invalid
from evhold.web.request import Req, calls_of, query_of, reply
from evhold.web.reservations import stored_id
from evhold.web.views import stamp

_MINUTE: Final = timedelta(minutes=1)
_PLAIN: Final = frozenset({"UTC", "Z", "Etc/UTC"})


class FiguresQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """What is counted: reservations made from ``from`` up to but not with ``to``, by the days of ``timeZone``."""

    from_: Annotated[Time, Meta(description="default: the start of the day six days before `to`")] | None = field(
        name="from", default=None
    )
    to: Annotated[Time, Meta(description="default: now")] | None = None
    station_id: StationName | None = None
    time_zone: Annotated[str, Meta(max_length=64, examples=["Europe/Berlin"])] = "UTC"


class DayDto(Struct, rename="camel", kw_only=True, frozen=True):
    """The reservations made on a day; ``date`` is null in the total.

    ``made`` is the sum of refused, failed, used, expiredUnused, canceled, removed and live. acceptedPercent is of those that a
    station answered; usedPercent and expiredUnusedPercent are of those accepted; null: of none. evseMinutesHeld: how long
    places were kept, up to now; evseMinutesUnused: the part of it that ended without a use.
    """

    date: Annotated[str, Meta(extra_json_schema={"format": "date"})] | None
    made: int
    accepted: int
    refused: int
    failed: int
    used: int
    expired_unused: int
    canceled: int
    removed: int
    live: int
    accepted_percent: float | None
    used_percent: float | None
    expired_unused_percent: float | None
    median_answer_seconds: float | None
    evse_minutes_held: int
    evse_minutes_unused: int


class FiguresDto(Struct, rename="camel", kw_only=True, frozen=True):
    """The figures of a period, all its days in order; ``activeNow`` and ``unconfirmedNow`` are of this moment."""

    from_: Stamp = field(name="from")
    to: Stamp
    time_zone: str
    total: DayDto
    days: list[DayDto]
    active_now: int
    unconfirmed_now: int


async def show(request: Req) -> Response[bytes]:
    """GET /figures."""
    calls, asked = calls_of(request), query_of(request, FiguresQuery)
    zone = _zone(asked.time_zone)
    station_id = None if asked.station_id is None else await stored_id(request, asked.station_id)
    period = figures.period_of(asked.from_, asked.to, zone=zone, now=calls.clock.now(), station_id=station_id)
    found = await calls.site.figures(period, zone=zone)
    told = FiguresDto(
        from_=stamp(found.start),
        to=stamp(found.end),
        time_zone=asked.time_zone,
        total=_day(None, found.total),
        days=[_day(day, tally) for day, tally in found.days],
        active_now=found.active_now,
        unconfirmed_now=found.unconfirmed_now,
    )
    return reply(told)


def _zone(name: str) -> tzinfo:
    # Known also where the system has no table of time zones.
    if name in _PLAIN:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise invalid(("timeZone", "is no known time zone, such as Europe/Berlin or UTC")) from None


def _day(day: date | None, tally: Tally) -> DayDto:
    median = tally.median_answer
    return DayDto(
        date=None if day is None else day.isoformat(),
        made=tally.made,
        accepted=tally.accepted,
        refused=tally.of(State.REFUSED),
        failed=tally.of(State.FAILED),
        used=tally.of(State.USED),
        expired_unused=tally.of(State.EXPIRED),
        canceled=tally.of(State.CANCELED),
        removed=tally.of(State.REMOVED),
        live=tally.live,
        accepted_percent=tally.accepted_percent,
        used_percent=tally.used_percent,
        expired_unused_percent=tally.expired_unused_percent,
        median_answer_seconds=None if median is None else round(median.total_seconds(), 3),
        evse_minutes_held=round(tally.held / _MINUTE),
        evse_minutes_unused=round(tally.unused / _MINUTE),
    )
