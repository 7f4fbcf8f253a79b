"""messages: every message of OCPP 2.0.1, held against the official schemas with an independent validator."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from evhold.ocpp.v201.datatypes import CustomDataType
from evhold.ocpp.v201.messages import ACTIONS, DataTransferRequest, ReserveNowRequest, decode, encode

Json = Any
Schema = dict[str, Any]

MESSAGES = {
    f"{action}{kind}": struct
    for action, pair in ACTIONS.items()
    for kind, struct in zip(("Request", "Response"), pair, strict=True)
}
INTEGERS = (-(2**31), -1, 0, 1, 2**31 - 1)
WRONG_TYPES: tuple[Json, ...] = (None, True, 7, -7.25, "text", [], {}, [None], {"text": "text"})

# Where we and the schemas differ, on purpose: name, message, changed fields, what the schema says, what we say, why.
DIFFERENCES: tuple[tuple[str, str, str, bool, bool, str], ...] = (
    (
        "an integer written 1.0",
        "ReserveNowRequest",
        '"id":1.0',
        True,
        False,
        "OCPP's integer has no decimal point; to JSON Schema the value alone counts",
    ),
    (
        "a number beyond a double",
        "CostUpdatedRequest",
        f'"totalCost":1{"0" * 400}',
        True,
        False,
        "no amount of anything is that large, and no float holds it",
    ),
    (
        "a date-time without a zone",
        "ReserveNowRequest",
        '"expiryDateTime":"2026-01-02T03:04:05"',
        False,
        True,
        "stations send it; it is taken as UTC",
    ),
    (
        "a zone without a colon",
        "ReserveNowRequest",
        '"expiryDateTime":"2026-01-02T03:04:05+0100"',
        False,
        True,
        "ISO 8601's basic form means one thing only",
    ),
    (
        "a leap second",
        "ReserveNowRequest",
        '"expiryDateTime":"2016-12-31T23:59:60Z"',
        True,
        False,
        "Python's datetime has none; the next is not before 2035, if ever",
    ),
    (
        "the year 0",
        "ReserveNowRequest",
        '"expiryDateTime":"0000-01-01T00:00:00Z"',
        True,
        False,
        "Python's datetime begins with the year 1",
    ),
)


@cache
def schema_of(name: str) -> Schema:
    """Return the official schema of a message."""
    text = (files("ocpp") / "v201" / "schemas" / f"{name}.json").read_text("utf-8-sig")
    schema: Schema = json.loads(text)
    return schema


@cache
def oracle(name: str) -> Any:
    """Return the independent validator of a message."""
    return jsonschema_rs.validator_for(schema_of(name), validate_formats=True)


def is_taken(name: str, text: str) -> bool:
    """Return whether our Struct takes the text."""
    try:
        decode(text.encode(), MESSAGES[name])
    except msgspec.DecodeError:
        return False
    return True


class Examples:
    """Makes valid values from one schema, and broken ones from valid ones."""

    def __init__(self, schema: Schema, *, seed: str) -> None:
        self.schema = schema
        self.random = Random(seed)

    def resolve(self, node: Schema) -> Schema:
        """Return the node itself, or the definition that it refers to."""
        reference = node.get("$ref")
        return self.schema["definitions"][reference.rpartition("/")[2]] if reference else node

    def value(self, node: Schema, *, share: float) -> Json:
        """Return a valid value; of its optional properties roughly the given share is there."""
        node = self.resolve(node)
        match node.get("type"):
            case "object":
                return self._object(node, share)
            case "array":
                few = node.get("minItems", 0)
                return [self.value(node["items"], share=share) for _ in range(max(few, self.random.randint(1, 2)))]
            case "string":
                return self._string(node)
            case "boolean":
                return self.random.random() < 0.5
            case "integer":
                return self.random.choice([n for n in INTEGERS if _is_within(node, n)])
            case "number":
                return self.random.choice([n for n in (-1e9, -0.125, 0, 1, 3.5, 1e300) if _is_within(node, n)])
        return self.random.choice([None, 1, "text", [1, {"a": None}]])

    def _object(self, node: Schema, share: float) -> Json:
        required = node.get("required", ())
        found = {
            name: self.value(part, share=share)
            for name, part in node.get("properties", {}).items()
            if name in required or self.random.random() < share
        }
        return found if "additionalProperties" in node else {**found, "anything": [1, {"a": None}]}

    def _string(self, node: Schema) -> str:
        if "enum" in node:
            return str(self.random.choice(node["enum"]))
        if node.get("format") == "date-time":
            return f"20{self.random.randint(10, 99)}-02-03T04:05:06.{self.random.randint(0, 999):03}Z"
        length: int = self.random.choice([0, 1, node.get("maxLength", 9)])
        return self.random.choice("xä€😀") * length

    def broken(self, node: Schema, value: Json) -> Iterator[Json]:
        """Yield variants of a valid value, each changed at one place; most of them are invalid."""
        node = self.resolve(node)
        yield from WRONG_TYPES
        match node.get("type"):
            case "object":
                yield from self._broken_objects(node, value)
            case "array":
                yield from self._broken_arrays(node, value)
            case "string":
                yield from _broken_strings(node, value)
            case "integer" | "number":
                yield from (node.get("minimum", 0) - 1, node.get("maximum", 2**31) + 1, 2**63, -(2**63) - 1, 10**30)

    def _broken_objects(self, node: Schema, value: Json) -> Iterator[Json]:
        yield {**value, "unknownProperty": 1}
        for name, part in node.get("properties", {}).items():
            if name in value:
                yield {key: item for key, item in value.items() if key != name}
                yield {key.upper() if key == name else key: item for key, item in value.items()}
                for variant in self.broken(part, value[name]):
                    yield {**value, name: variant}

    def _broken_arrays(self, node: Schema, value: Json) -> Iterator[Json]:
        most = node.get("maxItems", 20)
        yield from (value[:1] * most, value[:1] * (most + 1), value[: node.get("minItems", 1) - 1])
        for variant in self.broken(node["items"], value[0]):
            yield [variant, *value[1:]]


def _is_within(node: Schema, number: float) -> bool:
    return bool(node.get("minimum", number) <= number <= node.get("maximum", number))


def _broken_strings(node: Schema, value: str) -> Iterator[str]:
    yield from ("", value.swapcase(), f"{value} ", "x" * (node.get("maxLength", 99) + 1))
    if "maxLength" in node:
        # Length is counted in characters: neither in bytes nor in UTF-16 units.
        yield from ("😀" * node["maxLength"], "😀" * (node["maxLength"] + 1))
    if "format" in node:
        yield from ("2026-01-02", "2026-02-30T00:00:00Z", "2026-01-02T03:04:05.123456+05:30")


@pytest.mark.parametrize("name", MESSAGES)
def test_what_the_schema_takes_we_take(name: str) -> None:
    """Every valid message is read, and written again it is valid and says the same."""
    examples = Examples(schema_of(name), seed=name)
    for share in (0.0, 1.0, *[0.5] * 8):
        message = examples.value(examples.schema, share=share)
        assert oracle(name).is_valid(message), message
        again = json.loads(encode(decode(json.dumps(message).encode(), MESSAGES[name])))
        assert message == again
        assert oracle(name).is_valid(again)


@pytest.mark.parametrize("name", MESSAGES)
def test_what_the_schema_refuses_we_refuse(name: str) -> None:
    """For a message changed at any one place, schema and Struct come to the same verdict."""
    examples = Examples(schema_of(name), seed=name)
    whole = examples.value(examples.schema, share=1.0)
    verdicts = set()
    for message in examples.broken(examples.schema, whole):
        verdict = oracle(name).is_valid(message)
        assert verdict == is_taken(name, json.dumps(message)), message
        verdicts.add(verdict)
    assert verdicts == {True, False}


@pytest.mark.parametrize(
    ("name", "change", "schema_says", "we_say"),
    [row[1:5] for row in DIFFERENCES],
    ids=[row[0].replace(" ", "-") for row in DIFFERENCES],
)
def test_the_known_differences_are_as_listed(name: str, change: str, schema_says: bool, we_say: bool) -> None:
    """Each difference between the schemas and us is still there; one that has gone leaves the list."""
    examples = Examples(schema_of(name), seed="difference")
    message = examples.value(examples.schema, share=0.0)
    # The last of two equal names counts, for both readers.
    text = f"{json.dumps(message)[:-1]}, {change}}}"
    assert (schema_says, we_say) == (oracle(name).is_valid(json.loads(text)), is_taken(name, text))


def test_every_schema_has_its_struct() -> None:
    """The 64 actions are exactly those that have a schema."""
    names = {path.name for path in (files("ocpp") / "v201" / "schemas").iterdir()}
    assert {f"{name}.json" for name in MESSAGES} == names
    assert len(ACTIONS) == 64


def test_custom_data_is_kept() -> None:
    """What a vendor adds comes back unchanged, and must name its vendor."""
    text = b'{"vendorId":"v","customData":{"vendorId":"v","deep":{"list":[1,2.5,null]}}}'
    request = decode(text, DataTransferRequest)
    assert isinstance(request.custom_data, CustomDataType)
    assert json.loads(text) == json.loads(encode(request))


@pytest.mark.parametrize("content", [{}, {"vendorId": 5}, {"vendorId": "x" * 256}, 5])
def test_custom_data_without_its_vendor_is_refused(content: Any) -> None:
    """Built by hand, customData obeys the same rule as on the wire."""
    with pytest.raises((ValueError, TypeError)):
        CustomDataType(content)


def test_a_message_is_built_by_name() -> None:
    """A message is built from the specification's names in Python's spelling, and written in its own."""
    request = decode(
        b'{"id":7,"expiryDateTime":"2026-01-02T03:04:05Z","idToken":{"idToken":"AB","type":"ISO14443"},"evseId":1}',
        ReserveNowRequest,
    )
    expected = (7, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "AB", 1)
    assert expected == (request.id, request.expiry_date_time, request.id_token.id_token, request.evse_id)
    assert request.group_id_token is msgspec.UNSET
