"""What a timeline draws: who held, used or missed an EVSE, from when to when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest

from evhold.domain.reservation import LIVE, Reservation, State
from evhold.domain.transaction import Transaction
from evhold.domain.values import ReservationId, TransactionId


class Kind(StrEnum):
    """What a bar shows."""

    HELD = "held"
    USE = "use"
    FAULT = "fault"
    UNAVAILABLE = "unavailable"
    OFFLINE = "offline"


BY_STATUS = {"Faulted": Kind.FAULT, "Unavailable": Kind.UNAVAILABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A part of a row. ``end`` None: it goes on; ``until`` is the expiry of a hold; times by our clock.

    ``doubt``: nobody knows whether the station holds it, or it waits to be canceled, or its use is not proven.
    """

    kind: Kind
    start: datetime
    end: datetime | None
    reservation_id: ReservationId | None = None
    state: State | None = None
    doubt: bool = False
    transaction_id: TransactionId | None = None
    until: datetime | None = None

    def meets(self, start: datetime, end: datetime) -> bool:
        """Whether any of it is in this window."""
        return self.start < end and (self.end is None or self.end > start)


@dataclass(frozen=True, slots=True)
class Change:
    """A reservation went into this state, by our clock."""

    at: datetime
    state: State


def holds(reservation: Reservation, changes: Sequence[Change], *, clock_offset: timedelta) -> list[Bar]:
    """The times that its place was held: sure where it was Active, in doubt while it was Unconfirmed, or is still Pending.

    Args:
        reservation: As it is now.
        changes: All of its states, oldest first, the same one perhaps several times running.
        clock_offset: The station's clock minus ours.
    """
    steps = [one for number, one in enumerate(changes) if number == 0 or one.state is not changes[number - 1].state]
    until = reservation.expiry - clock_offset
    bars = []
    for step, following in zip_longest(steps, steps[1:]):
        if step.state not in LIVE or (step.state is State.PENDING and following is not None):
            continue
        bar = Bar(
            kind=Kind.HELD,
            start=step.at,
            end=_end(step, following, reservation, until=until, clock_offset=clock_offset),
            reservation_id=reservation.id,
            state=steps[-1].state,
            doubt=step.state is not State.ACTIVE,
            until=until,
        )
        bars += _split(bar, reservation) if following is None else [bar]
    return bars


def _end(
    step: Change, following: Change | None, reservation: Reservation, *, until: datetime, clock_offset: timedelta
) -> datetime | None:
    """When the hold of this step ended; news of it may have come later."""
    if following is None:
        return None
    if following.state is State.EXPIRED:
        return max(min(following.at, until), step.at)
    if following.state is State.USED and reservation.used_at is not None:
        return max(min(following.at, reservation.used_at - clock_offset), step.at)
    return following.at


def _split(bar: Bar, reservation: Reservation) -> list[Bar]:
    """A live hold that waits to be canceled is in doubt since that was asked for."""
    wished = reservation.cancel_requested_at
    if wished is None or bar.doubt:
        return [bar]
    if wished <= bar.start:
        return [replace(bar, doubt=True)]
    return [replace(bar, end=wished), replace(bar, start=wished, doubt=True)]


def use(transaction: Transaction, reservation: Reservation | None, *, clock_offset: timedelta) -> Bar | None:
    """The transaction as a bar; None where the station never said when it began.

    Args:
        transaction: As stored; its stamps are the station's.
        reservation: The one that it used, as far as anybody knows.
        clock_offset: The station's clock minus ours.
    """
    if transaction.started_at is None:
        return None
    ended = transaction.ended_at
    return Bar(
        kind=Kind.USE,
        start=transaction.started_at - clock_offset,
        end=None if ended is None else max(ended, transaction.started_at) - clock_offset,
        reservation_id=None if reservation is None else reservation.id,
        state=None if reservation is None else reservation.state,
        doubt=reservation is not None and reservation.state is State.USED and not reservation.proven,
        transaction_id=transaction.transaction_id,
    )


def spans(told: Iterable[tuple[datetime, Kind | None]]) -> list[Bar]:
    """The times of each kind, of what was told in order; None: nothing to be shown from then on. The last one goes on."""
    bars: list[Bar] = []
    kind: Kind | None = None
    for at, now in told:
        if now is kind:
            continue
        if kind is not None:
            bars[-1] = replace(bars[-1], end=max(at, bars[-1].start))
        if now is not None:
            bars.append(Bar(kind=now, start=at, end=None))
        kind = now
    return bars


def joined(bars: Iterable[Bar]) -> list[Bar]:
    """Those of a kind that overlap, as the connectors of one EVSE do, as one."""
    made: dict[Kind, list[Bar]] = {}
    for bar in sorted(bars, key=lambda one: one.start):
        of_kind = made.setdefault(bar.kind, [])
        last = of_kind[-1] if of_kind else None
        if last is None or (last.end is not None and last.end < bar.start):
            of_kind.append(bar)
        elif last.end is not None and (bar.end is None or bar.end > last.end):
            of_kind[-1] = replace(last, end=bar.end)
    return [bar for of_kind in made.values() for bar in of_kind]
