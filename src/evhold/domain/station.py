"""A Charging Station as we know it: who it is, how it registered, what it can do."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from evhold.domain.values import StationId


class Registration(StrEnum):
    """RegistrationStatusEnumType (B01, B02, B03)."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where it stands. Degrees, WGS 84."""

    name: str
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """ReservationCtrlr's three variables, and TxCtrlr.EVConnectionTimeOut. None is unknown, never No (beyond-the-guide 2.8)."""

    available: bool | None = None
    enabled: bool | None = None
    non_evse_specific: bool | None = None
    ev_connection_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One Charging Station.

    ``registration`` is what its next BootNotification is answered; ``boot_status`` what the last one was, None if never seen.
    ``clock_offset`` is its clock minus ours. ``epoch`` counts its connections, over all nodes. Times are aware UTC, our clock.
    """

    id: StationId
    registration: Registration = Registration.ACCEPTED
    security_profile: int | None = None
    serial_number: str | None = None
    restore_after_boot: bool = True
    location: Location | None = None
    vendor_name: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    reported_serial_number: str | None = None
    ocpp_version: str | None = None
    boot_status: Registration | None = None
    booted_at: datetime | None = None
    last_seen: datetime | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    #: The firmware whose GetBaseReport we have read; None: never.
    inventory_of: str | None = None
    clock_offset: timedelta = timedelta()
    epoch: int = 0
    created_at: datetime | None = None

    @property
    def is_registered(self) -> bool:
        """Its last BootNotification was answered Accepted; this holds over reconnects and our restarts."""
        return self.boot_status is Registration.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the handshake is checked against.

    ``password_hash`` is a salted BLAKE2b; None: no password was ever set. ``security_profile`` is the lowest that is let in.
    While a new password may be in force at the station, and may not, ``next_hash`` is that one's (A01).
    """

    station_id: StationId
    password_salt: bytes | None = None
    password_hash: bytes | None = None
    security_profile: int | None = None
    serial_number: str | None = None
    next_salt: bytes | None = None
    next_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a station can be asked. ``registered`` is what reservation orders need."""

    online: bool
    registered: bool
    since: datetime | None = None
