"""A CSMS of nothing but routes: what its use cases are told, and what its stations are answered."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest
from msgspec import Raw

from evhold.domain.authorization import TokenInfo
from evhold.domain.station import Presence, Registration
from evhold.domain.values import Heard, StationId
from evhold.ocpp.router import Context, Version, dispatch
from evhold.ocpp.rpc.connection import CallReceived
from evhold.ocpp.v201.routes import UseCases, version
from evhold.usecases.b01_boot import BootAnswer
from evhold.usecases.ports import CallAnswer, CallResult, NoAnswer

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


@cache
def validator(name: str) -> Any:
    """The independent validator of one message, by its official schema."""
    text = (files("ocpp") / "v201" / "schemas" / f"{name}.json").read_text("utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text), validate_formats=True)


@dataclass
class Csms:
    """The routes of OCPP 2.0.1 over use cases that note what they are told; it answers one station.

    ``waits``: whether a connector's status has to be stored.
    """

    told: list[tuple[Any, ...]] = field(default_factory=list)
    info: TokenInfo | None = field(default_factory=lambda: TokenInfo(status="Accepted"))
    boot_status: Registration = Registration.ACCEPTED
    waits: bool = True
    context: Context = field(
        default_factory=lambda: Context(station_id=StationId("CS1"), epoch=1, version="2.0.1", registration="Accepted")
    )

    @property
    def version(self) -> Version:
        """Built anew each time, as bootstrap does."""
        return version(
            UseCases(
                boot=self._boot,
                heartbeat=lambda connected: NOW,
                learn_report=self._note("report"),
                authorize=self._authorize,
                transaction=self._transaction,
                connector_status=self._connector_status,
                reservation_status=self._note("reservation"),
                security_event=self._note("security"),
            )
        )

    async def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The answer to a station's CALL, valid by the official schema."""
        text = Raw(json.dumps(payload).encode())
        self.context.call, self.context.heard_at = CallReceived("m1", action, text), NOW
        answer = dispatch(self.version, action, text, self.context)
        answered = json.loads(answer if isinstance(answer, bytes) else await answer)
        validator(f"{action}Response").validate(answered)
        return answered

    async def _boot(self, boot, connected, *, heard_at) -> BootAnswer:
        self.told.append(("boot", boot, heard_at))
        return BootAnswer(status=self.boot_status, interval=timedelta(minutes=5), current_time=NOW)

    async def _authorize(self, id_token) -> TokenInfo:
        self.told.append(("authorize", id_token))
        return self.info

    async def _transaction(self, event, connected, *, at, heard: Callable[[], Heard]) -> TokenInfo | None:
        self.told.append(("transaction", event, heard()))
        return self.info if event.id_token else None

    def _connector_status(self, status, *, evse_id, connector_id, stamp, connected, at) -> Awaitable[None] | None:
        async def store() -> None:
            self.told.append(("stored", status))

        self.told.append(("status", status, evse_id, connector_id, stamp, at))
        return store() if self.waits else None

    def _note(self, what: str) -> Callable[..., Awaitable[None]]:
        async def note(*told: Any, **more: Any) -> None:
            self.told.append((what, *told, more))

        return note


@dataclass
class Calls:
    """`RawCalls` with one answer to everything; it notes what was sent. ``answer`` None: the CALL never leaves."""

    answer: CallAnswer = field(default_factory=lambda: NoAnswer(reason="timeout"))
    sent: list[dict[str, Any]] = field(default_factory=list)
    sent_at: datetime | None = NOW

    async def call(self, station_id, action, payload, *, message_id, urgent=False, not_after=None, on_sent=None):
        """The answer; the request is valid by the official schema."""
        content = json.loads(payload)
        validator(f"{action}Request").validate(content)
        self.sent.append(
            {"action": action, "payload": content, "id": message_id, "urgent": urgent, "not_after": not_after}
        )
        if on_sent is not None and self.sent_at is not None:
            on_sent(self.sent_at)
        return self.answer

    async def withdraw(self, station_id, message_id) -> bool:
        """Nothing waits here but m1."""
        return message_id == "m1"

    def presence(self, station_id) -> Presence:
        """Always there."""
        return Presence(online=True, registered=True)

    def answers(self, payload: dict[str, Any]) -> None:
        """From now on every CALL is answered so."""
        self.answer = CallResult(payload=json.dumps(payload).encode())


class Fixed:
    """A clock that stands still, and ids that count."""

    def __init__(self) -> None:
        self.count = 0

    def now(self) -> datetime:
        """Two seconds after everything else."""
        return NOW + timedelta(seconds=2)

    def message_id(self) -> str:
        """The next one."""
        self.count += 1
        return f"id{self.count}"


@pytest.fixture
def csms() -> Csms:
    """A CSMS that one accepted station is connected to."""
    return Csms()


@pytest.fixture
def calls() -> Calls:
    """Where CALLs to stations go."""
    return Calls()


@pytest.fixture
def fixed() -> Fixed:
    """Clock and ids."""
    return Fixed()


@pytest.fixture
def now() -> datetime:
    """When every CALL is heard."""
    return NOW


@pytest.fixture
def example():
    """Makes a valid payload of an action's request from its official schema: required properties only."""
    return lambda action: _value(_schema(action), _schema(action))


def _schema(action: str) -> dict[str, Any]:
    text = (files("ocpp") / "v201" / "schemas" / f"{action}Request.json").read_text("utf-8-sig")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _value(node: dict[str, Any], schema: dict[str, Any]) -> Any:
    if reference := node.get("$ref"):
        node = schema["definitions"][reference.rpartition("/")[2]]
    if "enum" in node:
        return node["enum"][0]
    match node.get("type"):
        case "object":
            return {name: _value(node["properties"][name], schema) for name in node.get("required", ())}
        case "array":
            return [_value(node["items"], schema)] * node.get("minItems", 1)
        case "string":
            return NOW.strftime("%Y-%m-%dT%H:%M:%SZ") if node.get("format") == "date-time" else "text"
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            return {}
