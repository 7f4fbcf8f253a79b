"""What the load process is told, and what it answers: one JSON line each, over its standard input and output."""

from typing import Literal

import msgspec

MessageKind = Literal["Heartbeat", "StatusNotification"]


class Connect(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """So many more stations are connected, booted, have reported one connector, and the server has gone quiet."""

    url: str
    count: int


class SendMessages(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Every station sends its next message when the last one is answered, for so many seconds."""

    kind: MessageKind
    seconds: float


class Reserve(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """``at_once`` clients POST one reservation after the other, for so many seconds, each at an EVSE of its own."""

    api: str
    key: str
    at_once: int
    seconds: float


class Done(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """What was done, in how long, and how long each took; latencies in milliseconds, 0 where nothing was timed."""

    count: int
    seconds: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Failed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """It could not be done, or an answer was not what it has to be."""

    reason: str


Order = Connect | SendMessages | Reserve
Reply = Done | Failed
