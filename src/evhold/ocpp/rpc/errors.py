"""What can go wrong on the wire, one class per OCPP-J 2.0.1 error code, and what our own callers can do wrong.

RpcError            travels as a CALLERROR, in either direction
LocalFault          a mistake on our side of the socket; it never reaches the wire
    QueueFull       too many CALLs wait for the station already
    ConnectionEnded the socket is gone
    NotInHand       an answer to a CALL that was never handed out, or was answered before
"""

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

MAX_DESCRIPTION = 255


class RpcError(Exception):
    """A fault that is, or can be, told to the peer as a CALLERROR.

    Attributes:
        code: OCPP-J's error code, as it stands on the wire.
        description: At most 255 characters, never a value that the peer sent; longer texts are cut.
        details: Goes out as the CALLERROR's details object.
        message_id: The CALL that it answers; None while that is not known.
    """

    code: ClassVar[str] = "GenericError"

    def __init__(
        self, description: str = "", *, details: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> None:
        super().__init__(description)
        self.description = description[:MAX_DESCRIPTION]
        self.details = dict(details or {})
        self.message_id = message_id


class FormatViolation(RpcError):
    """The payload is no well-formed JSON object."""

    code = "FormatViolation"


class GenericError(RpcError):
    """None of the other codes fits."""

    code = "GenericError"


class InternalError(RpcError):
    """The receiver failed while it worked on the CALL."""

    code = "InternalError"


class MessageTypeNotSupported(RpcError):
    """The frame's message type number is none that is spoken here."""

    code = "MessageTypeNotSupported"


class NotImplemented_(RpcError):  # noqa: N801
    """The action is unknown to the receiver."""

    code = "NotImplemented"


class NotSupported(RpcError):
    """The action is known, and not offered."""

    code = "NotSupported"


class OccurrenceConstraintViolation(RpcError):
    """A field is missing, or a list holds too few or too many items."""

    code = "OccurrenceConstraintViolation"


class PropertyConstraintViolation(RpcError):
    """A field has the right type and a value outside of what is allowed."""

    code = "PropertyConstraintViolation"


class ProtocolError(RpcError):
    """The payload holds a field that the message does not have."""

    code = "ProtocolError"


class RpcFrameworkError(RpcError):
    """The frame is no valid CALL, CALLRESULT or CALLERROR."""

    code = "RpcFrameworkError"


class SecurityError(RpcError):
    """The CALL was refused for reasons of security."""

    code = "SecurityError"


class TypeConstraintViolation(RpcError):
    """A field has the wrong JSON type."""

    code = "TypeConstraintViolation"


class LocalFault(Exception):
    """Our own side used a connection wrongly or too much; nothing was sent."""


class QueueFull(LocalFault):
    """As many CALLs as the queue holds wait already; this one was not taken."""


class ConnectionEnded(LocalFault):
    """The socket is gone; the CALL was not taken."""


class NotInHand(LocalFault):
    """No CALL with this message id waits for an answer."""


# msgspec says what it found in words alone; the order matters, the first that fits decides.
_VERDICTS: tuple[tuple[re.Pattern[str], type[RpcError], str], ...] = (
    (re.compile(r"Object missing required field `(?P<field>[^`]*)`"), OccurrenceConstraintViolation, "is missing"),
    (re.compile(r"Object contains unknown field `(?P<field>[^`]*)`"), ProtocolError, "is not part of this message"),
    (re.compile(r"Expected `array` of (?P<what>.+)"), OccurrenceConstraintViolation, "must have {what}"),
    (re.compile(r"Expected `\w+` of (?P<what>.+)"), PropertyConstraintViolation, "must have {what}"),
    (re.compile(r"Expected `\w+` (?P<what>[<>=]+ .+)"), PropertyConstraintViolation, "must be {what}"),
    (re.compile(r"Expected `(?P<what>[^`]*)`, got"), TypeConstraintViolation, "must be of type {what}"),
    (re.compile(r"Invalid enum value"), PropertyConstraintViolation, "is none of the allowed values"),
    (re.compile(r"Invalid RFC3339"), PropertyConstraintViolation, "is no date and time by RFC 3339"),
    (re.compile(r"Number out of range"), PropertyConstraintViolation, "is out of range"),
)
_PATH = re.compile(r" - at `\$\.?(?P<path>.*)`$")


def from_validation(error: Exception) -> RpcError:
    """Return the RpcError that says what a payload's decoding found, naming the field and never its value.

    Args:
        error: What msgspec raised: a ValidationError, or anything else for text that is no JSON.
    """
    if not isinstance(error, msgspec.ValidationError):
        return FormatViolation("the payload is not well-formed JSON")
    text, path = str(error), ""
    if found := _PATH.search(text):
        text, path = text[: found.start()], found["path"]
    for pattern, kind, words in _VERDICTS:
        if match := pattern.match(text):
            groups = match.groupdict()
            field = ".".join(part for part in (path, groups.get("field", "")) if part)
            if not field:
                # The payload as a whole is an array, a text, a number or null.
                return FormatViolation("the payload is not a JSON object")
            return kind(f"{field} {words.format(**groups)}", details={"field": field[:MAX_DESCRIPTION]})
    return FormatViolation(f"{path or 'the payload'} is invalid")
