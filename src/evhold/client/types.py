"""What the API answers, typed: the parts that an app needs, with the JSON whole beside them."""

from datetime import datetime
from typing import Any

from msgspec import Struct, convert

from evhold.domain.reservation import State as Status

#: What has no outcome yet.
OPEN = frozenset({Status.PENDING, Status.UNCONFIRMED})


class IdToken(Struct, rename="camel", frozen=True):
    """An IdTokenType."""

    id_token: str
    type: str = "ISO14443"


class Reservation(Struct, rename="camel", frozen=True, kw_only=True):
    """A reservation. ``id`` is the OCPP reservation id."""

    id: int
    station_id: str
    status: Status
    id_token: IdToken
    expiry_date_time: datetime
    version: int
    evse_id: int | None = None
    connector_type: str | None = None
    group_id_token: IdToken | None = None
    ocpp_status: str | None = None
    cause: str | None = None
    transaction_id: str | None = None
    used_evse_id: int | None = None
    proven: bool = False
    token_mismatch: bool = False
    confirmed: bool = False
    cancel_requested_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    driver_link: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the station's word is still waited for."""
        return self.status in OPEN


class Event(Struct, frozen=True, kw_only=True):
    """One told event. ``name`` ``gap``: older events are gone. ``reservation`` is there for ``reservation.*``."""

    name: str
    id: int | None
    data: dict[str, Any]

    @property
    def reservation(self) -> Reservation | None:
        """As it was right after."""
        told = self.data.get("reservation")
        return None if told is None else reservation_of(told)

    @property
    def cause(self) -> str | None:
        """A word for why."""
        return self.data.get("cause")


def reservation_of(content: Any) -> Reservation:
    """The reservation of this JSON."""
    return convert(content, Reservation)
