"""What the figures and the timeline need of one transaction: rows by period, in bounded parts. Protocols only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from evhold.domain.errors import InvalidOrder
from evhold.domain.figures import Tally
from evhold.domain.reservation import Reservation
from evhold.domain.timeline import Change
from evhold.domain.timeline_rows import Seen
from evhold.domain.transaction import Transaction
from evhold.domain.values import ReservationId, StationId

#: A place in a list by time: the time, and a number that tells equal times apart.
Place = tuple[datetime, int]


_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def reckoned(at: datetime, field: str) -> datetime:
    """The time in UTC, far enough from both ends of the calendar to be reckoned with.

    Raises:
        InvalidOrder: It is not; ``field`` is what it is called.
    """
    if not _EARLIEST <= at <= _LATEST:
        raise InvalidOrder(field, "lies outside all that can be asked for")
    return at.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``start``, up to but not with ``end``; at one station, or at all."""

    start: datetime
    end: datetime
    station_id: StationId | None = None


class Figures(Protocol):
    """Reservations, counted where they are."""

    def count(self, period: Period, *, now: datetime) -> Tally:
        """Those made in the period, by what became of them; the median answer is left out."""
        ...

    def median_answer(self, period: Period, *, answers: int) -> timedelta | None:
        """Of those made in the period; ``answers`` is how many there are, as counted."""
        ...

    def live(self, station_id: StationId | None) -> tuple[int, int]:
        """How many are Active, and how many Unconfirmed, now."""
        ...


class Timeline(Protocol):
    """What happened at stations."""

    def live(self, period: Period, *, limit: int) -> list[Reservation]:
        """The reservations that are live now and were made before the period's end; ``limit`` at most."""
        ...

    def ended(self, period: Period, *, after: Place | None, limit: int) -> tuple[list[Reservation], Place | None]:
        """Those that are over, made before the period's end and changed since its start, and the place to go on after."""
        ...

    def changes(self, reservation_ids: Sequence[ReservationId]) -> dict[ReservationId, list[Change]]:
        """The states that they went through, oldest first."""
        ...

    def running(self, station_id: StationId | None) -> list[Transaction]:
        """The transactions that have not ended."""
        ...

    def stored(self, station_ids: Sequence[StationId], *, since: datetime) -> list[Transaction]:
        """The transactions of these stations that were stored since."""
        ...

    def first_event(self, at: datetime) -> int:
        """The number of the first told event of this time or later, near enough; above all, where there is none."""
        ...

    def events(
        self, station_id: StationId | None, *, start: int, end: int, limit: int
    ) -> tuple[list[Seen], int | None]:
        """What was seen of stations, from number ``start`` up to but not with ``end``, in order, and the number to go on from."""
        ...

    def events_before(self, station_id: StationId | None, *, start: int, end: int) -> list[Seen]:
        """The same, newest first, all of them."""
        ...
