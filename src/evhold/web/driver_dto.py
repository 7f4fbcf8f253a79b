"""The JSON that a driver link leads to: one reservation and its place, and no token of anybody."""

from msgspec import Struct

from evhold.domain.reservation import State
from evhold.web.dto import EvseDto, LocationDto, Stamp, Time


class DriverLinkDto(Struct, rename="camel", kw_only=True, frozen=True):
    """The address of a reservation's page for its driver; whoever has it may see, extend and cancel."""

    driver_link: str


class DriverPatch(Struct, rename="camel", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Another expiry (H01.FR.02)."""

    expiry_date_time: Time


class DriverTermsDto(Struct, rename="camel", kw_only=True, frozen=True):
    """What waits for the station's answer."""

    expiry_date_time: Stamp


class DriverReservationDto(Struct, rename="camel", kw_only=True, frozen=True):
    """A reservation as its driver sees it; ``idToken`` shows no more than its last four characters."""

    id: int
    status: State
    cause: str | None
    evse_id: int | None
    connector_type: str | None
    used_evse_id: int | None
    proven: bool
    token_mismatch: bool
    expiry_date_time: Stamp
    cancel_requested_at: Stamp | None
    replacement: DriverTermsDto | None
    id_token: str
    created_at: Stamp
    updated_at: Stamp
    version: int


class DriverStationDto(Struct, rename="camel", kw_only=True, frozen=True):
    """Where to go: the EVSE that is reserved, or every one of the station where none is named."""

    id: str
    online: bool
    last_seen: Stamp | None
    location: LocationDto | None
    evses: list[EvseDto]


class DriverViewDto(Struct, rename="camel", kw_only=True, frozen=True):
    """Everything that the driver's page shows. The link is worth nothing after ``diesAt``; null while it lives on."""

    reservation: DriverReservationDto
    station: DriverStationDto
    server_time: Stamp
    dies_at: Stamp | None


class DriverReservationEventDto(Struct, rename="camel", kw_only=True, frozen=True):
    """The data of ``reservation.*``."""

    reservation: DriverReservationDto
    cause: str | None
    at: Stamp
