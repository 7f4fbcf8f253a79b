"""What the load process is told, and what it answers: one JSON line each, over its standard input and output."""

from typing import Literal

import msgspec

MessageKind = Literal["Heartbeat", "StatusNotification", "StatusRepeated", "TransactionEvent", "Authorize"]


class Connect(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """So many more stations are connected, booted, have reported their connectors, and the server has gone quiet.

    What is timed is how long each waited, from the begin of it all. ``again``: those that left come back.
    """

    url: str
    count: int
    connectors: int = 1
    at_once: int = 50
    again: bool = False


class Leave(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """All stations are disconnected, and remembered."""


class SendMessages(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Every station sends its next message when the last one is answered, for so many seconds."""

    kind: MessageKind
    seconds: float


class Pace(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """So many messages a second of all stations together, one station after the other, whether answered or not."""

    kind: MessageKind
    rate: float
    seconds: float


class Watch(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """So many viewers follow the events; from now on `Pace` times each viewer's events from the stations' stamps."""

    api: str
    key: str
    viewers: int


class Unwatch(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """All viewers are gone."""


class Reserve(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """``at_once`` clients POST one reservation after the other, for so many seconds, each at an EVSE of its own."""

    api: str
    key: str
    at_once: int
    seconds: float


class ReserveOpen(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """So many POSTs a second, whether the ones before are answered or not; timed from when each was due."""

    api: str
    key: str
    rate: float
    seconds: float


class Cancel(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """``at_once`` clients DELETE one reservation after the other, until none is left of those that were made."""

    api: str
    key: str
    at_once: int


class Done(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """What was done, in how long, and how long each took; latencies in milliseconds, 0 where nothing was timed.

    ``idle_s``: the load process ran, and had nothing to do.
    """

    count: int
    seconds: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    idle_s: float = 0.0


class Failed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """It could not be done, or an answer was not what it has to be."""

    reason: str


Order = Connect | Leave | SendMessages | Pace | Watch | Unwatch | Reserve | ReserveOpen | Cancel
Reply = Done | Failed
