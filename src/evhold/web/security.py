"""Security events, and the change of a station's password."""

from litestar import Response
from msgspec import UNSET, UnsetType

from evhold.domain.errors import StationUnknown
from evhold.domain.security import SecurityEvent
from evhold.usecases.a01_password import Changed, NotTaken, Taken
from evhold.web.problems import Problem
from evhold.web.request import (
    Req,
    body_of,
    caller_of,
    calls_of,
    next_link,
    number_from_cursor,
    path_of,
    query_of,
    reply,
)
from evhold.web.security_dto import PasswordDto, PasswordPost, SecurityEventDto, SecurityQuery
from evhold.web.stations import failure
from evhold.web.views import maybe_stamp, stamp


async def of_all(request: Req) -> Response[bytes]:
    """GET /security-events."""
    return await _page(request, None)


async def of_station(request: Req) -> Response[bytes]:
    """GET /stations/{stationId}/security-events."""
    return await _page(request, _named(request))


async def _page(request: Req, station_id: str | None) -> Response[bytes]:
    asked = query_of(request, SecurityQuery)
    limit = asked.limit
    before = number_from_cursor(asked.cursor)
    found = await calls_of(request).stations.security_events(station_id, limit=limit, before=before)
    after = str(found[-1].number) if len(found) == limit else None
    return reply([_dto(one) for one in found], headers=next_link(request, after))


async def change_password(request: Req) -> Response[bytes]:
    """POST /stations/{stationId}/password."""
    body = await body_of(request, PasswordPost)
    given = None if isinstance(body.password, UnsetType) else body.password
    change = calls_of(request).stations.change_password
    done = await change(_named(request), given, who=caller_of(request).actor)
    if isinstance(done, NotTaken):
        why = f"SetVariables SecurityCtrlr.BasicAuthPassword: {done.status}; what was valid before stays valid"
        more: dict[str, object] = {"variable": "SecurityCtrlr.BasicAuthPassword", "attributeStatus": done.status}
        raise Problem("variable-refused", why, more)
    if not isinstance(done, Changed):
        raise failure(done)
    password = UNSET if done.password is None else done.password
    shown = PasswordDto(station_id=done.station_id, status=done.taken.value, password=password)
    return reply(shown, status=200 if done.taken is Taken.ACCEPTED else 202)


def _named(request: Req) -> str:
    station_id = path_of(request, "stationId")
    if not station_id.strip():
        raise StationUnknown(station_id)
    return station_id


def _dto(event: SecurityEvent) -> SecurityEventDto:
    return SecurityEventDto(
        number=event.number,
        station_id=event.station_id,
        type=event.type,
        origin=event.origin.value,
        at=stamp(event.at),
        told_at=maybe_stamp(event.told_at),
        tech_info=event.tech_info,
        remote=event.remote,
        count=event.count,
    )
