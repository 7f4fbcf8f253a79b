"""What the station answers to the CSMS's CALLs, one function an action. Whatever else they cause goes to the outbox."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType

from evhold.ocpp.rpc.errors import NotImplemented_, from_validation
from evhold.ocpp.rpc.payload import decode
from evhold.ocpp.v201.datatypes import StatusInfoType
from evhold.ocpp.v201.messages import (
    CancelReservationRequest,
    CancelReservationResponse,
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
    GetBaseReportRequest,
    GetBaseReportResponse,
    GetVariablesRequest,
    GetVariablesResponse,
    HeartbeatRequest,
    RequestStartTransactionRequest,
    RequestStartTransactionResponse,
    RequestStopTransactionRequest,
    RequestStopTransactionResponse,
    ReserveNowRequest,
    ReserveNowResponse,
    ResetRequest,
    ResetResponse,
    SetVariablesRequest,
    SetVariablesResponse,
    TriggerMessageRequest,
    TriggerMessageResponse,
)
from evhold.simulator.inventory import base_report, get_variable, set_variable
from evhold.simulator.outbox import Outgoing
from evhold.simulator.reader import Swipe, evse_of_choice
from evhold.simulator.reservations import Verdict, is_reserved, judge, matching
from evhold.simulator.state import Evse, Reservation
from evhold.simulator.station import Station
from evhold.simulator.transactions import RESET, STOPPED_REMOTELY

T = TypeVar("T")


def answer(station: Station, action: str, payload: bytes | Raw, *, now: datetime) -> tuple[Struct, Struct]:
    """Carry out a CALL of the CSMS.

    Returns:
        The request as read, and the response to send. Messages that it causes are in the outbox, to be sent after the response.

    Raises:
        RpcError: To be sent as CALLERROR; nothing has changed.
    """
    if action not in _ROUTES:
        raise NotImplemented_()
    kind, serve = _ROUTES[action]
    try:
        request = decode(payload, kind)
    except DecodeError as error:
        raise from_validation(error) from error
    return request, serve(station, request, now)


def _reserve_now(station: Station, request: ReserveNowRequest, now: datetime) -> ReserveNowResponse:
    if station.options.available is False:
        raise NotImplemented_()  # H01.FR.01: the block is not there at all
    if station.enabled is False:
        return _reserve_answer(Verdict("Rejected", "reservations are not enabled"))
    wanted = _reservation(request)
    held = station.state.reservations
    if wanted.id in held and station.options.misbehaviour.rejects_same_id:
        return _reserve_answer(Verdict("Rejected", "the id is in use"))
    # H01.FR.02: the same id replaces; the old terms do not stand in the way of the new ones.
    old = dict(held)
    held.pop(wanted.id, None)
    verdict = judge(station.state, wanted, now=now, non_evse_specific=bool(station.options.non_evse_specific))
    if verdict.status == "Accepted":
        held[wanted.id] = wanted
    elif not station.options.misbehaviour.drops_on_refused_replace:
        held.clear()
        held.update(old)
    station.changed(now)
    return _reserve_answer(verdict)


def _reservation(request: ReserveNowRequest) -> Reservation:
    expires = request.expiry_date_time
    return Reservation(
        id=request.id,
        token=request.id_token,
        expires=expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires.astimezone(UTC),
        evse_id=_or_none(request.evse_id),
        connector_type=_or_none(request.connector_type),
        group=_or_none(request.group_id_token),
    )


def _reserve_answer(verdict: Verdict) -> ReserveNowResponse:
    info = StatusInfoType(reason_code="", additional_info=verdict.reason) if verdict.reason else UNSET
    return ReserveNowResponse(status=verdict.status, status_info=info)


def _cancel(station: Station, request: CancelReservationRequest, now: datetime) -> CancelReservationResponse:
    if station.options.available is False:
        raise NotImplemented_()
    if station.state.reservations.pop(request.reservation_id, None) is None:
        return CancelReservationResponse(status="Rejected")  # H02.FR.01
    station.changed(now)  # H02.FR.04, H02.FR.06
    return CancelReservationResponse(status="Accepted")


def _start(station: Station, request: RequestStartTransactionRequest, now: datetime) -> RequestStartTransactionResponse:
    group = _or_none(request.group_id_token)
    evse_id = _or_none(request.evse_id)
    chosen = evse_of_choice(station.state, request.id_token, group=group) if evse_id is None else None
    evse = chosen if evse_id is None else station.state.evses.get(evse_id)
    if evse is None or not evse.in_service or evse.token is not None:
        return RequestStartTransactionResponse(status="Rejected")
    reservation = matching(station.state, evse, token=request.id_token, group=group)
    if reservation is None and is_reserved(station.state, evse):
        return RequestStartTransactionResponse(status="Rejected")  # F01.FR.21, F01.FR.22
    swipe = Swipe(request.id_token, remote_start_id=request.remote_start_id)
    transaction_id = UNSET if evse.transaction is None else evse.transaction.id
    if station.options.authorize_remote_start:
        station.authorize(evse, swipe, now=now)
    else:
        station.accept(evse, swipe, reservation, now=now)
    return RequestStartTransactionResponse(status="Accepted", transaction_id=transaction_id)


def _stop(station: Station, request: RequestStopTransactionRequest, now: datetime) -> RequestStopTransactionResponse:
    for evse in station.state.evses.values():
        if evse.transaction is not None and evse.transaction.id == request.transaction_id:
            station.end_transaction(evse, STOPPED_REMOTELY, now=now)
            return RequestStopTransactionResponse(status="Accepted")
    return RequestStopTransactionResponse(status="Rejected")


def _change_availability(
    station: Station, request: ChangeAvailabilityRequest, now: datetime
) -> ChangeAvailabilityResponse:
    operative = request.operational_status == "Operative"
    if request.evse is UNSET:
        evses = list(station.state.evses.values())
    elif (evse := station.state.evses.get(request.evse.id)) is None:
        return ChangeAvailabilityResponse(status="Rejected")
    elif request.evse.connector_id is not UNSET:
        return _change_connector(station, evse, request.evse.connector_id, operative, now=now)
    else:
        evses = [evse]
    at_once = station.set_operative(evses, operative, now=now)
    return ChangeAvailabilityResponse(status="Accepted" if at_once else "Scheduled")


def _change_connector(
    station: Station, evse: Evse, connector_id: int, operative: bool, *, now: datetime
) -> ChangeAvailabilityResponse:
    for connector in evse.connectors:
        if connector.id == connector_id and (operative or evse.transaction is None):
            connector.operative = operative
            station.changed(now)
            return ChangeAvailabilityResponse(status="Accepted")
    return ChangeAvailabilityResponse(status="Rejected")


def _trigger(station: Station, request: TriggerMessageRequest, now: datetime) -> TriggerMessageResponse:
    match request.requested_message:
        case "BootNotification":
            station.boot("Triggered", now=now)
        case "Heartbeat":
            station.outbox.put(Outgoing("Heartbeat", HeartbeatRequest(), asked=True), now=now)
        case "StatusNotification":
            evses = list(station.state.evses.values())
            evse = _or_none(request.evse)
            for one in evses if evse is None else [e for e in evses if e.id == evse.id]:
                for connector in one.connectors:
                    if evse is None or evse.connector_id in (UNSET, connector.id):
                        station.reporter.status_notification(one, connector, now=now)
        case _:
            return TriggerMessageResponse(status="NotImplemented")
    return TriggerMessageResponse(status="Accepted")


def _reset(station: Station, request: ResetRequest, now: datetime) -> ResetResponse:
    if request.evse_id is not UNSET:
        evse = station.state.evses.get(request.evse_id)
        if evse is None:
            return ResetResponse(status="Rejected")
        station.end_transaction(evse, RESET, now=now)
        return ResetResponse(status="Accepted")
    station.reboot_asked = "RemoteReset" if request.type == "Immediate" else "ScheduledReset"
    busy = any(evse.transaction is not None for evse in station.state.evses.values())
    return ResetResponse(status="Scheduled" if busy and request.type == "OnIdle" else "Accepted")


def _get_variables(station: Station, request: GetVariablesRequest, _: datetime) -> GetVariablesResponse:
    results = tuple(get_variable(station, asked) for asked in request.get_variable_data)
    return GetVariablesResponse(get_variable_result=results)


def _set_variables(station: Station, request: SetVariablesRequest, _: datetime) -> SetVariablesResponse:
    results = tuple(set_variable(station, wanted) for wanted in request.set_variable_data)
    return SetVariablesResponse(set_variable_result=results)


def _get_base_report(station: Station, request: GetBaseReportRequest, now: datetime) -> GetBaseReportResponse:
    base_report(station, request.request_id, now=now)
    return GetBaseReportResponse(status="Accepted")


def _or_none(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


Q = TypeVar("Q", bound=Struct)
Route = tuple[type[Struct], Callable[[Station, Struct, datetime], Struct]]


def _route(kind: type[Q], serve: Callable[[Station, Q, datetime], Struct]) -> Route:
    def checked(station: Station, request: Struct, now: datetime) -> Struct:
        assert isinstance(request, kind)
        return serve(station, request, now)

    return kind, checked


_ROUTES: dict[str, Route] = {
    "ReserveNow": _route(ReserveNowRequest, _reserve_now),
    "CancelReservation": _route(CancelReservationRequest, _cancel),
    "RequestStartTransaction": _route(RequestStartTransactionRequest, _start),
    "RequestStopTransaction": _route(RequestStopTransactionRequest, _stop),
    "ChangeAvailability": _route(ChangeAvailabilityRequest, _change_availability),
    "TriggerMessage": _route(TriggerMessageRequest, _trigger),
    "Reset": _route(ResetRequest, _reset),
    "GetVariables": _route(GetVariablesRequest, _get_variables),
    "SetVariables": _route(SetVariablesRequest, _set_variables),
    "GetBaseReport": _route(GetBaseReportRequest, _get_base_report),
}
