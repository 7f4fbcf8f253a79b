"""A reservation: its states, what it knows, what it holds, and the order that it waits to send.

Every change of it is a row of ``transitions.py``. Nothing here knows a clock, a database or OCPP's JSON.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from evhold.domain.values import (
    Ask,
    AskKind,
    By,
    EvseId,
    Frame,
    IdToken,
    ReservationId,
    StationId,
    StatusInfo,
    Terms,
    TransactionId,
)


class State(StrEnum):
    """The states that users see."""

    PENDING = "Pending"
    UNCONFIRMED = "Unconfirmed"
    ACTIVE = "Active"
    USED = "Used"
    EXPIRED = "Expired"
    CANCELED = "Canceled"
    REMOVED = "Removed"
    REFUSED = "Refused"
    FAILED = "Failed"


LIVE: Final = frozenset({State.PENDING, State.UNCONFIRMED, State.ACTIVE})


class Phase(StrEnum):
    """A state, and for an end whether the station's word closed it."""

    PENDING = "Pending"
    UNCONFIRMED = "Unconfirmed"
    ACTIVE = "Active"
    USED_PROVEN = "Used-p"
    USED_UNPROVEN = "Used-u"
    EXPIRED_OPEN = "Expired-p"
    EXPIRED_CLOSED = "Expired-c"
    REMOVED_OPEN = "Removed-u"
    REMOVED_CLOSED = "Removed-c"
    FAILED_OPEN = "Failed-u"
    FAILED_CLOSED = "Failed-n"
    CANCELED_OPEN = "Canceled-r"
    CANCELED_CLOSED = "Canceled-a"
    REFUSED = "Refused"


_PHASES: Final = {
    (State.USED, True): Phase.USED_PROVEN,
    (State.USED, False): Phase.USED_UNPROVEN,
    (State.EXPIRED, True): Phase.EXPIRED_CLOSED,
    (State.EXPIRED, False): Phase.EXPIRED_OPEN,
    (State.REMOVED, True): Phase.REMOVED_CLOSED,
    (State.REMOVED, False): Phase.REMOVED_OPEN,
    (State.FAILED, True): Phase.FAILED_CLOSED,
    (State.FAILED, False): Phase.FAILED_OPEN,
    (State.CANCELED, True): Phase.CANCELED_CLOSED,
    (State.CANCELED, False): Phase.CANCELED_OPEN,
}


class Due(StrEnum):
    """The next order that a reservation waits to send once its station is registered."""

    RETRACT = "retract"
    CANCEL = "cancel"
    CLEAN_UP = "clean-up"
    UNDO = "undo"
    RENEW = "renew"

    @property
    def ask_kind(self) -> AskKind:
        """The kind of ask that this order becomes."""
        return _ASK_KINDS[self]


_ASK_KINDS: Final = {
    Due.RETRACT: AskKind.CANCEL,
    Due.CANCEL: AskKind.CANCEL,
    Due.CLEAN_UP: AskKind.CLEAN_UP,
    Due.UNDO: AskKind.UNDO,
    Due.RENEW: AskKind.RENEW,
}


@dataclass(frozen=True, slots=True)
class End:
    """An end as it was, so that an unproven use that ends clean can go back to it (row 33)."""

    state: State
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One reservation. ``id`` is OCPP's, 1..2^31-1, never reused. Times are aware UTC, our clock unless named otherwise."""

    id: ReservationId
    station_id: StationId
    terms: Terms
    state: State
    created_at: datetime
    updated_at: datetime
    version: int = 1
    #: Terms that wait for the station's answer, or never got one.
    replacement: Terms | None = None
    ocpp_status: str | None = None
    status_info: StatusInfo | None = None
    cause: str | None = None
    #: The station's word (or certainty that nothing was sent) closed it; False while live.
    confirmed: bool = False

    #: The transaction that used it. ``used_at`` is the station's stamp.
    transaction_id: TransactionId | None = None
    used_evse_id: EvseId | None = None
    used_by: IdToken | None = None
    used_at: datetime | None = None
    proven: bool = False
    token_mismatch: bool = False
    came_from: End | None = None

    cancel_requested_at: datetime | None = None
    #: Who asked last, also when a proven use has dropped the wish since.
    cancel_requested_by: By | None = None
    #: The wish came before an unproven use: it waits for the transaction's end (row 29).
    wish_waits: bool = False

    #: The one open ask.
    ask: Ask | None = None
    #: When the last cancel was sent, and whether one may have reached the station without its answer reaching us (row 4).
    cancel_sent_at: datetime | None = None
    cancel_in_doubt: bool = False
    #: An Accepted came while a cancel was in doubt (row 4).
    accepted_kept: bool = False
    was_active: bool = False
    #: Or taken anew (rows 53, 56), and not renewed since: the report of an earlier hold's end may be on its way (row 25).
    was_replaced: bool = False
    reserves_sent: int = 0
    #: Row 18: the station can't cancel; the sweep will end it.
    no_retract: bool = False
    #: A report that came while a replacement was open (row 23).
    held_report: State | None = None
    #: An order that a transition left behind; retractions and wishes go first.
    follow: Due | None = None
    #: How often the due order went unanswered, and when to send it next.
    attempts: int = 0
    retry_at: datetime | None = None
    #: An unproven use keeps its claim on the EVSE (rows 29, 33, 36).
    keeps_claim: bool = False
    #: The expiry that ``reservation.expiring`` was told for, or that was too near for it from the beginning.
    reminded_of: datetime | None = None
    #: Where its driver is told, as URLs of apprise; and what a link to the driver's page begins with, where one was asked for.
    notify: tuple[str, ...] = ()
    link_base: str | None = None

    @property
    def phase(self) -> Phase:
        """State and closedness in one."""
        if self.state is State.USED:
            return _PHASES[self.state, self.proven]
        return _PHASES.get((self.state, self.confirmed)) or Phase(self.state.value)

    @property
    def is_live(self) -> bool:
        """Pending, Unconfirmed or Active."""
        return self.state in LIVE

    @property
    def expiry(self) -> datetime:
        """The later of the two terms' expiries (row 52)."""
        return max(self.terms.expiry, self.replacement.expiry) if self.replacement else self.terms.expiry

    @property
    def claims(self) -> frozenset[EvseId]:
        """The EVSEs that nobody else may reserve; a replacement claims both."""
        if not (self.is_live or (self.state is State.USED and self.keeps_claim)):
            return frozenset()
        held = (self.terms, self.replacement)
        return frozenset(terms.evse_id for terms in held if terms and terms.evse_id is not None)

    @property
    def due(self) -> Due | None:
        """The order to send next, or None while one is open or none is wanted."""
        if self.ask is not None or self.state is State.PENDING:
            return None
        if self.state is State.UNCONFIRMED:
            return None if self.no_retract else Due.RETRACT
        wished = self.cancel_requested_at is not None and not self.wish_waits
        cancelable = self.state is State.ACTIVE or self.phase is Phase.USED_UNPROVEN
        # Retractions, then wishes, then the rest: what is to be canceled need not be asked for once more.
        return Due.CANCEL if wished and cancelable else self.follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One history row. ``row`` is the number in the table; ``anomaly`` marks a fact that changed nothing but should be seen."""

    from_state: State | None
    to_state: State
    fact: str
    row: int
    cause: str | None
    by: By
    at: datetime
    frames: tuple[Frame, ...] = ()
    anomaly: bool = False
    status_info: StatusInfo | None = None


def with_ask(reservation: Reservation, ask: Ask) -> Reservation:
    """The reservation with this order open; commit it before the frame leaves."""
    is_follow = reservation.follow is not None and reservation.follow.ask_kind is ask.kind
    asked = replace(reservation, ask=ask, follow=None if is_follow else reservation.follow, retry_at=None)
    return asked if ask.kind.is_cancel else replace(asked, reserves_sent=reservation.reserves_sent + 1)
