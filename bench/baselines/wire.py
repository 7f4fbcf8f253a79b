"""What the bare servers read and write: the payloads that count here, checked by msgspec, and the answers to them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Name = Annotated[str, Meta(max_length=36)]


class Call(Struct, array_like=True, tag=2, frozen=True, gc=False):
    """`[2, messageId, action, payload]`."""

    message_id: Name
    action: str
    payload: Raw


class Status(Struct, frozen=True, gc=False):
    """StatusNotification."""

    timestamp: datetime
    connector_status: str = msgspec.field(name="connectorStatus")
    evse_id: int = msgspec.field(name="evseId")
    connector_id: int = msgspec.field(name="connectorId")


class IdToken(Struct, frozen=True, gc=False):
    """IdTokenType."""

    id_token: Name = msgspec.field(name="idToken")
    type: str


class Authorize(Struct, frozen=True, gc=False):
    """Authorize."""

    id_token: IdToken = msgspec.field(name="idToken")


class Sampled(Struct, frozen=True, gc=False):
    """SampledValueType."""

    value: float
    measurand: str | UnsetType = UNSET
    phase: str | UnsetType = UNSET
    context: str | UnsetType = UNSET


class Meter(Struct, frozen=True):
    """MeterValueType."""

    timestamp: datetime
    sampled: list[Sampled] = msgspec.field(name="sampledValue")


class TransactionInfo(Struct, frozen=True, gc=False):
    """TransactionType."""

    transaction_id: Name = msgspec.field(name="transactionId")
    charging_state: str | UnsetType = msgspec.field(name="chargingState", default=UNSET)


class Evse(Struct, frozen=True, gc=False):
    """EVSEType."""

    id: int
    connector_id: int | UnsetType = msgspec.field(name="connectorId", default=UNSET)


class TransactionEvent(Struct, frozen=True):
    """TransactionEvent."""

    event_type: str = msgspec.field(name="eventType")
    timestamp: datetime
    trigger_reason: str = msgspec.field(name="triggerReason")
    seq_no: int = msgspec.field(name="seqNo")
    transaction_info: TransactionInfo = msgspec.field(name="transactionInfo")
    evse: Evse | UnsetType = UNSET
    meter_value: list[Meter] | UnsetType = msgspec.field(name="meterValue", default=UNSET)


class Anything(Struct, frozen=True, gc=False):
    """A payload that is not looked at."""


class Now(Struct, frozen=True, gc=False):
    """The answer to Heartbeat."""

    current_time: str = msgspec.field(name="currentTime")


class Booted(Struct, frozen=True, gc=False):
    """The answer to BootNotification."""

    current_time: str = msgspec.field(name="currentTime")
    interval: int
    status: str


class Answer(Struct, array_like=True, tag=3, frozen=True, gc=False):
    """`[3, messageId, payload]`."""

    message_id: str
    payload: Struct | Raw


EMPTY: Final = Raw(b"{}")
_AUTHORIZED: Final = Raw(b'{"idTokenInfo":{"status":"Accepted"}}')
_REQUESTS: Final[dict[str, type[Struct]]] = {
    "BootNotification": Anything,
    "Heartbeat": Anything,
    "StatusNotification": Status,
    "Authorize": Authorize,
    "TransactionEvent": TransactionEvent,
}
_payloads: Final = {action: msgspec.json.Decoder(kind) for action, kind in _REQUESTS.items()}
_calls: Final = msgspec.json.Decoder(Call)
_encode: Final = msgspec.json.Encoder().encode
_ANSWERS: Final[dict[str, Callable[[], Struct | Raw]]] = {
    "BootNotification": lambda: Booted(now(), 300, "Accepted"),
    "Heartbeat": lambda: Now(now()),
    "StatusNotification": lambda: EMPTY,
    "Authorize": lambda: _AUTHORIZED,
    "TransactionEvent": lambda: EMPTY,
}


def now() -> str:
    """The time as OCPP writes it."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def read(frame: bytes) -> tuple[Call, Struct]:
    """The CALL, and its payload checked."""
    call = _calls.decode(frame)
    return call, _payloads[call.action].decode(call.payload)


def answered(call: Call) -> bytes:
    """The CALLRESULT."""
    return _encode(Answer(call.message_id, _ANSWERS[call.action]()))
