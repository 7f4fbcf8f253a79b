"""payload: Structs to JSON and back."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from msgspec import UNSET, Raw, Struct, UnsetType

from evhold.ocpp.rpc.payload import decode, encode


class Moment(Struct, forbid_unknown_fields=True):
    """A date-time, and a place for another."""

    at: datetime
    then: datetime | UnsetType = UNSET


class Plan(Struct, forbid_unknown_fields=True):
    """Date-times at every depth."""

    first: Moment
    more: tuple[Moment, ...] = ()
    name: str = ""


class Token:
    """A type that msgspec does not know: made from a text that is not empty."""

    def __init__(self, value: object) -> None:
        if not value:
            raise ValueError("Expected `str` of length >= 1")
        self.value = value


class Holder(Struct):
    """Something with a Token."""

    token: Token


class Chain(Struct, forbid_unknown_fields=True):
    """An object that nests without end."""

    next: "Chain | None" = None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000Z"),  # noqa: DTZ001 - a naive one is what is shown
    ],
)
def test_a_date_time_goes_out_in_utc_with_three_decimals(moment: datetime, text: str) -> None:
    """Whatever its zone and its microseconds, a date-time ends in Z and is cut to milliseconds."""
    assert encode(Moment(moment)) == f'{{"at":"{text}"}}'.encode()


def test_date_times_are_found_at_every_depth() -> None:
    """Nested Structs and lists of them are written like the top."""
    moment = Moment(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    inner = b'{"at":"2026-01-02T00:00:00.000Z","then":"2026-01-03T00:00:00.000Z"}'
    assert encode(Plan(moment, (moment,))) == b'{"first":' + inner + b',"more":[' + inner + b'],"name":""}'


def test_encoding_changes_nothing() -> None:
    """The Struct that is encoded keeps its own date-times."""
    moment = Moment(datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC))
    encode(moment)
    assert moment.at.microsecond == 678_999


def test_what_was_written_is_read() -> None:
    """A payload comes back from bytes and from a frame's Raw alike."""
    moment = Moment(datetime(2026, 1, 2, tzinfo=UTC))
    assert moment == decode(encode(moment), Moment) == decode(Raw(encode(moment)), Moment)


def test_a_class_of_its_own_is_built_and_checks_its_value() -> None:
    """A type that msgspec does not know is made by its constructor, whose refusal is a ValidationError."""
    assert decode(b'{"token":"x"}', Holder).token.value == "x"
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"token":""}', Holder)


@pytest.mark.parametrize("payload", [b'{"name":"\xff"}', b'{"next":' * 100_000, b"{"])
def test_every_unreadable_payload_is_one_kind_of_error(payload: bytes) -> None:
    """Broken UTF-8, endless nesting and truncation all raise DecodeError."""
    kind: type[Struct] = Plan if b"name" in payload else Chain
    with pytest.raises(msgspec.DecodeError):
        decode(payload, kind)
