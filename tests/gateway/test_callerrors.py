"""Every CALLERROR of OCPP-J 2.0.1, by real frames of real actions over a real socket; after each the connection lives."""

import asyncio
import json

import pytest
import structlog
from gateway_harness import START, Gateway

from evhold.domain.authorization import TokenInfo
from evhold.domain.station import Registration
from evhold.ocpp.v201.routes import UseCases, version
from evhold.usecases.ports import CallResult

HEARTBEAT = '[2,"hb","Heartbeat",{}]'
LIVES = [3, "hb", {"currentTime": "2026-01-01T00:00:00.000Z"}]
STAMP = "2026-01-01T00:00:00Z"
STATUS = {"timestamp": STAMP, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
TOKEN = '{"idToken":{"idToken":"SECRET","type":"Central"}}'
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


class Played:
    """A gateway that speaks 2.0.1, its use cases played: reports fail, Authorize waits for ``gate``."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gateway = Gateway(
            version=version(
                UseCases(
                    boot=self._fail,
                    heartbeat=lambda connected: START,
                    learn_report=self._fail,
                    authorize=self._authorize,
                    transaction=self._fail,
                    connector_status=lambda *told, **more: None,
                    reservation_status=self._fail,
                    security_event=self._fail,
                )
            )
        )

    async def _authorize(self, id_token) -> TokenInfo:
        await self.gate.wait()
        return TokenInfo(status="Accepted")

    async def _fail(self, *told, **more) -> None:
        raise ZeroDivisionError("a secret of ours")


@pytest.fixture
async def played():
    """The station is Accepted."""
    played = Played()
    async with played.gateway:
        yield played


def of(action: str, payload: object) -> str:
    """A CALL of the station."""
    return json.dumps([2, "m1", action, payload])


def status(**changes: object) -> str:
    """A StatusNotification with something changed; None leaves a field out."""
    return of("StatusNotification", {key: value for key, value in (STATUS | changes).items() if value is not None})


async def received(client) -> list:
    """The next frame."""
    async with asyncio.timeout(5):
        return json.loads(await client.recv())


FAULTS = {
    "no JSON": ("hello", "-1", "RpcFrameworkError"),
    "nothing": ("", "-1", "RpcFrameworkError"),
    "an object": ("{}", "-1", "RpcFrameworkError"),
    "an empty array": ("[]", "-1", "RpcFrameworkError"),
    "no id": ("[2]", "-1", "RpcFrameworkError"),
    "an id that is a number": ('[2,5,"Heartbeat",{}]', "-1", "RpcFrameworkError"),
    "an id of 37 characters": (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "-1", "RpcFrameworkError"),
    "no payload": ('[2,"m1","Heartbeat"]', "m1", "RpcFrameworkError"),
    "one element too many": ('[2,"m1","Heartbeat",{},1]', "m1", "RpcFrameworkError"),
    "an action that is a number": ('[2,"m1",7,{}]', "m1", "RpcFrameworkError"),
    "message type 5": ('[5,"m1","Heartbeat",{}]', "m1", "MessageTypeNotSupported"),
    "a payload that breaks off": ('[2,"m1","Heartbeat",{', "m1", "FormatViolation"),
    "a payload that is an array": ('[2,"m1","Heartbeat",[]]', "m1", "FormatViolation"),
    "a payload that is null": ('[2,"m1","Heartbeat",null]', "m1", "FormatViolation"),
    "an unknown action": (of("MakeCoffee", {}), "m1", "NotImplemented"),
    "an action in the wrong case": (of("heartbeat", {}), "m1", "NotImplemented"),
    "an action of the CSMS": (of("ReserveNow", {}), "m1", "NotSupported"),
    "a text for a number": (status(evseId="1"), "m1", "TypeConstraintViolation"),
    "a number for a text": (status(connectorStatus=1), "m1", "TypeConstraintViolation"),
    "a status that does not exist": (status(connectorStatus="SECRET"), "m1", "PropertyConstraintViolation"),
    "a date that is none": (status(timestamp="SECRET"), "m1", "PropertyConstraintViolation"),
    "a text too long": (
        of("BootNotification", BOOT | {"chargingStation": {"model": "SECRET" * 4, "vendorName": "V"}}),
        "m1",
        "PropertyConstraintViolation",
    ),
    "a number too large": (status(evseId=2**31), "m1", "PropertyConstraintViolation"),
    "a field left out": (status(evseId=None), "m1", "OccurrenceConstraintViolation"),
    "an empty list": (
        of("NotifyEvent", {"generatedAt": STAMP, "seqNo": 0, "eventData": []}),
        "m1",
        "OccurrenceConstraintViolation",
    ),
    "a field of no message": (status(colour="SECRET"), "m1", "ProtocolError"),
    "a failure of ours": (
        of("NotifyReport", {"requestId": 1, "generatedAt": STAMP, "seqNo": 0}),
        "m1",
        "InternalError",
    ),
}


@pytest.mark.parametrize(("sent", "message_id", "code"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_answered_by_its_code_and_the_connection_lives(played, sent, message_id, code):
    """The CALLERROR has five elements and the CALL's id, or -1; no value of either side is in it."""
    async with played.gateway.connect() as client:
        await client.send(sent)
        answer = await received(client)

        assert [*answer[:3], answer[4:]] == [4, message_id, code, answer[4:5]]
        assert isinstance(answer[4], dict)
        assert "secret" not in json.dumps(answer).lower()
        await client.send(HEARTBEAT)
        assert await received(client) == LIVES


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize("registration", [Registration.PENDING, Registration.REJECTED])
async def test_what_was_not_asked_for_is_a_security_error(played, registration):
    """After Pending or Rejected, until the station is accepted."""
    played.gateway.registration = registration
    async with played.gateway.connect() as client:
        await client.send(HEARTBEAT)
        assert (await received(client))[:3] == [4, "hb", "SecurityError"]
        await client.send(status())
        assert (await received(client))[:3] == [4, "m1", "SecurityError"]


async def test_a_flood_is_a_generic_error(played):
    """One CALL is in hand and 64 wait; the next one is refused at once, and all others are answered in order."""
    async with played.gateway.connect() as client:
        for number in range(66):
            await client.send(f'[2,"m{number}","Authorize",{TOKEN}]')
        assert (await received(client))[:3] == [4, "m65", "GenericError"]
        played.gate.set()
        answers = [await received(client) for _ in range(65)]

    assert answers == [[3, f"m{number}", {"idTokenInfo": {"status": "Accepted"}}] for number in range(65)]


async def test_a_message_id_in_hand_is_not_taken_twice(played):
    """The second CALL with it is refused, the first one is answered."""
    async with played.gateway.connect() as client:
        await client.send(f'[2,"m1","Authorize",{TOKEN}]')
        await client.send('[2,"m1","Heartbeat",{}]')
        assert (await received(client))[:3] == [4, "m1", "RpcFrameworkError"]
        played.gate.set()

        assert (await received(client))[:2] == [3, "m1"]


@pytest.mark.parametrize(
    "frame",
    [
        '[3,"never-sent",{}]',
        '[4,"never-sent","GenericError","",{}]',
        '[3,"never-sent"]',
        '[3,"never-sent",{',
        '[4,"never-sent"]',
        "[3]",
    ],
)
async def test_an_answer_to_nothing_is_logged_and_gets_no_answer(played, frame):
    """CALLRESULT or CALLERROR, readable or not: the next frame out is the answer to the next CALL."""
    async with played.gateway.connect() as client:
        await played.gateway.ready()
        with structlog.testing.capture_logs() as logs:
            await client.send(frame)
            await client.send(HEARTBEAT)
            assert await received(client) == LIVES

    assert {entry["event"] for entry in logs} & {"answer.stray", "frame.fault"}


async def test_our_frames_are_compact(played):
    """Not one space stands between the elements of what we send, in either direction."""
    async with played.gateway.connect() as client:
        await played.gateway.ready()
        await client.send('[2, "m1", "MakeCoffee", {"a": 1}]')
        refusal = await client.recv()
        outcome = asyncio.create_task(played.gateway.calls.call("CS1", "ClearCache", b"{}", message_id="c1"))
        call = await client.recv()
        await client.send('[3, "c1", {"status": "Accepted"}]')

        assert await outcome == CallResult(payload=b'{"status": "Accepted"}')
        assert refusal == json.dumps(json.loads(refusal), separators=(",", ":"))
        assert call == '[2,"c1","ClearCache",{}]'
