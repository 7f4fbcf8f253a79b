"""Figures of reservations: how many were made, accepted and used, and how long EVSEs were held for nothing."""

from dataclasses import dataclass, field
from datetime import timedelta

from evhold.domain.reservation import LIVE, State


@dataclass(slots=True, kw_only=True)
class Tally:
    """The reservations of a day, or of all days, counted.

    Args:
        states: How many there are of each state.
        accepted: Those that a station took, whatever became of them.
        expired_accepted: Those of them that expired; others expired while nobody knew whether they had been accepted.
        held: How long their places were kept, together.
        unused: The part of it that ended without a use.
        answers: How many got an answer to their first ReserveNow.
        median_answer: From the order to that answer; None: there was none. One that came after the timeout counts as the
            timeout.
    """

    states: dict[State, int] = field(default_factory=dict)
    accepted: int = 0
    expired_accepted: int = 0
    held: timedelta = timedelta()
    unused: timedelta = timedelta()
    answers: int = 0
    median_answer: timedelta | None = None

    def add(self, state: State, *, accepted: bool, count: int, held: timedelta) -> None:
        """So many more, whose places were kept so long together."""
        self.states[state] = self.of(state) + count
        self.held += held
        if state is not State.USED and state not in LIVE:
            self.unused += held
        if accepted:
            self.accepted += count
            self.expired_accepted += count if state is State.EXPIRED else 0

    def merge(self, other: "Tally") -> None:
        """All of the other's too; medians can't be merged."""
        for state, count in other.states.items():
            self.states[state] = self.of(state) + count
        self.accepted += other.accepted
        self.expired_accepted += other.expired_accepted
        self.held += other.held
        self.unused += other.unused
        self.answers += other.answers

    def of(self, state: State) -> int:
        """How many are in this state."""
        return self.states.get(state, 0)

    @property
    def made(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def live(self) -> int:
        """Those that have not ended."""
        return sum(self.of(state) for state in LIVE)

    @property
    def accepted_percent(self) -> float | None:
        """Of those that a station answered; None: none was."""
        return _percent(self.accepted, self.accepted + self.of(State.REFUSED))

    @property
    def used_percent(self) -> float | None:
        """Of those accepted."""
        return _percent(self.of(State.USED), self.accepted)

    @property
    def expired_unused_percent(self) -> float | None:
        """Of those accepted."""
        return _percent(self.expired_accepted, self.accepted)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None
