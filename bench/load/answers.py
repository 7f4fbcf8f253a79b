"""What a station of the load answers to the server's own CALLs: yes to every order, and no device model of its own."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

_VALUES: Final = {"Available": "true", "Enabled": "true", "NonEvseSpecific": "true"}
_Answer = Callable[[dict[str, Any]], dict[str, Any]]


def _variables(request: dict[str, Any]) -> dict[str, Any]:
    return {"getVariableResult": [_variable(one) for one in request["getVariableData"]]}


def _variable(asked: dict[str, Any]) -> dict[str, Any]:
    told = {"component": asked["component"], "variable": asked["variable"]}
    value = _VALUES.get(asked["variable"]["name"])
    if value is None:
        return {**told, "attributeStatus": "UnknownVariable"}
    return {**told, "attributeStatus": "Accepted", "attributeValue": value}


_ANSWERS: Final[dict[str, _Answer]] = {
    "CancelReservation": lambda _: {"status": "Accepted"},
    "GetBaseReport": lambda _: {"status": "NotSupported"},
    "GetVariables": _variables,
    "TriggerMessage": lambda _: {"status": "Rejected"},
}
_RESERVE_ACCEPTED: Final = b'{"status":"Accepted"}'


def answer(frame: bytes) -> bytes:
    """The CALLRESULT, or CALLERROR NotImplemented, to a CALL."""
    _, message_id, action, payload = msgspec.json.decode(frame)
    if action == "ReserveNow":
        return b'[3,"%s",%s]' % (message_id.encode(), _RESERVE_ACCEPTED)
    find = _ANSWERS.get(action)
    if find is None:
        return msgspec.json.encode([4, message_id, "NotImplemented", action, {}])
    return msgspec.json.encode([3, message_id, find(payload)])
