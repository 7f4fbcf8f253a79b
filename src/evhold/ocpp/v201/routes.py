"""OCPP 2.0.1 put together: every action that a station may send, and what an operator may send to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, get_args

import msgspec
from msgspec import DecodeError

from evhold.domain.errors import InvalidOrder
from evhold.domain.values import IdToken
from evhold.domain.variables import Variable
from evhold.ocpp.router import Route, Version
from evhold.ocpp.rpc.errors import from_validation
from evhold.ocpp.v201 import (
    acknowledgements,
    authorization,
    availability,
    datatypes,
    diagnostics,
    provisioning,
    reservation,
    security,
    transactions,
)
from evhold.ocpp.v201.convert import StatusReport
from evhold.ocpp.v201.messages import ACTIONS, decode
from evhold.usecases.ports import AvailabilityChange, Connected, RemoteStart

NAME: Final = "2.0.1"
SUBPROTOCOL: Final = "ocpp2.0.1"

#: What only a CSMS sends, and what both may.
FROM_CSMS: Final = frozenset(
    {
        *("CancelReservation", "CertificateSigned", "ChangeAvailability", "ClearCache", "ClearChargingProfile"),
        *("ClearDisplayMessage", "ClearVariableMonitoring", "CostUpdated", "CustomerInformation", "DataTransfer"),
        *("DeleteCertificate", "GetBaseReport", "GetChargingProfiles", "GetCompositeSchedule", "GetDisplayMessages"),
        *("GetInstalledCertificateIds", "GetLocalListVersion", "GetLog", "GetMonitoringReport", "GetReport"),
        *("GetTransactionStatus", "GetVariables", "InstallCertificate", "PublishFirmware", "RequestStartTransaction"),
        *("RequestStopTransaction", "ReserveNow", "Reset", "SendLocalList", "SetChargingProfile", "SetDisplayMessage"),
        *("SetMonitoringBase", "SetMonitoringLevel", "SetNetworkProfile", "SetVariableMonitoring", "SetVariables"),
        *("TriggerMessage", "UnlockConnector", "UnpublishFirmware", "UpdateFirmware"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """The use cases that a station's CALLs reach, their ports bound."""

    boot: provisioning.BootStation
    heartbeat: provisioning.Heartbeat
    learn_report: provisioning.LearnReport
    authorize: authorization.Authorize
    transaction: transactions.TransactionReport
    connector_status: StatusReport
    reservation_status: reservation.Report
    security_event: security.SecurityEventTold


def version(use_cases: UseCases) -> Version:
    """Return OCPP 2.0.1 as the gateway speaks it."""
    routes: dict[str, Route[Any, Any]] = {
        **acknowledgements.routes(),
        **security.routes(told=use_cases.security_event),
        **provisioning.routes(boot=use_cases.boot, heartbeat=use_cases.heartbeat, learn_report=use_cases.learn_report),
        **authorization.routes(authorize=use_cases.authorize),
        **transactions.routes(report=use_cases.transaction),
        **availability.routes(report=use_cases.connector_status),
        **diagnostics.routes(report=use_cases.connector_status),
        **reservation.routes(report=use_cases.reservation_status),
    }
    return Version(name=NAME, subprotocol=SUBPROTOCOL, routes=routes, actions=ACTIONS)


def check(action: str, payload: bytes) -> None:
    """Return when an operator's raw call is one that a CSMS may send, its payload by the schema.

    Raises:
        InvalidOrder: ``field`` is ``action``, or names the field of the payload.
    """
    if action not in FROM_CSMS:
        raise InvalidOrder("action", f"OCPP {NAME} has no such action from a CSMS to a Charging Station")
    try:
        decode(payload, ACTIONS[action][0])
    except DecodeError as error:
        fault = from_validation(error)
        field = fault.details.get("field", "payload")
        raise InvalidOrder(field, fault.description.removeprefix(field).strip()) from error


@cache
def schemas() -> Mapping[str, bytes]:
    """Return the JSON Schema of the payload of every action that a CSMS may send, as JSON text, by action."""
    return {action: _schema(action) for action in sorted(FROM_CSMS)}


def _custom_data(kind: type) -> dict[str, Any]:
    if kind is not datatypes.CustomDataType:
        raise NotImplementedError
    vendor_id = {"type": "string", "maxLength": 255}
    return {"type": "object", "properties": {"vendorId": vendor_id}, "required": ["vendorId"]}


def _schema(action: str) -> bytes:
    request = ACTIONS[action][0]
    found = msgspec.json.schema(request, schema_hook=_custom_data)
    # The request itself stands at the top, what it refers to in $defs.
    defs = found.pop("$defs")
    for name, shape in defs.items():
        _mark_times(shape, request if name == request.__name__ else getattr(datatypes, name))
    top = defs.pop(request.__name__)
    return msgspec.json.encode({**top, "$defs": defs} if defs else top)


def _mark_times(shape: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    # Of a time that may lack its zone msgspec says that it is a string.
    for one in msgspec.structs.fields(kind):
        if datetime in (one.type, *get_args(one.type)):
            shape["properties"][one.encode_name]["format"] = "date-time"


def expect(connected: Connected, action: str, payload: bytes) -> None:
    """What this raw call asks for may come from now on, however the station is registered."""
    provisioning.expect(connected, action, payload)


class Payloads:
    """The port `RawPayloads` in OCPP 2.0.1."""

    def availability_change(self, payload: bytes) -> AvailabilityChange:
        """Of ChangeAvailability."""
        return availability.availability_change(payload)

    def remote_start(self, payload: bytes) -> RemoteStart:
        """Of RequestStartTransaction."""
        return transactions.remote_start(payload)

    def with_group(self, payload: bytes, group: IdToken) -> bytes:
        """RequestStartTransaction with this groupIdToken put in."""
        return transactions.with_group(payload, group)

    def sets_password(self, payload: bytes) -> bool:
        """Of SetVariables."""
        return provisioning.sets_password(payload)

    def variables(self, action: str, request: bytes, answer: bytes) -> list[Variable]:
        """Of GetVariables' or SetVariables' answer."""
        return provisioning.told_variables(action, request, answer)
