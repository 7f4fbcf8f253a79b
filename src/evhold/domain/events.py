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
    """A reservation has an order to send, not before ``not_before``, or none any more. Told outside to who asks for it by name."""

    at: datetime
    station_id: StationId
    reservation_id: ReservationId
    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChanged:
    """Inside only: caches of credentials, tokens and stations read again. ``kind``: ``station``, ``token``, ``key`` or ``webhook``."""

    at: datetime
    kind: str
    key: str


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
