"""Figures of reservations: how many were made, accepted and used, and how long EVSEs were held for nothing."""

from array import array
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from evhold.domain.reservation import LIVE, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What counts of one reservation.

    Args:
        made_at: When it was ordered.
        state: As it is now.
        accepted: The station took it, whatever became of it.
        answer: From the order to the station's answer to the first ReserveNow; None: it never answered. An answer that
            came after the timeout counts as the timeout.
        ended_at: When it stopped holding its place, by the best that is known; None while it is live.
        until: The later expiry of its terms: no station holds beyond it.
    """

    made_at: datetime
    state: State
    accepted: bool
    answer: timedelta | None
    ended_at: datetime | None
    until: datetime

    def held(self, *, now: datetime) -> timedelta:
        """How long an EVSE, whichever it was, was kept for it, up to now."""
        if not self.accepted:
            return timedelta()
        begun = self.made_at + (self.answer or timedelta())
        return max(min(self.ended_at or now, self.until, now) - begun, timedelta())


@dataclass(slots=True)
class Tally:
    """The reservations of a day, or of all days, counted. ``expired`` counts those too that nobody knows accepted."""

    made: int = 0
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    used: int = 0
    expired: int = 0
    canceled: int = 0
    removed: int = 0
    live: int = 0
    expired_accepted: int = 0
    held_s: float = 0.0
    unused_s: float = 0.0
    answers_s: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, one: Made, *, now: datetime) -> None:
        """One more."""
        self.made += 1
        self.accepted += one.accepted
        match one.state:
            case State.USED:
                self.used += 1
            case State.EXPIRED:
                self.expired += 1
                self.expired_accepted += one.accepted
            case State.CANCELED:
                self.canceled += 1
            case State.REMOVED:
                self.removed += 1
            case State.REFUSED:
                self.refused += 1
            case State.FAILED:
                self.failed += 1
            case _:
                self.live += 1
        held_s = one.held(now=now).total_seconds()
        self.held_s += held_s
        if one.state is not State.USED and one.state not in LIVE:
            self.unused_s += held_s
        if one.answer is not None:
            self.answers_s.append(one.answer.total_seconds())

    def merge(self, other: "Tally") -> None:
        """All of the other's too."""
        self.made += other.made
        self.accepted += other.accepted
        self.refused += other.refused
        self.failed += other.failed
        self.used += other.used
        self.expired += other.expired
        self.canceled += other.canceled
        self.removed += other.removed
        self.live += other.live
        self.expired_accepted += other.expired_accepted
        self.held_s += other.held_s
        self.unused_s += other.unused_s
        self.answers_s.extend(other.answers_s)

    @property
    def accepted_percent(self) -> float | None:
        """Of those that a station answered; None: none was."""
        return _percent(self.accepted, self.accepted + self.refused)

    @property
    def used_percent(self) -> float | None:
        """Of those accepted."""
        return _percent(self.used, self.accepted)

    @property
    def expired_unused_percent(self) -> float | None:
        """Of those accepted."""
        return _percent(self.expired_accepted, self.accepted)

    @property
    def median_answer_s(self) -> float | None:
        """Seconds; None: no answer."""
        return median(self.answers_s) if self.answers_s else None


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None
