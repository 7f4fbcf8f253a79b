"""The small values that everything else is made of: ids, tokens, terms, and who said what when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

StationId = NewType("StationId", str)
EvseId = NewType("EvseId", int)
ConnectorId = NewType("ConnectorId", int)
ReservationId = NewType("ReservationId", int)
TransactionId = NewType("TransactionId", str)
MessageId = NewType("MessageId", str)

MAX_RESERVATION_ID: Final = 2**31 - 1
FIRST_RESERVATION_ID_BELOW: Final = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class IdToken:
    """An IdTokenType: compared without case, together with its type (beyond-the-guide 2.16)."""

    id_token: str
    type: str

    @property
    def key(self) -> str:
        """What two equal tokens share; also their key in the database."""
        return f"{self.type}:{self.id_token.casefold()}"

    @property
    def masked(self) -> str:
        """What everybody may read of it: its type and its last four characters; none where it has no more than these."""
        return f"{self.type}:...." + (self.id_token[-4:] if len(self.id_token) > 4 else "")

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, IdToken) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """The station's own words beside a status (StatusInfoType)."""

    reason_code: str
    additional_info: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is reserved, for whom, until when.

    ``evse_id`` and ``connector_type`` exclude each other; neither means any EVSE of the station (H01 S1-S3).
    ``expiry`` is aware UTC.
    """

    id_token: IdToken
    expiry: datetime
    evse_id: EvseId | None = None
    connector_type: str | None = None
    group_id_token: IdToken | None = None


class By(StrEnum):
    """Who caused a transition."""

    DRIVER = "driver"
    OPERATOR = "operator"
    STATION = "station"
    CSMS = "csms"


class AskKind(StrEnum):
    """Why a ReserveNow or CancelReservation was sent."""

    RESERVE = "reserve"  # the first ReserveNow of the id
    REPLACE = "replace"  # ReserveNow with the same id and new terms (H01.FR.02)
    UNDO = "undo"  # the old terms again, after a refused replacement
    RENEW = "renew"  # the current terms again, after the old ones were reported Expired
    RESTORE = "restore"  # the same terms again, after the station forgot them at a boot
    CANCEL = "cancel"  # CancelReservation: the driver's wish, or our retraction
    CLEAN_UP = "clean-up"  # CancelReservation whose answer changes no live state

    @property
    def is_cancel(self) -> bool:
        """Whether the order is a CancelReservation."""
        return self in (AskKind.CANCEL, AskKind.CLEAN_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One order to the station, stored before it is sent; its answer is a fact of this ask, whenever it comes.

    ``sent_at`` is our clock: the commit before the frame left, corrected to the frame's leaving when that is known.
    """

    message_id: MessageId
    kind: AskKind
    terms: Terms | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Frame:
    """One OCPP-J frame as it was on the wire, tokens masked. ``sender`` is ``CS`` or ``CSMS``."""

    sender: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How a fact reached us: when by our clock, by whom, and the frames that carried it."""

    at: datetime
    by: By = By.STATION
    frames: tuple[Frame, ...] = ()
