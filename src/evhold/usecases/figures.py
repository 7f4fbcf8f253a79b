"""The figures of a period: each day is counted in a look of its own, so that nobody waits for a long one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from evhold.domain.errors import InvalidOrder
from evhold.domain.figures import Tally
from evhold.domain.values import StationId
from evhold.usecases.periods import Period, reckoned
from evhold.usecases.ports import Clock, Storage
from evhold.usecases.stores import Tx

#: The longest period, and the most reservations that one answer counts.
LONGEST: Final = timedelta(days=366)
MOST: Final = 1_000_000
_DEFAULT_DAYS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """``days`` are all days of the period in the asker's time zone, each with the reservations made in it."""

    start: datetime
    end: datetime
    days: list[tuple[date, Tally]]
    total: Tally
    active_now: int
    unconfirmed_now: int


def period_of(
    start: datetime | None, end: datetime | None, *, zone: tzinfo, now: datetime, station_id: str | None
) -> Period:
    """The period that is asked for; by default today and the six days before.

    Raises:
        InvalidOrder: It is empty, or longer than ``LONGEST``, or beyond reckoning.
    """
    end = now if end is None else reckoned(end, "to")
    if start is None:
        first = (end - timedelta(microseconds=1)).astimezone(zone).date() - timedelta(days=_DEFAULT_DAYS - 1)
        start = _midnight(first, zone)
    start = reckoned(start, "from")
    if end <= start:
        raise InvalidOrder("to", "is not after from")
    if end - start > LONGEST:
        raise InvalidOrder("from", f"is more than {LONGEST.days} days before to")
    return Period(start=start, end=end, station_id=None if station_id is None else StationId(station_id))


async def figures(period: Period, *, zone: tzinfo, storage: Storage, clock: Clock) -> Figures:
    """The reservations made in the period, counted.

    Raises:
        InvalidOrder: There are more than ``MOST`` of them.
    """
    now = clock.now()
    dates = _dates(period, zone)
    bounds = [period.start, *(_midnight(one, zone) for one in dates[1:]), period.end]
    total, days = Tally(), []
    for day, start, end in zip(dates, bounds, bounds[1:], strict=False):
        tally = await storage.read(_counted(replace(period, start=start, end=end), now=now))
        total.merge(tally)
        days.append((day, tally))
        if total.made > MOST:
            raise InvalidOrder("from", f"more than {MOST} reservations were made since; ask for a shorter period")
    total.median_answer = await storage.read(lambda tx: tx.figures.median_answer(period, answers=total.answers))
    active, unconfirmed = await storage.read(lambda tx: tx.figures.live(period.station_id))
    return Figures(
        start=period.start,
        end=period.end,
        days=days,
        total=total,
        active_now=active,
        unconfirmed_now=unconfirmed,
    )


def _counted(day: Period, *, now: datetime) -> Callable[[Tx], Tally]:
    def work(tx: Tx) -> Tally:
        tally = tx.figures.count(day, now=now)
        tally.median_answer = tx.figures.median_answer(day, answers=tally.answers)
        return tally

    return work


def _dates(period: Period, zone: tzinfo) -> list[date]:
    first = period.start.astimezone(zone).date()
    last = (period.end - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
