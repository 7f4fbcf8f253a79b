"""What nodes say to each other: subjects, payloads (msgspec JSON), and the port behind which NATS stands.

Nothing that must not be lost is said here: the database has that. A message that does not arrive makes a station look offline,
an order go unanswered, or an event come a second later.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Literal, Protocol

from msgspec import Raw, Struct, json

from evhold.domain.values import StationId

#: Where a station's connection was opened, has registered, or was closed; to every node.
PRESENCE: Final = "evhold.presence"
#: The number of the last event that a node knows of; to every node.
EVENTS: Final = "evhold.events"
_UNSAFE: Final = re.compile(rb"[^a-z0-9_-]")


def call_subject(station_id: str) -> str:
    """Where the node that has the station's socket is asked; a legal token for every id, alike for every spelling."""
    token = _UNSAFE.sub(lambda found: b"=%02X" % found.group(0)[0], station_id.casefold().encode())
    return f"evhold.call.{token.decode()}"


def frames_subject(node: str) -> str:
    """Where a node is asked for recent frames."""
    return f"evhold.frames.{node}"


class NobodyThere(Exception):
    """Nobody listens on that subject, or the mesh is down: nothing was delivered."""


class NoReply(Exception):
    """It may have been delivered; nothing came back in time."""


Handler = Callable[[bytes], Awaitable[bytes | None]]


class Subscription(Protocol):
    """Something that is listened to."""

    async def end(self) -> None:
        """It is listened to no more; without effect while the mesh is down."""
        ...


class Mesh(Protocol):
    """Messages between nodes, at most once. ``on_up`` is called when it is connected, and when it is again."""

    on_up: Callable[[], None]

    @property
    def is_up(self) -> bool:
        """Connected now, as far as anybody has noticed."""
        ...

    async def start(self) -> bool:
        """It connects; False: not yet, it goes on trying."""
        ...

    async def close(self) -> None:
        """Disconnected, and nothing runs any more."""
        ...

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """The reply. Raises NobodyThere, NoReply."""
        ...

    async def tell(self, subject: str, payload: bytes) -> None:
        """Whoever listens now gets it; nobody, while the mesh is down."""
        ...

    async def listen(self, subject: str, handler: Handler, *, alone: bool = False) -> Subscription:
        """``handler`` gets every message, in a task of its own, and its result is the reply; ``alone``: of several, one does."""
        ...


# --- payloads


class CallWanted(Struct, rename="camel", kw_only=True, tag="call", omit_defaults=True):
    """A CALL to be sent. ``not_after``: not sent later than this; ``deadline``: nobody waits for its outcome any more then."""

    action: str
    payload: Raw
    message_id: str
    deadline: datetime
    urgent: bool = False
    not_after: datetime | None = None


class WithdrawWanted(Struct, rename="camel", kw_only=True, tag="withdraw"):
    """A CALL that should not be sent, if it has not left yet."""

    message_id: str


class CallEnded(Struct, rename="camel", kw_only=True, tag="ended", omit_defaults=True):
    """How a CALL ended. ``sent_at``: when its frame left, if it did. ``clock_offset_s``: the station's clock minus the node's."""

    kind: Literal["result", "error", "no-answer", "never-sent"]
    payload: Raw = Raw(b"{}")
    code: str = ""
    description: str = ""
    reason: str = ""
    sent_at: datetime | None = None
    clock_offset_s: float | None = None


class Withdrawn(Struct, rename="camel", kw_only=True, tag="withdrawn"):
    """Whether it was taken back."""

    done: bool


class FramesWanted(Struct, rename="camel", kw_only=True, omit_defaults=True):
    """As ``FrameLog.newest``."""

    station_id: str
    limit: int
    before: int | None = None
    after: int | None = None


class Told(Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A station's connection: at which node, its number, and whether it is (still) open, and registered."""

    station_id: StationId
    node: str
    epoch: int
    online: bool = True
    registered: bool = False
    since: datetime | None = None
    clock_offset_s: float = 0.0


class Hint(Struct, rename="camel", kw_only=True):
    """Events up to this number are committed."""

    seq: int


encode: Final = json.Encoder().encode
decode_asked: Final = json.Decoder(CallWanted | WithdrawWanted).decode
decode_answer: Final = json.Decoder(CallEnded | Withdrawn).decode
decode_told: Final = json.Decoder(Told).decode
decode_hint: Final = json.Decoder(Hint).decode
decode_frames_wanted: Final = json.Decoder(FramesWanted).decode
