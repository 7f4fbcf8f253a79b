"""From a station's CALL to the function that answers it: a table of routes for each version, and one way through it.

This file knows no version and no action's content. Every error leaves it as an RpcError, which becomes the CALLERROR.
"""

from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Raw

from evhold.ocpp.rpc.connection import CallReceived
from evhold.ocpp.rpc.errors import (
    InternalError,
    NotImplemented_,
    NotSupported,
    RpcError,
    SecurityError,
    from_validation,
)
from evhold.usecases.ports import Connected, Stored, is_stored

ACCEPTED: Final = "Accepted"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What a station that is not accepted may send besides BootNotification, once we asked for it by request id.
_REPORTS: Final = frozenset({"NotifyReport", "NotifyMonitoringReport", "NotifyCustomerInformation"})

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(slots=True, kw_only=True)
class Context(Connected):
    """What is known of the station behind one socket: the use cases' memory of it, and what only the wire needs.

    Args:
        version: OCPP's, such as ``2.0.1``.
        remote: The other end's ``host:port``; empty until the socket is open.
        replaced: Whether a newer connection of the same station took this one's place.
        call: The CALL that is being handled, or the last one that was.
        heard_at: When it came, by our clock; before the first one, when the station connected.
    """

    version: str
    remote: str = ""
    replaced: bool = False
    call: CallReceived | None = None
    heard_at: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Route(Generic[Q, A]):
    """How one action is decoded, handled and encoded. A handler that need not wait is a plain function."""

    decode: Callable[[Raw], Q]
    handle: Callable[[Q, Context], A | Awaitable[A]]
    encode: Callable[[A], bytes]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of OCPP.

    Args:
        name: As the API shows it, such as ``2.0.1``.
        subprotocol: As the handshake names it, such as ``ocpp2.0.1``.
        routes: The actions that a station may send.
        actions: All actions that the version has, those that only a CSMS sends among them.
    """

    name: str
    subprotocol: str
    routes: Mapping[str, Route[Any, Any]]
    actions: Container[str]


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that waits for the disk alone: nothing else has to run until then, so that it needs no task.

    Attributes:
        stored: Ends with the commit.
    """

    route: Route[Any, Any]
    stored: Stored

    def payload(self) -> bytes:
        """Return the payload of the CALLRESULT, once ``stored`` has ended. Raises RpcError, as `dispatch` does."""
        error = self.stored.exception()
        if error is None:
            return self.route.encode(None)
        if isinstance(error, RpcError):
            raise error
        raise InternalError from error


def dispatch(version: Version, action: str, payload: Raw, context: Context) -> bytes | Later | Awaitable[bytes]:
    """Return the payload of the CALLRESULT, or what is waited for where the handler has to wait.

    Raises:
        NotImplemented_: The version has no such action.
        NotSupported: It is one that a station does not send.
        SecurityError: The station's registration does not allow it.
        RpcError: The payload breaks the schema, or the handler refused it. A failure of the handler is InternalError
            with the failure as its cause; nothing of it is told to the station.

    Requirements: B02, B03
    """
    route = version.routes.get(action)
    if route is None:
        raise NotSupported if action in version.actions else NotImplemented_
    if context.registration != ACCEPTED:
        allowed(action, context)
    try:
        answer = route.handle(_decode(route, payload), context)
        if hasattr(answer, "__await__"):
            return Later(route, answer) if is_stored(answer) else _finish(route, answer)
        return route.encode(answer)
    except RpcError:
        raise
    except Exception as error:
        raise InternalError from error


def allowed(action: str, context: Context) -> None:
    """Return when the station's registration lets it send this action.

    A station that never booted on our side may: it is asked to boot, and is answered in the meantime.

    Raises:
        SecurityError: Its last boot was answered Pending or Rejected, and we did not ask for this message.

    Requirements: B02, B03
    """
    if context.registration in (None, ACCEPTED) or action == "BootNotification" or action in context.triggered:
        return
    if action in _REPORTS and context.expected_reports:
        return
    raise SecurityError("not accepted by its last BootNotification")


def _decode(route: Route[Any, Any], payload: Raw) -> Any:
    try:
        return route.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise from_validation(error) from error


async def _finish(route: Route[Any, Any], answer: Awaitable[Any]) -> bytes:
    try:
        return route.encode(await answer)
    except RpcError:
        raise
    except Exception as error:
        raise InternalError from error
