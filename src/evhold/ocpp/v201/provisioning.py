"""Block B: boot, heartbeat, variables, reports; and TriggerMessage, which asks for any of them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast

from msgspec import UNSET, DecodeError, Struct, UnsetType

from evhold.domain.errors import SerialNumberMismatch
from evhold.domain.values import EvseId, StationId
from evhold.domain.variables import ReportRow, Variable
from evhold.ocpp.calls import RawCalls
from evhold.ocpp.router import Context, Route
from evhold.ocpp.rpc.errors import SecurityError
from evhold.ocpp.rpc.payload import wire_time
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.datatypes import (
    ComponentType,
    EVSEType,
    GetVariableDataType,
    GetVariableResultType,
    MessageTriggerEnumType,
    ReportDataType,
    SetVariableDataType,
    SetVariableResultType,
    VariableType,
)
from evhold.ocpp.v201.messages import (
    BootNotificationRequest,
    BootNotificationResponse,
    GetBaseReportRequest,
    GetBaseReportResponse,
    GetVariablesRequest,
    GetVariablesResponse,
    HeartbeatRequest,
    NotifyReportRequest,
    SetVariablesRequest,
    SetVariablesResponse,
    TriggerMessageRequest,
    TriggerMessageResponse,
    decode,
    encode,
)
from evhold.usecases.b01_boot import Boot, BootAnswer
from evhold.usecases.b07_base_report import Report
from evhold.usecases.ports import CallFailed, Connected, Ids, NeverSent, NoAnswer

#: `b01_boot.heartbeat` and `b07_base_report.learn`, bound.
Heartbeat: TypeAlias = Callable[[Connected], datetime]
LearnReport: TypeAlias = Callable[[Report, Connected], Awaitable[None]]

_ACTUAL: Final = "Actual"

A = TypeVar("A", bound=Struct)


class BootStation(Protocol):
    """`b01_boot.boot`, bound."""

    def __call__(self, boot: Boot, connected: Connected, /, *, heard_at: datetime) -> Awaitable[BootAnswer]: ...


def routes(*, boot: BootStation, heartbeat: Heartbeat, learn_report: LearnReport) -> dict[str, Route[Any, Any]]:
    """Return the routes of block B."""

    async def boot_notification(request: BootNotificationRequest, context: Context) -> BootNotificationResponse:
        # B01, B02, B03: Accepted, Pending or Rejected, as the station was provisioned.
        try:
            answer = await boot(_boot(request), context, heard_at=context.heard_at)
        except SerialNumberMismatch as error:
            raise SecurityError(str(error)) from error
        return BootNotificationResponse(
            current_time=answer.current_time, interval=int(answer.interval.total_seconds()), status=answer.status.value
        )

    def heartbeat_(request: HeartbeatRequest, context: Context) -> datetime:
        return heartbeat(context)

    async def notify_report(request: NotifyReportRequest, context: Context) -> None:
        rows = () if isinstance(request.report_data, UnsetType) else tuple(_rows(request.report_data))
        report = Report(request_id=request.request_id, rows=rows, is_last=not convert.known(request.tbc))
        await learn_report(report, context)

    return {
        "BootNotification": convert.route("BootNotification", boot_notification),
        "Heartbeat": replace(convert.route("Heartbeat", heartbeat_), encode=_current_time),
        "NotifyReport": convert.route("NotifyReport", notify_report),
    }


def _current_time(at: object) -> bytes:
    """Return a HeartbeatResponse: of every message the most frequent, so it goes by no struct."""
    assert isinstance(at, datetime)
    return b'{"currentTime":"%s"}' % wire_time(at).encode()


def _boot(request: BootNotificationRequest) -> Boot:
    station = request.charging_station
    return Boot(
        vendor_name=station.vendor_name,
        model=station.model,
        reason=request.reason,
        firmware_version=convert.known(station.firmware_version),
        serial_number=convert.known(station.serial_number),
    )


def _rows(report_data: Iterable[ReportDataType]) -> Iterator[ReportRow]:
    """Yield one row for each Actual attribute; instances are left out, as nothing that is kept has any."""
    for data in report_data:
        if data.component.instance is not UNSET or data.variable.instance is not UNSET:
            continue
        evse_id, connector_id = convert.evse(data.component.evse)
        for attribute in data.variable_attribute:
            if attribute.type in (UNSET, _ACTUAL):
                yield ReportRow(
                    component=data.component.name,
                    variable=data.variable.name,
                    value=convert.known(attribute.value),
                    evse_id=evse_id,
                    connector_id=connector_id,
                )


class Provisioning:
    """The ports `Variables` and `Requests` in OCPP 2.0.1."""

    def __init__(self, calls: RawCalls, *, ids: Ids) -> None:
        self._calls = calls
        self._ids = ids

    async def get(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """Return the variables as the station told them (B06), or how the call ended."""
        if not wanted:
            return []
        data = tuple(GetVariableDataType(component=_component(one), variable=_variable(one)) for one in wanted)
        request = GetVariablesRequest(get_variable_data=data)
        outcome = await self._ask(station_id, "GetVariables", request, GetVariablesResponse)
        return _got(outcome.get_variable_result) if isinstance(outcome, GetVariablesResponse) else outcome

    async def set(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """Return each variable's status, with the value that was asked for (B05), or how the call ended."""
        if not wanted:
            return []
        data = tuple(
            SetVariableDataType(component=_component(one), variable=_variable(one), attribute_value=one.value or "")
            for one in wanted
        )
        outcome = await self._ask(
            station_id, "SetVariables", SetVariablesRequest(set_variable_data=data), SetVariablesResponse
        )
        return _set(data, outcome.set_variable_result) if isinstance(outcome, SetVariablesResponse) else outcome

    async def get_base_report(self, connected: Connected, request_id: int) -> bool:
        """Return whether the station will report its full inventory (B07)."""
        request = GetBaseReportRequest(request_id=request_id, report_base="FullInventory")
        outcome = await self._ask(connected.station_id, "GetBaseReport", request, GetBaseReportResponse)
        return isinstance(outcome, GetBaseReportResponse) and outcome.status == "Accepted"

    async def trigger_message(
        self, connected: Connected, message: str, *, evse_id: EvseId | None = None, connector_id: int | None = None
    ) -> bool:
        """Return whether the station will send this message (F06); until it says no, it may, however it is registered."""
        evse = EVSEType(id=evse_id, connector_id=UNSET if connector_id is None else connector_id) if evse_id else UNSET
        request = TriggerMessageRequest(requested_message=cast(MessageTriggerEnumType, message), evse=evse)
        # B02, B03: the message may come before the answer.
        connected.triggered.add(message)
        outcome = await self._ask(connected.station_id, "TriggerMessage", request, TriggerMessageResponse)
        will_come = isinstance(outcome, TriggerMessageResponse) and outcome.status == "Accepted"
        if isinstance(outcome, TriggerMessageResponse | CallFailed | NeverSent) and not will_come:
            connected.triggered.discard(message)
        return will_come

    async def _ask(
        self, station_id: StationId, action: str, request: Struct, kind: type[A]
    ) -> A | CallFailed | NoAnswer | NeverSent:
        answer = await self._calls.call(station_id, action, encode(request), message_id=self._ids.message_id())
        return convert.answer_of(answer, kind)


def expect(connected: Connected, action: str, payload: bytes) -> None:
    """What a raw call asks for may come from now on, however the station is registered. Its payload was checked before.

    Requirements: B02, B03
    """
    if action == "TriggerMessage":
        requested = decode(payload, TriggerMessageRequest).requested_message
        # The three certificates that can be asked for all come as one action.
        connected.triggered.add("SignCertificate" if requested.startswith("Sign") else requested)
    elif action == "GetBaseReport":
        request = decode(payload, GetBaseReportRequest)
        if request.report_base == "FullInventory":
            connected.expected_reports.add(request.request_id)
        connected.triggered.add("NotifyReport")
    elif action == "GetReport":
        connected.triggered.add("NotifyReport")


def sets_password(payload: bytes) -> bool:
    """Return whether a SetVariables, checked before, sets the password of Basic auth."""
    wanted = decode(payload, SetVariablesRequest).set_variable_data
    return any(one.variable.name.casefold() == "basicauthpassword" for one in wanted)


def told_variables(action: str, request: bytes, answer: bytes) -> list[Variable]:
    """Return what the answer to a raw GetVariables or SetVariables says; empty for any other, or one that can't be read."""
    try:
        if action == "GetVariables":
            return _got(decode(answer, GetVariablesResponse).get_variable_result)
        if action == "SetVariables":
            wanted = decode(request, SetVariablesRequest).set_variable_data
            return _set(wanted, decode(answer, SetVariablesResponse).set_variable_result)
    except DecodeError:
        pass
    return []


def _component(variable: Variable) -> ComponentType:
    return ComponentType(name=variable.component)


def _variable(variable: Variable) -> VariableType:
    return VariableType(name=variable.variable)


def _is_actual(one: GetVariableResultType | SetVariableResultType | SetVariableDataType) -> bool:
    """Return whether this is an Actual attribute of a variable that needs no instance or EVSE to be named."""
    named = (one.component.instance, one.component.evse, one.variable.instance)
    return one.attribute_type in (UNSET, _ACTUAL) and all(part is UNSET for part in named)


def _got(results: Iterable[GetVariableResultType]) -> list[Variable]:
    return [
        Variable(
            component=one.component.name,
            variable=one.variable.name,
            value=convert.known(one.attribute_value),
            status=one.attribute_status,
        )
        for one in results
        if _is_actual(one)
    ]


def _set(wanted: Iterable[SetVariableDataType], results: Iterable[SetVariableResultType]) -> list[Variable]:
    values = {_key(one): one.attribute_value for one in wanted if _is_actual(one)}
    return [
        Variable(
            component=one.component.name,
            variable=one.variable.name,
            value=values.get(_key(one)),
            status=one.attribute_status,
        )
        for one in results
        if _is_actual(one)
    ]


def _key(one: SetVariableDataType | SetVariableResultType) -> tuple[str, str]:
    return one.component.name.casefold(), one.variable.name.casefold()
