"""A station on the bench: the CSMS is played by the test, time is moved by hand."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema_rs
import pytest

import ocpp
from evhold.ocpp.rpc.payload import encode
from evhold.ocpp.v201.datatypes import IdTokenInfoType, IdTokenType
from evhold.ocpp.v201.messages import ACTIONS, AuthorizeResponse, BootNotificationResponse, TransactionEventResponse
from evhold.simulator.answers import answer
from evhold.simulator.options import StationOptions
from evhold.simulator.outbox import Outgoing
from evhold.simulator.station import Station, Swipe

START = datetime(2026, 12, 15, 12, 0, tzinfo=UTC)
SCHEMAS = Path(ocpp.__file__).parent / "v201" / "schemas"
_validators: dict[str, jsonschema_rs.Validator] = {}


def check_schema(name: str, payload: object) -> None:
    """Fail unless the payload is valid by the official schema of that name, such as `ReserveNowRequest`."""
    if name not in _validators:
        text = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8-sig")
        _validators[name] = jsonschema_rs.validator_for(json.loads(text))
    _validators[name].validate(payload)


def token(text: str, kind: str = "ISO14443") -> IdTokenType:
    """An idToken."""
    return IdTokenType(id_token=text, type=kind)


class Bench:
    """A station whose CSMS answers at once; everything sent is held against the official schemas.

    `sent` holds (action, payload as JSON) of all messages since `take` was called last.
    """

    def __init__(self, **options: object) -> None:
        self.now = START
        counter = itertools.count(1)
        self.station = Station(StationOptions(**options), new_id=lambda: f"tx-{next(counter)}")
        self.groups: dict[str, str] = {}
        self.blocked: set[str] = set()
        self.silent: set[str] = set()
        self.sent: list[tuple[str, dict]] = []
        self.connect()
        self.take()

    def connect(self) -> None:
        """The station gets a socket and an Accepted for its BootNotification."""
        self.station.connected(self.now)
        self.deliver()

    def disconnect(self) -> None:
        """The socket is gone."""
        self.station.disconnected(self.now)

    def call(self, action: str, **payload: object) -> dict:
        """What the station answers to a CALL; what else it sends is in `sent`."""
        _, response = answer(self.station, action, json.dumps(payload).encode(), now=self.now)
        shown = json.loads(encode(response))
        check_schema(f"{action}Response", shown)
        self.deliver()
        return shown

    def reserve(self, reservation_id: int = 1, *, who: str = "AABBCCDD", seconds: int = 600, **more: object) -> str:
        """The status that ReserveNow is answered."""
        expiry = (self.now + timedelta(seconds=seconds)).isoformat()
        id_token = {"idToken": who, "type": "ISO14443"}
        return self.call("ReserveNow", id=reservation_id, idToken=id_token, expiryDateTime=expiry, **more)["status"]

    def present(self, who: str, evse_id: int | None = 1) -> str | None:
        """The outcome of a swipe."""
        swipe: Swipe = self.station.present(token(who), now=self.now, evse_id=evse_id)
        self.deliver()
        return swipe.outcome

    def do(self, what: str, *args: object) -> None:
        """Let something happen by one of the station's methods."""
        getattr(self.station, what)(*args, now=self.now)
        self.deliver()

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)
        self.station.tick(self.now)
        self.deliver()

    def deliver(self) -> None:
        """Answer everything that the station has to send."""
        while (outgoing := self.station.outbox.next()) is not None:
            payload = json.loads(encode(outgoing.request))
            check_schema(f"{outgoing.action}Request", payload)
            self.sent.append((outgoing.action, payload))
            if outgoing.action in self.silent:
                self.station.outbox.failed(outgoing, now=self.now)
            else:
                self.station.outbox.done(outgoing, self._answer(outgoing), now=self.now)

    def take(self, action: str | None = None) -> list:
        """What was sent since the last time: of one action its payloads, else all as (action, brief)."""
        sent, self.sent = self.sent, []
        if action is not None:
            return [payload for name, payload in sent if name == action]
        return [(name, brief(name, payload)) for name, payload in sent]

    def statuses(self) -> list[str]:
        """The status of the first connector of each EVSE."""
        evses = self.station.state.evses.values()
        return [self.station.reporter.status_of(evse, evse.connectors[0]) for evse in evses]

    @property
    def held(self) -> set[int]:
        """The ids of the reservations that the station holds."""
        return set(self.station.state.reservations)

    def _answer(self, outgoing: Outgoing) -> object:
        if outgoing.action == "BootNotification":
            return BootNotificationResponse(current_time=self.now, interval=60, status="Accepted")
        if outgoing.action == "Authorize":
            return AuthorizeResponse(id_token_info=self._info(outgoing.request.id_token))
        if outgoing.action == "TransactionEvent" and isinstance(outgoing.request.id_token, IdTokenType):
            return TransactionEventResponse(id_token_info=self._info(outgoing.request.id_token))
        kind = ACTIONS[outgoing.action][1]
        return kind(current_time=self.now) if outgoing.action == "Heartbeat" else kind()

    def _info(self, held: IdTokenType) -> IdTokenInfoType:
        group = self.groups.get(held.id_token)
        status = "Blocked" if held.id_token in self.blocked else "Accepted"
        if group is None:
            return IdTokenInfoType(status=status)
        return IdTokenInfoType(status=status, group_id_token=token(group, "Central"))


def brief(action: str, payload: dict) -> str:
    """The part of a message that tests look at."""
    match action:
        case "StatusNotification":
            return f"{payload['evseId']}/{payload['connectorId']} {payload['connectorStatus']}"
        case "NotifyEvent":
            event = payload["eventData"][0]
            return f"{event['component']['name']} {event['variable']['name']} {event['actualValue']}"
        case "TransactionEvent":
            parts = [payload["eventType"], payload["triggerReason"]]
            parts += [payload["idToken"]["idToken"]] if "idToken" in payload else []
            parts += [f"reservation {payload['reservationId']}"] if "reservationId" in payload else []
            return " ".join(parts)
        case "ReservationStatusUpdate":
            return f"{payload['reservationId']} {payload['reservationUpdateStatus']}"
        case "Authorize":
            return str(payload["idToken"]["idToken"])
        case _:
            return ""


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Makes a station on the bench; arguments are those of StationOptions."""
    return Bench
