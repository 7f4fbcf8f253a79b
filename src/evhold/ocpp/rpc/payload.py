"""Payloads: typed Structs to JSON and back, for every version of OCPP."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Final, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Raw, Struct

S = TypeVar("S", bound=Struct)

_encoder = msgspec.json.Encoder()
_LENGTH_WITHOUT_FRACTION: Final = 22


def decode(payload: bytes | Raw, kind: type[S]) -> S:
    """Return the payload as a `kind`, every constraint of its schema checked.

    Raises:
        msgspec.DecodeError: It is no JSON, or (a ValidationError) breaks the schema; see `errors.from_validation`.
    """
    try:
        decoded: S = _decoder(kind).decode(payload)
    except UnicodeError as error:
        raise msgspec.DecodeError("broken UTF-8") from error
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error
    return decoded


def encode(payload: Struct) -> bytes:
    """Return the payload as compact JSON: UNSET fields left out, date-times in UTC with Z and three decimals.

    Lengths and bounds are not checked again; a naive date-time is taken as UTC.
    """
    return _encoder.encode(_in_wire_time(payload))


def wire_time(at: datetime) -> str:
    """Return the date-time as OCPP writes it: in UTC, with three decimals and a Z. A naive one is taken as UTC."""
    if at.tzinfo is not UTC:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    # "2026-03-01T12:00:00.123456Z" with its quotes, or without a fraction. Several times as fast as isoformat().
    text = _encoder.encode(at).decode()
    return f"{text[1:24]}Z" if len(text) > _LENGTH_WITHOUT_FRACTION else f"{text[1:20]}.000Z"


def reader(kind: type[S]) -> Callable[[bytes | Raw], S]:
    """Return what decodes payloads of this kind, with nothing in between.

    It raises, beside msgspec.DecodeError, UnicodeError for broken UTF-8 and RecursionError for one nested too deeply.
    """
    return _decoder(kind).decode


@cache
def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind, dec_hook=_build)


def _build(kind: type, value: object) -> object:
    """Build what msgspec does not know itself (customData): its class checks the value, by ValueError or TypeError."""
    return kind(value)


def _in_wire_time(value: object) -> object:
    """Return the value with every date-time in it as OCPP writes them; the same object where there is none."""
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, tuple | list):
        return [_in_wire_time(item) for item in value]
    if isinstance(value, Struct):
        changed = {
            name: made
            for name in _timed_fields(type(value))
            if (made := _in_wire_time(known := getattr(value, name))) is not known
        }
        return msgspec.structs.replace(value, **changed) if changed else value
    return value


@cache
def _timed_fields(kind: type[Struct]) -> tuple[str, ...]:
    """Return the names of the fields that are, or contain, date-times."""
    return tuple(name for name, hint in get_type_hints(kind).items() if _is_timed(hint))


def _is_timed(hint: object) -> bool:
    if hint is datetime:
        return True
    if isinstance(hint, type) and issubclass(hint, Struct):
        return bool(_timed_fields(hint))
    return any(_is_timed(part) for part in get_args(hint))
