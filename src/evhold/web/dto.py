"""The JSON of the API: camelCase structs with OCPP's own names."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from evhold.domain.access import Role
from evhold.domain.authorization import TokenStatus
from evhold.domain.reservation import State
from evhold.domain.station import Registration
from evhold.domain.values import MAX_RESERVATION_ID, By

Stamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-12-15T14:30:00Z"])]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset", examples=["2030-12-15T14:30:00Z"])]
EvseNumber = Annotated[int, Meta(ge=1, le=MAX_RESERVATION_ID, examples=[1])]
StationName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9*_=+|@. -]{1,48}\Z", examples=["CS1"])]
Limit = Annotated[int, Meta(ge=1, le=500, description="how many at most")]
Addresses = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=500)]],
    Meta(max_length=5, description="where the driver is told, as URLs of apprise; never shown; for operators"),
]
TokenText = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,36}\Z", max_length=36, examples=["AABBCCDD"])]
IdTokenKind: TypeAlias = Literal[
    "Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization"
]
ConnectorKind: TypeAlias = Literal[
    "cCCS1",
    "cCCS2",
    "cG105",
    "cTesla",
    "cType1",
    "cType2",
    "s309-1P-16A",
    "s309-1P-32A",
    "s309-3P-16A",
    "s309-3P-32A",
    "sBS1361",
    "sCEE-7-7",
    "sType2",
    "sType3",
    "Other1PhMax16A",
    "Other1PhOver16A",
    "Other3Ph",
    "Pan",
    "wInductive",
    "wResonant",
    "Undetermined",
    "Unknown",
]


class _In(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What callers send: unknown fields are refused."""


class _Out(Struct, rename="camel", kw_only=True, frozen=True):
    """What callers get."""


class IdTokenDto(_In, frozen=True, kw_only=True):
    """An IdTokenType; compared without case, together with its type."""

    id_token: TokenText
    type: IdTokenKind


class ReservationCreate(_In, frozen=True, kw_only=True):
    """A reservation to make. Neither evseId nor connectorType: any EVSE of the station."""

    station_id: StationName
    id_token: IdTokenDto
    expiry_date_time: Time
    evse_id: EvseNumber | None = None
    connector_type: ConnectorKind | None = None
    group_id_token: IdTokenDto | None = None
    force: bool = False
    driver_link: bool = False
    notify: Addresses = []


class ReservationPatch(_In, frozen=True, kw_only=True):
    """New terms under the same id (H01.FR.02). What is left out stays."""

    expiry_date_time: Time | UnsetType = UNSET
    evse_id: EvseNumber | UnsetType | None = UNSET
    connector_type: ConnectorKind | UnsetType | None = UNSET
    id_token: IdTokenDto | UnsetType = UNSET
    group_id_token: IdTokenDto | UnsetType | None = UNSET


class StatusInfoDto(_Out, frozen=True, kw_only=True):
    """The station's own words beside a status."""

    reason_code: str
    additional_info: str | None = None


class TermsDto(_Out, frozen=True, kw_only=True):
    """Terms that wait for the station's answer."""

    evse_id: int | None
    connector_type: str | None
    id_token: IdTokenDto
    group_id_token: IdTokenDto | None
    expiry_date_time: Stamp


class ReservationDto(_Out, frozen=True, kw_only=True):
    """A reservation. ``id`` is the OCPP reservation id."""

    id: int
    station_id: str
    evse_id: int | None
    connector_type: str | None
    id_token: IdTokenDto
    group_id_token: IdTokenDto | None
    expiry_date_time: Stamp
    status: State
    ocpp_status: str | None
    status_info: StatusInfoDto | None
    cause: str | None
    transaction_id: str | None
    used_evse_id: int | None
    used_by: IdTokenDto | None
    proven: bool
    token_mismatch: bool
    confirmed: bool
    replacement: TermsDto | None
    cancel_requested_at: Stamp | None
    created_at: Stamp
    updated_at: Stamp
    version: int
    driver_link: str | UnsetType = UNSET


class FrameDto(_Out, frozen=True, kw_only=True):
    """One OCPP-J frame, tokens masked: its JSON array, or its text where it is none. ``sender`` is CS or CSMS."""

    sender: str
    at: Stamp
    frame: msgspec.Raw


class TransitionDto(_Out, frozen=True, kw_only=True):
    """One history row. ``from`` is null where the reservation began."""

    from_: State | None = msgspec.field(name="from")
    to: State
    fact: str
    cause: str | None
    by: By
    frames: list[FrameDto]
    at: Stamp
    status_info: StatusInfoDto | None = None
    anomaly: bool = False


class ConnectorDto(_Out, frozen=True, kw_only=True):
    """One connector; ``status`` and ``since`` (the station's stamp) are null until it was first reported."""

    id: int
    status: str | None
    type: str | None
    since: Stamp | None


class EvseDto(_Out, frozen=True, kw_only=True):
    """One EVSE."""

    id: int
    connectors: list[ConnectorDto]


class CapabilitiesDto(_Out, frozen=True, kw_only=True):
    """ReservationCtrlr as the station told it; null is unknown, never No."""

    available: bool | None
    enabled: bool | None
    non_evse_specific: bool | None


class CapabilitiesPut(_In, frozen=True, kw_only=True):
    """ReservationCtrlr.Enabled as it shall be."""

    enabled: bool


class ActionDto(_Out, frozen=True, kw_only=True):
    """An action that an operator may send, and the JSON Schema of its payload."""

    action: str
    schema: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]


class LocationDto(_In, frozen=True, kw_only=True):
    """Where a station stands; degrees, WGS 84."""

    name: Annotated[str, Meta(max_length=200, examples=["Harbour car park"])]
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None


class StationDto(_Out, frozen=True, kw_only=True):
    """A Charging Station. ``online`` means that it can be asked now."""

    id: str
    online: bool
    last_seen: Stamp | None
    ocpp_version: str | None
    vendor_name: str | None
    model: str | None
    firmware_version: str | None
    serial_number: str | None
    registration: Registration
    security_profile: int | None
    restore_after_boot: bool
    location: LocationDto | None
    reservations: CapabilitiesDto
    evses: list[EvseDto]
    password: str | UnsetType = UNSET


class StationPut(_In, frozen=True, kw_only=True):
    """What is provisioned of a station. What is left out stays; a new station's password is made."""

    password: (
        Annotated[str, Meta(pattern=r"^[\x20-\x7e]{16,64}\Z", examples=["a-password-of-16-to-64"])] | UnsetType
    ) = UNSET
    security_profile: Annotated[int, Meta(ge=0, le=3)] | UnsetType | None = UNSET
    serial_number: Annotated[str, Meta(max_length=50)] | UnsetType | None = UNSET
    registration: Registration | UnsetType = UNSET
    restore_after_boot: bool | UnsetType = UNSET
    location: LocationDto | UnsetType | None = UNSET


class MessageDto(_Out, frozen=True, kw_only=True):
    """One recent frame. ``direction``: in is from the station."""

    number: int
    at: Stamp
    direction: Literal["in", "out"]
    frame: msgspec.Raw


class CallResultDto(_Out, frozen=True, kw_only=True):
    """The station's CALLRESULT payload, as it came."""

    result: msgspec.Raw


class TokenPut(_In, frozen=True, kw_only=True):
    """What Authorize says of a token. What is left out stays."""

    status: TokenStatus
    group_id_token: IdTokenDto | UnsetType | None = UNSET
    cache_expiry_date_time: Time | UnsetType | None = UNSET
    personal_message: Annotated[str, Meta(max_length=512)] | UnsetType | None = UNSET
    notify: Addresses | UnsetType = UNSET


class TokenDto(_Out, frozen=True, kw_only=True):
    """A registered IdToken."""

    id_token: str
    type: str
    status: TokenStatus
    group_id_token: IdTokenDto | None
    cache_expiry_date_time: Stamp | None
    personal_message: str | None


class KeyCreate(_In, frozen=True, kw_only=True):
    """An API key to make. ``idTokens`` are for drivers' keys, and needed there."""

    role: Role
    name: Annotated[str, Meta(min_length=1, max_length=100, examples=["the driver app"])] | UnsetType = UNSET
    id_tokens: list[IdTokenDto] = []
    expires_at: Time | None = None


class KeyDto(_Out, frozen=True, kw_only=True):
    """An API key; ``key`` itself is there once, when it was made."""

    id: int
    name: str
    role: Role
    id_tokens: list[IdTokenDto]
    created_at: Stamp
    expires_at: Stamp | None
    revoked_at: Stamp | None
    last_used_at: Stamp | None
    key: str | UnsetType = UNSET


class SessionCreate(_In, frozen=True, kw_only=True):
    """Who signs in."""

    key: Annotated[str, Meta(min_length=1, max_length=200, examples=["evh_..."])]


class SessionDto(_Out, frozen=True, kw_only=True):
    """Whose session it is; ``csrf`` goes into X-CSRF-Token wherever the cookie alone speaks for a change."""

    role: Role
    name: str
    csrf: str
    version: str


class ReservationsWanted(Struct, rename="camel", kw_only=True, frozen=True):
    """Which reservations. ``from`` and ``to`` bound the time of creation; ``status`` may repeat or be a list with commas."""

    station_id: StationName | None = None
    status: list[State] = []
    id_token: str | None = None
    evse_id: EvseNumber | None = None
    from_: Time | None = msgspec.field(name="from", default=None)
    to: Time | None = None


class ReservationQuery(ReservationsWanted, rename="camel", kw_only=True, frozen=True):
    """A part of them."""

    limit: Limit = 100
    cursor: str | None = None


class ListQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """A part of a list; without a limit, all of it."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    cursor: str | None = None


class MessageQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """The newest frames, or those before the cursor; with ``after`` only those with a higher number."""

    limit: Limit = 100
    cursor: str | None = None
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class CallQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """``force``: also when live reservations would end."""

    force: bool = False


class EventQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """Only these events; ``name`` may end in ``*``, repeat, or be a list with commas; ``idToken``: only its reservations'."""

    station_id: StationName | None = None
    id_token: str | None = None
    name: list[str] = []


class ReservationEventDto(_Out, frozen=True, kw_only=True):
    """The data of ``reservation.*``."""

    reservation: ReservationDto
    cause: str | None
    at: Stamp


class ConnectorEventDto(_Out, frozen=True, kw_only=True):
    """The data of ``connector.status``; ``since`` is the station's stamp."""

    station_id: str
    evse_id: int
    connector_id: int
    status: str
    type: str | None
    since: Stamp
    at: Stamp


class OrderEventDto(_Out, frozen=True, kw_only=True):
    """The data of ``order.due``: an order waits to be sent, not before then, or was dropped. Told to who asks for the name."""

    station_id: str
    reservation_id: int
    not_before: Stamp
    at: Stamp


class StationEventDto(_Out, frozen=True, kw_only=True):
    """The data of ``station.online`` and ``station.offline``."""

    station_id: str
    online: bool
    at: Stamp
