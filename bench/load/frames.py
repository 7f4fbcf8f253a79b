"""The frames of a station, made without an encoder: the load must cost less than what it loads."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from bench.load.orders import MessageKind

#: The n-th message of a station.
Frames = Callable[[int], bytes]

STATUSES: Final = (b"Occupied", b"Available")
_BOOT: Final = (
    b'[2,"boot","BootNotification",{"reason":"PowerUp",'
    b'"chargingStation":{"vendorName":"Bench","model":"Load","firmwareVersion":"1"}}]'
)
_HEARTBEAT: Final = b'[2,"%x","Heartbeat",{}]'
_STATUS: Final = b'[2,"%x","StatusNotification",{"timestamp":"%s","connectorStatus":"%s","evseId":1,"connectorId":1}]'

_stamped: tuple[int, bytes] = (0, b"")


def boot() -> bytes:
    """BootNotification."""
    return _BOOT


def heartbeat(number: int) -> bytes:
    """Heartbeat."""
    return _HEARTBEAT % number


def status_notification(number: int) -> bytes:
    """StatusNotification of EVSE 1, connector 1; every next one tells the other status."""
    return _STATUS % (number, now(), STATUSES[number & 1])


FRAMES: Final[dict[MessageKind, Frames]] = {
    "Heartbeat": heartbeat,
    "StatusNotification": status_notification,
}


def now() -> bytes:
    """The time in milliseconds as RFC 3339 has it, formatted once a millisecond."""
    global _stamped
    millisecond = time.time_ns() // 1_000_000
    if millisecond != _stamped[0]:
        text = datetime.fromtimestamp(millisecond / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _stamped = millisecond, b"%s.%03dZ" % (text.encode(), millisecond % 1000)
    return _stamped[1]
