"""Everything that can happen to a reservation. A fact has happened and can't be refused."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from evhold.domain.values import Ask, EvseId, IdToken, StatusInfo, Terms, TransactionId

#: CALLERROR codes that prove that the station did not execute the CALL. All others, and unreadable answers, prove nothing.
PROVES_NON_EXECUTION: Final = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "SecurityError",
        "FormatViolation",
        "FormationViolation",
        "ProtocolError",
        "PropertyConstraintViolation",
        "TypeConstraintViolation",
        "OccurrenceConstraintViolation",
        "OccurenceConstraintViolation",
        "MessageTypeNotSupported",
        "RpcFrameworkError",
    }
)
#: How long after the expiry a use still counts when the station did not tell its EVConnectionTimeOut, and the slack on top.
UNKNOWN_CONNECTION_TIMEOUT: Final = timedelta(seconds=180)
IN_TIME_SLACK: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfAsk:
    """The end of an ask: an answer, or what stands for one."""

    ask: Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverLeft(OfAsk):
    """The frame was never sent. ``reason``: ``station-offline``, ``station-busy``, ``expired-in-queue`` or ``withdrawn``."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent(OfAsk):
    """Sent, outcome unknown. ``reason``: ``timeout``, ``connection-lost``, ``restart`` or ``unreadable-answer``."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Errored(OfAsk):
    """A CALLERROR."""

    code: str
    description: str = ""
    #: Row 53: every connector of the reserved EVSE is still Reserved.
    still_reserved: bool = False

    @property
    def proves_non_execution(self) -> bool:
        """Whether the station certainly did nothing."""
        return self.code in PROVES_NON_EXECUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(OfAsk):
    """ReserveNowResponse(Accepted)."""

    status_info: StatusInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(OfAsk):
    """ReserveNowResponse with Faulted, Occupied, Rejected or Unavailable."""

    status: str
    status_info: StatusInfo | None = None
    #: Row 53: every connector of the reserved EVSE is still Reserved.
    still_reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAccepted(OfAsk):
    """CancelReservationResponse(Accepted). ``clock_offset``: the station's clock minus ours."""

    status_info: StatusInfo | None = None
    clock_offset: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRejected(OfAsk):
    """CancelReservationResponse(Rejected): the station holds no such reservation. ``station_now``: its clock."""

    station_now: datetime
    status_info: StatusInfo | None = None


@dataclass(frozen=True, slots=True)
class CancelOrdered:
    """A driver or an operator wants it canceled."""


@dataclass(frozen=True, slots=True)
class CancelWithdrawn:
    """Whoever wanted it canceled wants it kept after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceOrdered:
    """New terms for the same id (H01.FR.02); ``ask.terms`` are they."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class ReportedExpired:
    """ReservationStatusUpdate(Expired), received ``at`` by our clock."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ReportedRemoved:
    """ReservationStatusUpdate(Removed), received ``at`` by our clock, or by the station's where that is behind."""

    at: datetime


class Match(StrEnum):
    """What a transaction's token says about the reservation (T+, T0, T-)."""

    RESERVED = "T+"
    NONE = "T0"
    FOREIGN = "T-"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionNamed:
    """A TransactionEvent, of any eventType, that carries the reservationId.

    ``match`` looks at the whole transaction for the reserved token, and at this event alone for a foreign one.
    ``stamp`` is the event's own timestamp, by the station's clock.
    """

    transaction_id: TransactionId
    stamp: datetime
    match: Match
    evse_id: EvseId | None = None
    id_token: IdToken | None = None
    connection_timeout: timedelta = UNKNOWN_CONNECTION_TIMEOUT
    clock_offset: timedelta = timedelta()

    def in_time(self, terms: Terms) -> bool:
        """Whether it was stamped before the reservation's end: both times are the station's, so no offset is added."""
        return self.stamp <= terms.expiry + self.connection_timeout + IN_TIME_SLACK


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSeen:
    """Another event of a bound transaction showed a token: the reserved one (or its group), or a foreign one."""

    transaction_id: TransactionId
    match: Match
    id_token: IdToken
    stamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEnded:
    """A bound transaction ended. ``clean``: seqNo complete, no accepted token, never Charging, no remoteStartId.

    ``clock_offset``: the station's clock minus ours.
    """

    transaction_id: TransactionId
    clean: bool
    clock_offset: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDue:
    """Expiry and grace have passed by the station's clock, and nothing was heard."""

    station_now: datetime


Fact = (
    NeverLeft
    | Silent
    | Errored
    | Accepted
    | Refused
    | CancelAccepted
    | CancelRejected
    | CancelOrdered
    | CancelWithdrawn
    | ReplaceOrdered
    | ReportedExpired
    | ReportedRemoved
    | TransactionNamed
    | TokenSeen
    | TransactionEnded
    | SweepDue
)


def cause_of(fact: Fact) -> str | None:
    """The fact's own word for why, for the history."""
    match fact:
        case NeverLeft(reason=reason) | Silent(reason=reason):
            return reason
        case Errored(code=code):
            return code
        case Refused(status=status):
            return status
        case _:
            return None


def status_info_of(fact: Fact) -> StatusInfo | None:
    """The station's own words beside its answer."""
    return fact.status_info if isinstance(fact, Accepted | Refused | CancelAccepted | CancelRejected) else None
