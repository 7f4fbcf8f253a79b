"""One endpoint: its handler, who may call it, and what the reference says of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from litestar import Response
from litestar.response import Stream
from msgspec import Struct

from evhold.domain.access import Role
from evhold.web.request import Req

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[[Req], Awaitable[Response[bytes] | Stream]]

EVERYBODY: Final = frozenset(Role)
ORDERING: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.DRIVER})
LOOKING: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.READONLY})
OPERATING: Final = frozenset({Role.ADMIN, Role.OPERATOR})
ADMINS: Final = frozenset({Role.ADMIN})
NOBODY: Final = frozenset[Role]()
BASE: Final = "/api/v1"

#: Problems of whatever sends a call, and of terms.
NOT_SENT: Final = ("station-offline", "station-busy")
TERMS: Final = ("evse-already-reserved", "reservations-not-supported", "unspecified-evse-not-supported")
#: Problems of a replacement and of a cancel, whoever orders them.
REPLACING: Final = (
    "reservation-unknown",
    "reservation-refused",
    "reservation-ended",
    "order-in-progress",
    *TERMS,
    "version-conflict",
    *NOT_SENT,
)
CANCELING: Final = ("reservation-unknown", "reservation-ended", "version-conflict", "station-call-error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address, below ``/api/v1`` unless it says otherwise.

    Args:
        path: With ``{name}`` or ``{name:int}`` for its parts.
        answers: Body type by status; None: no body. A list is ``list[...]``, a tuple is one of these.
        problems: Names of ``problems.PROBLEMS`` beyond those that every operation may give.
        headers: Request headers that mean something here.
        streams: It answers with an event stream.
        media_type: Of its answers.
        is_public: It needs no key; what stands in its address or its body says who may.
        is_outside: Its address does not begin with ``/api/v1``.
    """

    method: Method
    path: str
    name: str
    summary: str
    tag: str
    roles: frozenset[Role]
    handler: Handler
    answers: dict[int, object]
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    problems: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    streams: bool = False
    media_type: str = "application/json"
    is_public: bool = False
    is_outside: bool = False

    @property
    def address(self) -> str:
        """The whole path."""
        return self.path if self.is_outside else BASE + self.path
