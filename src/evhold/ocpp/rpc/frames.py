"""The three frames of OCPP-J: text in, typed frames out, and back."""

import re
from contextlib import suppress
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from evhold.ocpp.rpc.errors import FormatViolation, MessageTypeNotSupported, RpcError, RpcFrameworkError

CALL = 2
CALLRESULT = 3
CALLERROR = 4
MAX_MESSAGE_ID = 36
NO_MESSAGE_ID = "-1"

Text: TypeAlias = bytes | bytearray | memoryview | str
_MessageId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_MESSAGE_ID)]


class Call(Struct, array_like=True, tag=CALL, forbid_unknown_fields=True, frozen=True, gc=False):
    """A request: `[2, messageId, action, payload]`."""

    message_id: _MessageId
    action: str
    payload: Raw


class Result(Struct, array_like=True, tag=CALLRESULT, forbid_unknown_fields=True, frozen=True, gc=False):
    """The answer to a CALL: `[3, messageId, payload]`."""

    message_id: _MessageId
    payload: Raw


class Error(Struct, array_like=True, tag=CALLERROR, forbid_unknown_fields=True, frozen=True, gc=False):
    """The refusal of a CALL: `[4, messageId, code, description, details]`; a peer may leave out the last two."""

    message_id: _MessageId
    code: str
    description: str = ""
    details: Raw = Raw(b"{}")


class AnswerUnreadable(RpcFrameworkError):
    """A CALLRESULT or CALLERROR that breaks the frame. OCPP-J has no answer to it: none is sent."""


_decoder: msgspec.json.Decoder[Call | Result | Error] = msgspec.json.Decoder(Call | Result | Error)
_parts = msgspec.json.Decoder(list[Raw])
_kind_decoder = msgspec.json.Decoder(int)
_id_decoder: msgspec.json.Decoder[str] = msgspec.json.Decoder(_MessageId)
_encoder = msgspec.json.Encoder()
# What can be read of a frame whose text is broken further on: [type, "id" and, of a CALL, the action.
# An id that holds the stand-in for broken UTF-8, or half a character, has not been read.
_OPENING = re.compile(
    rf'\s*\[\s*(?P<type>\d{{1,9}})\s*,\s*"(?P<id>[^"\\\ud800-\udfff\ufffd]{{1,{MAX_MESSAGE_ID}}})"\s*(?P<action>,\s*"[^"\\]*"\s*,)?'
)


def parse(text: Text) -> Call | Result | Error:
    """Return the frame that the text of one WebSocket message holds.

    The text is copied once: the frame's payload stays valid when the receive buffer is used again. Of a payload it is
    known that it is well-formed JSON, and nothing more.

    Raises:
        AnswerUnreadable: A broken CALLRESULT or CALLERROR.
        RpcError: Anything else that is no frame: RpcFrameworkError, MessageTypeNotSupported, or FormatViolation when
            only the payload is broken. Its `message_id` is "-1" where none can be read.
    """
    try:
        return _decoder.decode(text if isinstance(text, str) else str(text, "utf-8"))
    except UnicodeError as error:
        raise _diagnose_opening(_readable(text)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _diagnose(_readable(text)) from error


def encode_call(message_id: str, action: str, payload: bytes) -> bytes:
    """Return the compact JSON text of a CALL; `payload` is JSON already."""
    return _encoder.encode(Call(message_id, action, Raw(payload)))


def encode_result(message_id: str, payload: bytes) -> bytes:
    """Return the compact JSON text of a CALLRESULT; `payload` is JSON already."""
    return _encoder.encode(Result(message_id, Raw(payload)))


def encode_error(message_id: str, error: RpcError) -> bytes:
    """Return the compact JSON text of a CALLERROR that answers `message_id` with `error`."""
    details = Raw(_encoder.encode(error.details))
    return _encoder.encode(Error(message_id, error.code, error.description, details))


def _readable(text: Text) -> str:
    return text if isinstance(text, str) else str(text, "utf-8", "replace")


def _diagnose(readable: str) -> RpcError:
    """Return what is wrong with a text that `parse` could not read; the slow way, taken for faults alone."""
    try:
        parts = _parts.decode(readable)
    except (msgspec.DecodeError, RecursionError):
        return _diagnose_opening(readable)
    kind, message_id = _read_opening(parts)
    if kind is None:
        return RpcFrameworkError("no message type number", message_id=message_id)
    if kind not in (CALL, CALLRESULT, CALLERROR):
        return MessageTypeNotSupported("unknown message type number", message_id=message_id)
    if message_id == NO_MESSAGE_ID:
        return _broken(kind, f"the message id is no text of 1 to {MAX_MESSAGE_ID} characters", message_id=message_id)
    return _broken(kind, "not as many or not such elements as this message type has", message_id=message_id)


def _diagnose_opening(readable: str) -> RpcError:
    opening = _OPENING.match(readable)
    if opening is None:
        return RpcFrameworkError("no well-formed JSON array in UTF-8", message_id=NO_MESSAGE_ID)
    kind, message_id = int(opening["type"]), opening["id"]
    if kind == CALL and opening["action"]:
        return FormatViolation("the payload is not well-formed JSON in UTF-8", message_id=message_id)
    if kind in (CALL, CALLRESULT, CALLERROR):
        return _broken(kind, "no well-formed JSON array in UTF-8", message_id=message_id)
    return MessageTypeNotSupported("unknown message type number", message_id=message_id)


def _broken(kind: int, description: str, *, message_id: str) -> RpcError:
    fault = RpcFrameworkError if kind == CALL else AnswerUnreadable
    return fault(description, message_id=message_id)


def _read_opening(parts: list[Raw]) -> tuple[int | None, str]:
    kind, message_id = None, NO_MESSAGE_ID
    with suppress(msgspec.DecodeError, IndexError):
        kind = _kind_decoder.decode(parts[0])
    with suppress(msgspec.DecodeError, IndexError):
        message_id = _id_decoder.decode(parts[1])
    return kind, message_id
