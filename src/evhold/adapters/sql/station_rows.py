"""A Station as a row and back."""

from typing import Any, Final

from sqlalchemy import Insert
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.tables import stations
from evhold.adapters.sql.upsert import upsert
from evhold.domain.station import Capabilities, Location, Registration, Station
from evhold.domain.values import StationId

_SAME_NAME: Final = (
    "id",
    "security_profile",
    "serial_number",
    "restore_after_boot",
    "vendor_name",
    "model",
    "firmware_version",
    "reported_serial_number",
    "ocpp_version",
    "booted_at",
    "last_seen",
    "inventory_of",
    "clock_offset",
    "epoch",
    "created_at",
)
#: What opens the door to it.
SECRETS: Final = ("password_salt", "password_hash", "next_salt", "next_hash")
#: What is provisioned; a station's own reports never change it.
PROVISIONED: Final = frozenset(
    (
        "id",
        "registration",
        "security_profile",
        "serial_number",
        "restore_after_boot",
        "location_name",
        "latitude",
        "longitude",
        *SECRETS,
        "epoch",
        "created_at",
        "removed_at",
    )
)


def record_station(dialect: Dialect) -> Insert:
    """The upsert of what a station reported: what is provisioned meanwhile is not lost to it."""
    return upsert(stations, dialect=dialect, unless=PROVISIONED, on=("folded_id",))


def row_of(station: Station) -> dict[str, Any]:
    """All columns but credentials and removal."""
    location, capabilities = station.location, station.capabilities
    row = {name: getattr(station, name) for name in _SAME_NAME}
    return row | {
        "folded_id": station.id.casefold(),
        "registration": station.registration.value,
        "boot_status": station.boot_status.value if station.boot_status else None,
        "location_name": location.name if location else None,
        "latitude": location.latitude if location else None,
        "longitude": location.longitude if location else None,
        "available": capabilities.available,
        "enabled": capabilities.enabled,
        "non_evse_specific": capabilities.non_evse_specific,
        "ev_connection_timeout": capabilities.ev_connection_timeout,
    }


def station_of(row: Any) -> Station:
    """The very station that was stored."""
    name = row.location_name
    location = None if name is None else Location(name=name, latitude=row.latitude, longitude=row.longitude)
    same = {name: getattr(row, name) for name in _SAME_NAME if name != "id"}
    return Station(
        id=StationId(row.id),
        registration=Registration(row.registration),
        boot_status=None if row.boot_status is None else Registration(row.boot_status),
        location=location,
        capabilities=Capabilities(
            available=row.available,
            enabled=row.enabled,
            non_evse_specific=row.non_evse_specific,
            ev_connection_timeout=row.ev_connection_timeout,
        ),
        **same,
    )
