"""Between OCPP 2.0.1's structs and the domain's values.

House rules
- A date-time without a zone is UTC. Unset is None.
- EVSE and connector 0 mean the whole station (or EVSE), so they name none.
- A number beyond OCPP's 32 bits is refused before it reaches a use case.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from evhold.domain.authorization import TokenInfo
from evhold.domain.transaction import Event
from evhold.domain.values import (
    MAX_RESERVATION_ID,
    ConnectorId,
    EvseId,
    Frame,
    Heard,
    IdToken,
    ReservationId,
    StationId,
    StatusInfo,
    Terms,
    TransactionId,
)
from evhold.ocpp.masking import mask
from evhold.ocpp.router import Context, Route
from evhold.ocpp.rpc import frames
from evhold.ocpp.rpc.errors import PropertyConstraintViolation
from evhold.ocpp.rpc.payload import reader
from evhold.ocpp.v201.datatypes import (
    AuthorizationStatusEnumType,
    ConnectorEnumType,
    EVSEType,
    IdTokenEnumType,
    IdTokenInfoType,
    IdTokenType,
    MessageContentType,
    MeterValueType,
    SampledValueType,
    StatusInfoType,
)
from evhold.ocpp.v201.messages import ACTIONS, ReserveNowRequest, TransactionEventRequest, decode, encode
from evhold.usecases.ports import CallAnswer, CallFailed, CallResult, Connected, NeverSent, NoAnswer

STATION: Final = "CS"
CSMS: Final = "CSMS"
NOTHING: Final = b"{}"

_MAX_INTEGER: Final = 2**31 - 1
_ENERGY: Final = "Energy.Active.Import.Register"
_LARGEST_MULTIPLIER: Final = 12
_LONGEST_MESSAGE: Final = 512

T = TypeVar("T")
Q = TypeVar("Q", bound=Struct)
A = TypeVar("A", bound=Struct)


# --- routes


def route(action: str, handle: Callable[[Q, Context], object]) -> Route[Q, object]:
    """Return the route of an action: its Struct in, and a Struct out, or None for the empty answer."""
    kind = cast(type[Q], ACTIONS[action][0])
    return Route(decode=reader(kind), handle=handle, encode=_encode)


def _encode(answer: object) -> bytes:
    return encode(answer) if isinstance(answer, Struct) else NOTHING


class StatusReport(Protocol):
    """`g01_connector_status.report`, bound; two blocks bring statuses. None: nothing to store, answer at once."""

    def __call__(
        self, status: str, /, *, evse_id: int, connector_id: int, stamp: datetime, connected: Connected, at: datetime
    ) -> Awaitable[None] | None: ...


# --- from the station


def known(value: T | UnsetType) -> T | None:
    """Return the field's value; None where it was left out."""
    return None if isinstance(value, UnsetType) else value


def utc(stamp: datetime) -> datetime:
    """Return the station's stamp as aware UTC.

    Raises:
        PropertyConstraintViolation: It lies outside of the years 1 to 9999.
    """
    if stamp.tzinfo is UTC:
        return stamp
    if stamp.tzinfo is None:
        return stamp.replace(tzinfo=UTC)
    try:
        return stamp.astimezone(UTC)
    except OverflowError as error:
        raise PropertyConstraintViolation("a date and time is out of range") from error


def integer(value: int, *, field: str) -> int:
    """Return the number, which OCPP's integer can hold.

    Raises:
        PropertyConstraintViolation: It needs more than 32 bits.
    """
    if not -_MAX_INTEGER - 1 <= value <= _MAX_INTEGER:
        raise PropertyConstraintViolation(f"{field} is out of range", details={"field": field})
    return value


def evse(wire: EVSEType | UnsetType) -> tuple[EvseId | None, ConnectorId | None]:
    """Return the EVSE and the connector that are named; 0 and negative numbers name none."""
    if isinstance(wire, UnsetType):
        return None, None
    evse_id = integer(wire.id, field="evse.id")
    connector_id = 0 if wire.connector_id is UNSET else integer(wire.connector_id, field="evse.connectorId")
    return EvseId(evse_id) if evse_id > 0 else None, ConnectorId(connector_id) if connector_id > 0 else None


def id_token(wire: IdTokenType) -> IdToken:
    """Return the token; its additional info is not kept."""
    return IdToken(wire.id_token, wire.type)


def status_info(wire: StatusInfoType | UnsetType) -> StatusInfo | None:
    """Return the station's own words beside a status."""
    if isinstance(wire, UnsetType):
        return None
    return StatusInfo(wire.reason_code, known(wire.additional_info))


def reservation_id(wire: int | UnsetType) -> ReservationId | None:
    """Return the id; None for those that no reservation of ours can have (stations send 0 and -1 for "none")."""
    if isinstance(wire, UnsetType) or not 1 <= wire <= MAX_RESERVATION_ID:
        return None
    return ReservationId(wire)


def event(request: TransactionEventRequest, *, station_id: StationId) -> Event:
    """Return the TransactionEvent without its meter samples, but for the last energy reading.

    Raises:
        PropertyConstraintViolation: A number or the stamp is out of range.
    """
    transaction = request.transaction_info
    evse_id, connector_id = evse(request.evse)
    remote_start_id = known(transaction.remote_start_id)
    return Event(
        station_id=station_id,
        transaction_id=TransactionId(transaction.transaction_id),
        type=request.event_type,
        stamp=utc(request.timestamp),
        seq_no=integer(request.seq_no, field="seqNo"),
        trigger=request.trigger_reason,
        offline=bool(known(request.offline)),
        evse_id=evse_id,
        connector_id=connector_id,
        id_token=None if request.id_token is UNSET else id_token(request.id_token),
        reservation_id=reservation_id(request.reservation_id),
        charging_state=known(transaction.charging_state),
        stopped_reason=known(transaction.stopped_reason),
        remote_start_id=None if remote_start_id is None else integer(remote_start_id, field="remoteStartId"),
        energy_wh=_energy_wh(() if request.meter_value is UNSET else request.meter_value),
    )


def _energy_wh(meter_values: tuple[MeterValueType, ...]) -> float | None:
    """Return the latest reading of the energy register of all phases together, in Wh."""
    readings = [
        (utc(meter_value.timestamp), wh)
        for meter_value in meter_values
        for sample in meter_value.sampled_value
        if (wh := _wh(sample)) is not None
    ]
    # Of equal stamps the later one counts: Transaction.End stands behind Transaction.Begin.
    return sorted(readings, key=lambda reading: reading[0])[-1][1] if readings else None


def _wh(sample: SampledValueType) -> float | None:
    # The schema's defaults: the measurand is this one, the location the outlet, the unit Wh, the multiplier 0.
    if sample.measurand not in (UNSET, _ENERGY) or sample.location not in (UNSET, "Outlet"):
        return None
    if sample.phase is not UNSET:
        return None
    unit, multiplier = "Wh", 0
    if not isinstance(sample.unit_of_measure, UnsetType):
        unit = known(sample.unit_of_measure.unit) or unit
        multiplier = known(sample.unit_of_measure.multiplier) or 0
    if unit not in ("Wh", "kWh") or abs(multiplier) > _LARGEST_MULTIPLIER:
        return None
    return sample.value * 10.0**multiplier * (1000 if unit == "kWh" else 1)


# --- towards the station


def id_token_type(token: IdToken) -> IdTokenType:
    """Return the token as it goes out."""
    return IdTokenType(id_token=token.id_token, type=cast(IdTokenEnumType, token.type))


def id_token_info(info: TokenInfo) -> IdTokenInfoType:
    """Return what a station is told about a token. H03.FR.08: with its group's token, where it has one."""
    message = info.personal_message
    return IdTokenInfoType(
        status=cast(AuthorizationStatusEnumType, info.status),
        group_id_token=UNSET if info.group is None else id_token_type(info.group),
        cache_expiry_date_time=UNSET if info.cache_expiry is None else info.cache_expiry,
        personal_message=UNSET
        if not message
        else MessageContentType(format="UTF8", content=message[:_LONGEST_MESSAGE]),
    )


def reserve_now(terms: Terms, *, reservation_id: ReservationId) -> ReserveNowRequest:
    """Return the ReserveNow of these terms; without an EVSE and a connector type it asks for any EVSE (H01)."""
    return ReserveNowRequest(
        id=reservation_id,
        expiry_date_time=terms.expiry,
        id_token=id_token_type(terms.id_token),
        connector_type=UNSET if terms.connector_type is None else cast(ConnectorEnumType, terms.connector_type),
        evse_id=UNSET if terms.evse_id is None else terms.evse_id,
        group_id_token=UNSET if terms.group_id_token is None else id_token_type(terms.group_id_token),
    )


# --- answers of the station


def answer_of(answer: CallAnswer, kind: type[A]) -> A | CallFailed | NoAnswer | NeverSent:
    """Return the station's answer as its Struct; one that breaks the schema says nothing, so it is no answer."""
    if not isinstance(answer, CallResult):
        return answer
    try:
        return decode(answer.payload, kind)
    except msgspec.DecodeError:
        return NoAnswer(reason="unreadable-answer")


# --- frames for the history


def heard(context: Context) -> Callable[[], Heard]:
    """Return what makes the `Heard` of the CALL in hand: only where it touches a reservation is its frame masked."""
    call, at = context.call, context.heard_at

    def build() -> Heard:
        if call is None:
            return Heard(at=at)
        return Heard(at=at, frames=(call_frame(call.message_id, call.action, call.payload, sender=STATION, at=at),))

    return build


def call_frame(message_id: str, action: str, payload: bytes | Raw, *, sender: str, at: datetime) -> Frame:
    """Return a CALL as the history keeps it, tokens masked."""
    return Frame(sender, at, mask(frames.encode_call(message_id, action, bytes(payload))))


def answer_frame(message_id: str, answer: CallResult | CallFailed, *, at: datetime) -> Frame:
    """Return a station's CALLRESULT or CALLERROR as the history keeps it, tokens masked."""
    if isinstance(answer, CallResult):
        return Frame(STATION, at, mask(frames.encode_result(message_id, answer.payload)))
    error = frames.Error(message_id, answer.code, answer.description, Raw(answer.details))
    return Frame(STATION, at, mask(msgspec.json.encode(error)))
