"""Inputs for the fuzzer: frames of recorded stations, changed by what their schema says and by what bytes allow."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from evhold.ocpp.v201.messages import ACTIONS

HERE: Final = Path(__file__).resolve().parent
RECORDINGS: Final = HERE.parent / "replay" / "recordings"
FOUND: Final = HERE / "found"

#: Values that have broken somebody's parser before.
ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**31 - 1, -(2**31), 2**53, 2**63, 2**64, -(2**63), 10**40, 0.0, -0.0, 1e308),
    *(
        1.5,
        1e-320,
        "",
        " ",
        "\x00",
        "\ud800",
        "\ufffd",
        "\u202e",
        "a" * 37,
        "a" * 300,
        "A" * 5_000,
        "é" * 20,
        "💥" * 40,
    ),
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"),
    *(
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "not a time",
        "Available",
        "Accepted",
        "true",
        "-1",
        "NaN",
        "null",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        {"": {}},
        {"customData": {}},
        {"vendorId": 1},
        [[[[[[[[[[]]]]]]]]]],
        {"a": {"b": {"c": {}}}},
    ),
)


def recorded() -> list[list[Any]]:
    """Every frame that recorded stations have sent."""
    frames = []
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            if one.get("dir") == "CS->CSMS":
                frames.append(one["frame"])
    return frames


def found() -> list[bytes]:
    """Inputs that broke something once."""
    return [path.read_bytes() for path in sorted(FOUND.glob("*.bin"))]


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of the payload of every action."""

    def hook(kind: type) -> dict[str, Any]:
        return {"type": "object", "properties": {"vendorId": {"type": "string"}}, "required": ["vendorId"]}

    return {action: msgspec.json.schema(shapes[0], schema_hook=hook) for action, shapes in ACTIONS.items()}


class Mutator:
    """Makes inputs without end, the same ones for the same seed.

    Args:
        seed: Of all chance.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._frames = recorded()
        self._schemas = schemas()
        self._actions = sorted(self._schemas)
        self._number = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self.one()

    def one(self) -> bytes:
        """The next input."""
        rng = self._rng
        self._number += 1
        kind = rng.random()
        if kind < 0.35:
            frame = json.loads(json.dumps(rng.choice(self._frames)))
            for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
                frame = self._change(frame)
            frame = self._renumber(frame)
        elif kind < 0.75:
            frame = [2, f"g{self._number}", action := rng.choice(self._actions), self._made(self._schemas[action])]
            if rng.random() < 0.4:
                frame[3] = self._change(frame[3])
        elif kind < 0.85:
            frame = [rng.choice((3, 4, 5, 2, "2", 2.0, -1, None)), self._odd(), self._odd(), self._odd(), self._odd()]
            frame = frame[: rng.randint(0, 5)]
        else:
            return self._bytes(self._encoded(self._renumber(rng.choice(self._frames))))
        data = self._encoded(frame)
        return self._bytes(data) if rng.random() < 0.1 else data

    def _renumber(self, frame: Any) -> Any:
        """A CALL has an id of its own, that its answer be known by."""
        if isinstance(frame, list) and len(frame) > 1 and frame[0] == 2 and isinstance(frame[1], str) and frame[1]:
            return [frame[0], f"m{self._number}", *frame[2:]]
        return frame

    def _odd(self) -> Any:
        return self._rng.choice(ODD)

    def _encoded(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def _change(self, value: Any) -> Any:
        """The value with one place in it changed."""
        rng = self._rng
        if isinstance(value, dict) and value and rng.random() < 0.85:
            key = rng.choice(list(value))
            match rng.randrange(6):
                case 0:
                    return {name: one for name, one in value.items() if name != key}
                case 1:
                    return {**value, rng.choice(("x", key.upper(), "customData", "__class__", "")): self._odd()}
                case _:
                    return {**value, key: self._change(value[key])}
        if isinstance(value, list) and value and rng.random() < 0.85:
            place = rng.randrange(len(value))
            match rng.randrange(6):
                case 0:
                    return value * rng.choice((2, 3, 60))
                case 1:
                    return value[:place] + value[place + 1 :]
                case _:
                    return [*value[:place], self._change(value[place]), *value[place + 1 :]]
        if isinstance(value, str) and value and rng.random() < 0.4:
            place = rng.randrange(len(value))
            return (
                value[:place]
                + rng.choice(("", "\x00", "é", "A", "Z", "9", "-", "💥"))
                + value[place + rng.randrange(2) :]
            )
        return self._odd()

    def _bytes(self, data: bytes) -> bytes:
        """The bytes with a few of them changed."""
        rng, changed = self._rng, bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            if not changed:
                break
            place = rng.randrange(len(changed))
            match rng.randrange(5):
                case 0:
                    changed[place] = rng.randrange(256)
                case 1:
                    del changed[place : place + rng.choice((1, 2, 30))]
                case 2:
                    changed[place:place] = rng.choice(
                        (b'"', b"[", b"]", b"{", b"}", b",", b"\\", b"\xff", b"\x00", b"e9999")
                    )
                case 3:
                    end = place + rng.randrange(1, 30)
                    changed[place:place] = changed[place:end]
                case _:
                    changed[place] ^= 1 << rng.randrange(8)
        return bytes(changed)

    # Values by a schema

    def _made(self, schema: dict[str, Any]) -> Any:
        return self._of(schema, schema.get("$defs", {}), depth=0)

    def _of(self, schema: dict[str, Any], defs: dict[str, Any], *, depth: int) -> Any:
        rng = self._rng
        if "$ref" in schema:
            return self._of(defs[schema["$ref"].rpartition("/")[2]], defs, depth=depth)
        if "anyOf" in schema:
            return self._of(rng.choice(schema["anyOf"]), defs, depth=depth)
        if "enum" in schema:
            return rng.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        match schema.get("type"):
            case "object":
                needed = set(schema.get("required", ()))
                share = 0.5 if depth < 3 else 0.05
                return {
                    name: self._of(one, defs, depth=depth + 1)
                    for name, one in schema.get("properties", {}).items()
                    if name in needed or rng.random() < share
                }
            case "array":
                least = schema.get("minItems", 0)
                size = rng.randint(least, min(schema.get("maxItems", least + 3), least + 3))
                return [self._of(schema.get("items", {}), defs, depth=depth + 1) for _ in range(size)]
            case "integer":
                return rng.choice((0, 1, 2, 3, rng.randrange(-5, 100_000), schema.get("minimum", 0)))
            case "number":
                return rng.choice((0, 0.1, rng.uniform(-1e4, 1e6)))
            case "boolean":
                return rng.random() < 0.5
            case "string":
                if schema.get("format") == "date-time":
                    return f"20{rng.randrange(20, 40)}-0{rng.randrange(1, 10)}-1{rng.randrange(10)}T1{rng.randrange(10)}:00:00Z"
                return rng.choice(
                    ("a", "AABBCCDD", "TX1", "true", "ReservationCtrlr", "AvailabilityState", "Occupied")
                )[: schema.get("maxLength", 36)]
            case _:
                return self._odd()
