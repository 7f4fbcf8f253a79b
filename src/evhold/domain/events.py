"""What is told, once it is committed. Names are those of the outward contract."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evhold.domain.reservation import Reservation
from evhold.domain.values import ConnectorId, EvseId, ReservationId, StationId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationChanged:
    """``name`` is ``reservation.accepted`` and so on; ``reservation`` as it was right after."""

    name: str
    at: datetime
    cause: str | None
    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorChanged:
    """``connector.status``. ``since`` is the station's stamp of the change."""

    at: datetime
    station_id: StationId
    evse_id: EvseId
    connector_id: ConnectorId
    status: str
    since: datetime
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPresence:
    """``station.online`` (registered: its boot was accepted) or ``station.offline``."""

    at: datetime
    station_id: StationId
    online: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDue:
    """A reservation has an order to send, not before ``not_before``, or none any more. Told outside to who asks for it by name.

    ``asked``: it was stored as asked in the same step, so nobody has to look for it.
    """

    at: datetime
    station_id: StationId
    reservation_id: ReservationId
    not_before: datetime
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChanged:
    """Inside only: caches of credentials, tokens and stations read again. ``kind``: ``station``, ``token``, ``key`` or ``webhook``."""

    at: datetime
    kind: str
    key: str


EXPIRING: Final = "reservation.expiring"
#: Every event that is told outside without being asked for, and when.
TOLD: Final[dict[str, str]] = {
    "reservation.accepted": "The station has accepted it: the EVSE is held.",
    "reservation.refused": "The station has refused it; `ocppStatus` and `statusInfo` are its words.",
    "reservation.unconfirmed": "The station was asked and nobody knows what it made of it; it is settled as soon as it can be.",
    "reservation.used": "The EVSE is charging, or about to, on this reservation; told again, with `proven`, once the reserved "
    "token or its group was seen.",
    "reservation.reactivated": "What looked like a use was none: it is Active again.",
    "reservation.expired": "Its time is over, by the station's word or, without one, by ours.",
    "reservation.canceled": "It was canceled: cause `requested`, or `retracted` where an outcome was unknown and we took it back.",
    "reservation.removed": "The station holds it no more. Without a cause the station says so: the connector is faulted or "
    "unavailable. Cause `unknown-at-station`: the station has lost it, and says nothing of a fault.",
    "reservation.failed": "It never came to be; the cause says why.",
    "reservation.replaced": "The station has accepted new terms under the same id.",
    EXPIRING: "It will expire soon: `--expiring-before` seconds ahead (300), once for each expiry that it has. Not told of one "
    "that was made for less, or that waits to be canceled.",
    "station.online": "The station is connected and its boot was accepted.",
    "station.offline": "The station can't be reached.",
    "connector.status": "The station has reported another status of a connector.",
}

Event = ReservationChanged | ConnectorChanged | StationPresence | OrderDue | RegistryChanged


_NAMES: Final[dict[type[Event], str]] = {
    ConnectorChanged: "connector.status",
    OrderDue: "order.due",
    RegistryChanged: "_registry.changed",
}


def name_of(event: Event) -> str:
    """The event's outward name; those that begin with ``_`` are never told outside."""
    if isinstance(event, ReservationChanged):
        return event.name
    if isinstance(event, StationPresence):
        return "station.online" if event.online else "station.offline"
    return _NAMES[type(event)]


def station_of(event: Event) -> StationId | None:
    """The station that it happened at; None where it is about none."""
    if isinstance(event, ReservationChanged):
        return event.reservation.station_id
    return None if isinstance(event, RegistryChanged) else event.station_id


def subject_of(event: Event) -> str:
    """What it is about, as a path; events of one subject are told in their order."""
    match event:
        case ReservationChanged(reservation=reservation):
            return f"reservations/{reservation.id}"
        case ConnectorChanged():
            return f"stations/{event.station_id}/evses/{event.evse_id}/connectors/{event.connector_id}"
        case StationPresence():
            return f"stations/{event.station_id}"
        case OrderDue():
            return f"reservations/{event.reservation_id}"
        case RegistryChanged():
            return f"{event.kind}/{event.key}"
