"""What a station answered, as the use cases take it."""

from msgspec import Raw

from evhold.gateway.node import Answer
from evhold.ocpp.rpc.frames import Error, Result
from evhold.usecases.ports import CallFailed, CallResult


def result(payload: Raw) -> CallResult:
    """The station's CALLRESULT."""
    return CallResult(payload=bytes(payload))


def failure(code: str, description: str, details: Raw) -> CallFailed:
    """The station's CALLERROR."""
    return CallFailed(code=code, description=description, details=bytes(details))


def answer_of(frame: Result | Error) -> Answer:
    """Of an answer that nobody waits for."""
    if isinstance(frame, Result):
        return result(frame.payload)
    return failure(frame.code, frame.description, frame.details)
