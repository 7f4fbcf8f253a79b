"""The way of a CALL to its handler, and of every failure to its CALLERROR."""

import msgspec
import pytest

from evhold.ocpp.router import Context, Route, Version, allowed, dispatch
from evhold.ocpp.rpc.errors import (
    FormatViolation,
    InternalError,
    NotImplemented_,
    NotSupported,
    OccurrenceConstraintViolation,
    RpcError,
    SecurityError,
)


class Number(msgspec.Struct):
    """A payload."""

    n: int


def route(handle, encode=msgspec.json.encode) -> Route:
    """A route to the handler."""
    return Route(lambda raw: msgspec.json.decode(raw, type=Number), handle, encode)


def context(**known) -> Context:
    """A station that is accepted, unless said otherwise."""
    return Context(**{"station_id": "CS1", "epoch": 1, "version": "1", "registration": "Accepted"} | known)


def send(handle, payload: bytes = b'{"n":1}', *, action: str = "Count", encode=msgspec.json.encode, **known):
    """Dispatch to a version with one route."""
    version = Version("1", "v1", {"Count": route(handle, encode)}, actions={"Count", "Order"})
    return dispatch(version, action, msgspec.Raw(payload), context(**known))


def test_a_plain_handler_answers_at_once():
    """Its answer comes back encoded, without a coroutine."""
    assert send(lambda request, context: Number(request.n + 1)) == b'{"n":2}'


async def test_a_handler_that_waits_is_awaited():
    """Its answer comes out of the awaitable."""

    async def handle(request: Number, context: Context) -> Number:
        return Number(context.epoch + request.n)

    assert await send(handle) == b'{"n":2}'


def test_an_unknown_action_is_not_implemented():
    """The version has no such action."""
    with pytest.raises(NotImplemented_):
        send(None, action="Dance")


def test_an_action_of_the_other_side_is_not_supported():
    """The version has it, and a station does not send it."""
    with pytest.raises(NotSupported):
        send(None, action="Order")


@pytest.mark.parametrize(("payload", "error"), [(b"{}", OccurrenceConstraintViolation), (b"[]", FormatViolation)])
def test_a_payload_that_breaks_the_schema_never_reaches_the_handler(payload, error):
    """It is refused with the code of what it breaks."""
    with pytest.raises(error):
        send(None, payload)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("failure", "error"), [(ZeroDivisionError("secret"), InternalError), (SecurityError("no"), SecurityError)]
)
async def test_a_failing_handler_is_an_rpc_error(waits, failure, error):
    """An RpcError passes as it is; anything else becomes InternalError, with nothing of its text."""

    def handle(request: Number, context: Context) -> Number:
        raise failure

    async def handle_later(request: Number, context: Context) -> Number:
        raise failure

    with pytest.raises(RpcError) as raised:
        await send(handle_later if waits else handle)

    assert type(raised.value) is error
    assert "secret" not in raised.value.description


def test_an_answer_that_cannot_be_encoded_is_our_failure():
    """InternalError, with the cause kept for the log."""

    def encode(answer: Number) -> bytes:
        raise TypeError

    with pytest.raises(InternalError) as raised:
        send(lambda request, context: request, encode=encode)

    assert isinstance(raised.value.__cause__, TypeError)


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
def test_a_station_that_is_not_accepted_is_refused(registration):
    """Its CALLs are SecurityErrors before they are decoded."""
    with pytest.raises(SecurityError):
        send(None, b"not even JSON", registration=registration)


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize(
    ("action", "known"),
    [
        ("BootNotification", {"registration": "Pending"}),
        ("BootNotification", {"registration": "Rejected"}),
        ("StatusNotification", {"registration": "Pending", "triggered": {"StatusNotification"}}),
        ("NotifyReport", {"registration": "Pending", "expected_reports": {7}}),
        ("StatusNotification", {"registration": None}),
        ("StatusNotification", {"registration": "Accepted"}),
    ],
)
def test_what_was_asked_for_is_allowed(action, known):
    """Booting always is; so is what TriggerMessage or a report's request asked for, and a station that never booted."""
    allowed(action, context(**known))


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize(
    ("action", "known"),
    [
        ("StatusNotification", {"triggered": {"Heartbeat"}}),
        ("StatusNotification", {"expected_reports": {7}}),
        ("NotifyReport", {}),
    ],
)
def test_what_was_not_asked_for_is_refused(action, known):
    """A Pending station sends only what it was asked for."""
    with pytest.raises(SecurityError):
        allowed(action, context(registration="Pending", **known))
