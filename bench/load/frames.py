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
_AUTHORIZE: Final = b'[2,"%x","Authorize",{"idToken":{"idToken":"BENCH-TOKEN","type":"ISO14443"}}]'
_TRANSACTION: Final = (
    b'[2,"%x","TransactionEvent",{"eventType":"Updated","timestamp":"%s","triggerReason":"MeterValuePeriodic",'
    b'"seqNo":%d,"transactionInfo":{"transactionId":"bench-transaction","chargingState":"Charging"},'
    b'"evse":{"id":1,"connectorId":1},"meterValue":[{"timestamp":"%s","sampledValue":['
    b'{"value":%d,"measurand":"Energy.Active.Import.Register","context":"Sample.Periodic"},'
    b'{"value":11040.0,"measurand":"Power.Active.Import","context":"Sample.Periodic"},'
    b'{"value":16.0,"measurand":"Current.Import","phase":"L1","context":"Sample.Periodic"},'
    b'{"value":16.1,"measurand":"Current.Import","phase":"L2","context":"Sample.Periodic"},'
    b'{"value":15.9,"measurand":"Current.Import","phase":"L3","context":"Sample.Periodic"},'
    b'{"value":41.0,"measurand":"SoC","context":"Sample.Periodic"}]}]}]'
)

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


def repeated(number: int) -> bytes:
    """StatusNotification that tells no news."""
    return _STATUS % (number, now(), STATUSES[1])


def second_connector(number: int) -> bytes:
    """StatusNotification of EVSE 2."""
    return _STATUS.replace(b'"evseId":1', b'"evseId":2') % (number, now(), STATUSES[1])


def authorize(number: int) -> bytes:
    """Authorize of the token that is known."""
    return _AUTHORIZE % number


def transaction_event(number: int) -> bytes:
    """TransactionEvent Updated, with six sampled values."""
    return _TRANSACTION % (number, now(), number, now(), 1000 + number)


FRAMES: Final[dict[MessageKind, Frames]] = {
    "Heartbeat": heartbeat,
    "StatusNotification": status_notification,
    "StatusRepeated": repeated,
    "TransactionEvent": transaction_event,
    "Authorize": authorize,
}


def now() -> bytes:
    """The time in milliseconds as RFC 3339 has it, formatted once a millisecond."""
    global _stamped
    millisecond = time.time_ns() // 1_000_000
    if millisecond != _stamped[0]:
        text = datetime.fromtimestamp(millisecond / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _stamped = millisecond, b"%s.%03dZ" % (text.encode(), millisecond % 1000)
    return _stamped[1]
