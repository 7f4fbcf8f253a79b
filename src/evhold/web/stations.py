"""/stations: look, provision, read capabilities and frames, call."""

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from evhold.domain.errors import StationUnknown
from evhold.domain.station import Location
from evhold.domain.variables import ACCEPTED
from evhold.usecases.operator_call import RawCall
from evhold.usecases.ports import CallAnswer, CallFailed, CallResult, NeverSent, NoAnswer
from evhold.usecases.provision import KEEP, PutStation
from evhold.usecases.queries import StationView
from evhold.web.dto import (
    ActionDto,
    CallQuery,
    CallResultDto,
    CapabilitiesPut,
    ListQuery,
    MessageDto,
    MessageQuery,
    StationPut,
)
from evhold.web.problems import Problem, unreadable
from evhold.web.request import (
    Req,
    body_of,
    caller_of,
    calls_of,
    from_cursor,
    next_link,
    number_from_cursor,
    path_of,
    query_of,
    reply,
)
from evhold.web.views import raw, stamp, station_dto


async def listed(request: Req) -> Response[bytes]:
    """GET /stations."""
    asked = query_of(request, ListQuery)
    found = await calls_of(request).stations.page(limit=asked.limit, after=from_cursor(asked.cursor))
    after = found[-1].station.id if found and len(found) == asked.limit else None
    free_only = caller_of(request).is_driver
    return reply([station_dto(one, free_only=free_only) for one in found], headers=next_link(request, after))


async def show(request: Req) -> Response[bytes]:
    """GET /stations/{stationId}."""
    return reply(station_dto(await _known(request), free_only=caller_of(request).is_driver))


async def put(request: Req) -> Response[bytes]:
    """PUT /stations/{stationId}."""
    calls = calls_of(request)
    body = await body_of(request, StationPut)
    order = _order(path_of(request, "stationId"), body)
    done = await calls.stations.put(order, who=caller_of(request).actor)
    password = UNSET if done.password is None else done.password
    shown = station_dto(await calls.stations.get(done.station.id), password=password)
    headers = {"Location": f"/api/v1/stations/{done.station.id}"} if done.is_new else {}
    return reply(shown, status=201 if done.is_new else 200, headers=headers)


def _order(station_id: str, body: StationPut) -> PutStation:
    place = body.location
    if not isinstance(place, UnsetType) and place is not None:
        location = Location(name=place.name, latitude=place.latitude, longitude=place.longitude)
    else:
        location = None
    return PutStation(
        station_id=station_id,
        password=KEEP if isinstance(body.password, UnsetType) else body.password,
        security_profile=KEEP if isinstance(body.security_profile, UnsetType) else body.security_profile,
        serial_number=KEEP if isinstance(body.serial_number, UnsetType) else body.serial_number,
        registration=KEEP if isinstance(body.registration, UnsetType) else body.registration,
        restore_after_boot=KEEP if isinstance(body.restore_after_boot, UnsetType) else body.restore_after_boot,
        location=KEEP if isinstance(place, UnsetType) else location,
    )


async def remove(request: Req) -> Response[bytes]:
    """DELETE /stations/{stationId}."""
    await calls_of(request).stations.remove(path_of(request, "stationId"), who=caller_of(request).actor)
    return Response(b"", status_code=204)


async def read_capabilities(request: Req) -> Response[bytes]:
    """POST /stations/{stationId}/capabilities."""
    calls = calls_of(request)
    station_id = (await _known(request)).station.id
    await calls.audit.note("read capabilities", who=caller_of(request).actor, station_id=station_id)
    outcome = await calls.stations.read_capabilities(station_id)
    if isinstance(outcome, CallFailed | NoAnswer | NeverSent):
        raise failure(outcome)
    return reply(station_dto(await calls.stations.get(station_id)))


async def switch_reservations(request: Req) -> Response[bytes]:
    """PUT /stations/{stationId}/capabilities."""
    calls = calls_of(request)
    body = await body_of(request, CapabilitiesPut)
    station_id = (await _known(request)).station.id
    outcome = await calls.stations.switch(station_id, enabled=body.enabled, who=caller_of(request).actor)
    if isinstance(outcome, CallFailed | NoAnswer | NeverSent):
        raise failure(outcome)
    if outcome != ACCEPTED:
        why = f"SetVariables ReservationCtrlr.Enabled: {outcome}"
        raise Problem("variable-refused", why, {"variable": "ReservationCtrlr.Enabled", "attributeStatus": outcome})
    return reply(station_dto(await calls.stations.get(station_id)))


async def actions(request: Req) -> Response[bytes]:
    """GET /calls."""
    schemas = calls_of(request).stations.schemas()
    return reply([ActionDto(action=action, schema=msgspec.Raw(text)) for action, text in schemas.items()])


async def messages(request: Req) -> Response[bytes]:
    """GET /stations/{stationId}/messages."""
    asked = query_of(request, MessageQuery)
    station_id = (await _known(request)).station.id
    before = number_from_cursor(asked.cursor)
    found = await calls_of(request).stations.messages(station_id, limit=asked.limit, before=before, after=asked.after)
    after = str(found[-1].number) if len(found) == asked.limit else None
    shown = [
        MessageDto(number=one.number, at=stamp(one.at), direction=one.direction, frame=raw(one.frame)) for one in found
    ]
    return reply(shown, headers=next_link(request, after))


async def call(request: Req) -> Response[bytes]:
    """POST /stations/{stationId}/calls/{action}."""
    force = query_of(request, CallQuery).force
    payload = await request.body() or b"{}"
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(error) from None
    order = RawCall(
        station_id=path_of(request, "stationId"),
        action=path_of(request, "action"),
        payload=payload,
        who=caller_of(request).actor,
        force=force,
    )
    outcome = await calls_of(request).stations.call(order)
    if isinstance(outcome, CallResult):
        return reply(CallResultDto(result=msgspec.Raw(outcome.payload)))
    raise failure(outcome)


def failure(outcome: CallAnswer) -> Problem:
    """How a call to a station failed."""
    match outcome:
        case CallFailed(code=code, description=description):
            return Problem("station-call-error", f"{code}: {description}", {"code": code, "description": description})
        case NoAnswer(reason=reason):
            return Problem("station-silent", f"no answer: {reason}", {"cause": reason})
        case NeverSent(reason="station-offline" as reason):
            return Problem("station-offline", "nothing was sent", {"cause": reason})
        case NeverSent(reason=reason):
            return Problem("station-busy", f"nothing was sent: {reason}", {"cause": reason})
        case CallResult():
            raise AssertionError("a result is no failure")


async def _known(request: Req) -> StationView:
    station_id = path_of(request, "stationId")
    if not station_id.strip():
        raise StationUnknown(station_id)
    return await calls_of(request).stations.get(station_id)
