"""/reservations: reserve, look, replace, cancel (H01, H02)."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace as replaced
from hashlib import blake2b
from typing import Final, TypeVar

from litestar import Response
from msgspec import Struct, UnsetType, json

from evhold.domain.errors import ReservationUnknown, StationUnknown
from evhold.domain.identity import Identity
from evhold.domain.reservation import Reservation
from evhold.domain.values import MAX_RESERVATION_ID, EvseId, StationId
from evhold.usecases.h01_reserve import UNCHANGED, ReplaceOrder, ReserveOrder, TermsPatch
from evhold.usecases.h02_cancel import Canceled, CancelOrder
from evhold.usecases.stores import IdempotentRequest, Remembered, ReservationFilter
from evhold.web import links
from evhold.web.answers import FULL, Reading, cancellation, outcome, replacement, shown
from evhold.web.calls import ReservationCalls
from evhold.web.dto import ReservationCreate, ReservationPatch, ReservationQuery, ReservationsWanted
from evhold.web.problems import MEDIA_TYPE, invalid
from evhold.web.request import (
    Caller,
    Req,
    body_of,
    caller_of,
    calls_of,
    forbidden,
    if_match_of,
    next_link,
    number_from_cursor,
    path_of,
    query_of,
    reply,
    wait_of,
)
from evhold.web.views import (
    id_token,
    maybe_id_token,
    reservation_dto,
    terms_of,
    time_of,
    transition_dto,
)


class _Versioned(Struct):
    version: int


T = TypeVar("T")
MAX_KEY: Final = 255


async def create(request: Req) -> Response[bytes]:
    """POST /reservations."""
    calls, caller = calls_of(request), caller_of(request)
    body = await body_of(request, ReservationCreate)
    order = await _order_of(request, body, caller=caller)
    reading = links.reading_with_link(request) if body.driver_link else FULL
    placed = await calls.reservations.place(order)
    if isinstance(placed, Remembered):
        return await _repeated(placed, calls.reservations, reading=reading)
    work = calls.orders.start(calls.reservations.ask(placed), name=f"reserve {placed.reservation.id}")
    reservation = await _within(work, wait_of(request)) or await calls.reservations.get(placed.reservation.id)
    answer = outcome(reservation, reading=reading)
    if order.request is not None:
        await _remember(order.request, answer, calls.reservations)
    return answer


async def _order_of(request: Req, body: ReservationCreate, *, caller: Caller) -> ReserveOrder:
    now = calls_of(request).clock.now()
    try:
        terms = terms_of(body)
    except OverflowError:
        raise invalid(("expiryDateTime", "is no date that can be told in UTC")) from None
    wrong = []
    if terms.evse_id is not None and terms.connector_type is not None:
        wrong.append(("connectorType", "give evseId or connectorType, not both"))
    if terms.expiry <= now:
        wrong.append(("expiryDateTime", "lies in the past"))
    if wrong:
        raise invalid(*wrong)
    if not caller.owns(terms.id_token):
        raise forbidden("a driver reserves for its own IdTokens only")
    if caller.is_driver and (body.force or body.notify):
        # What is called at an address is our doing: drivers have theirs stored by an operator.
        raise forbidden("force and notify are for operators")
    calls_of(request).check_notify(body.notify)
    return ReserveOrder(
        station_id=body.station_id,
        terms=terms,
        by=caller.by,
        force=body.force,
        request=await _idempotent(request, caller),
        notify=tuple(body.notify),
        link_base=str(request.base_url) if body.driver_link else None,
        who=caller.actor,
    )


async def _idempotent(request: Req, caller: Caller) -> IdempotentRequest | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise invalid(("Idempotency-Key", f"has 1 to {MAX_KEY} characters"))
    digest = blake2b(await request.body(), digest_size=32).digest()
    holder = caller.holder
    if isinstance(holder, Identity):
        # No key has the number 0; the digest keeps subjects apart.
        return IdempotentRequest(api_key_id=0, key=f"oidc:{holder.digest}:{key}", body_hash=digest)
    return IdempotentRequest(api_key_id=holder.id, key=key, body_hash=digest)


async def _within(work: Awaitable[T], seconds: float | None) -> T | None:
    """The result, or None when the caller does not want to wait that long: the work goes on."""
    if seconds is None:
        return await work
    try:
        return await asyncio.wait_for(asyncio.shield(work), seconds)
    except TimeoutError:
        return None


async def _remember(request: IdempotentRequest, answer: Response[bytes], calls: ReservationCalls) -> None:
    if answer.status_code == 503:
        # Nothing reached the station: the repeat that Retry-After invites shall run anew.
        await calls.forget(request)
    elif answer.status_code != 202:
        # A 202 is nothing to remember: its repeat gets the reservation as it is then.
        await calls.remember(request, status=answer.status_code or 200, body=answer.content)


async def _repeated(earlier: Remembered, calls: ReservationCalls, *, reading: Reading) -> Response[bytes]:
    """Design decision 4: the first answer again; after a 202, or none at all, the reservation as it is now."""
    if earlier.reservation_id is not None and earlier.status in (0, 202):
        return outcome(await calls.get(earlier.reservation_id), reading=reading)
    if earlier.reservation_id is not None and earlier.status == 201:
        version = json.decode(earlier.body, type=_Versioned).version
        headers = {"ETag": f'"{version}"', "Location": f"/api/v1/reservations/{earlier.reservation_id}"}
        return reply(earlier.body, status=201, headers=headers)
    media_type = MEDIA_TYPE if earlier.status >= 400 else "application/json"
    return Response(earlier.body, status_code=earlier.status, media_type=media_type)


async def listed(request: Req) -> Response[bytes]:
    """GET /reservations."""
    asked = query_of(request, ReservationQuery)
    wanted = replaced(await filter_of(request, asked), cursor=number_from_cursor(asked.cursor), limit=asked.limit)
    found, after = await calls_of(request).reservations.page(wanted, visible_to=caller_of(request).visible)
    headers = next_link(request, None if after is None else str(after))
    return reply([reservation_dto(one) for one in found], headers=headers)


async def filter_of(request: Req, asked: ReservationsWanted) -> ReservationFilter:
    """What the query asks for, from the beginning."""
    return ReservationFilter(
        station_id=None if asked.station_id is None else await stored_id(request, asked.station_id),
        states=tuple(asked.status),
        id_token_text=asked.id_token,
        evse_id=None if asked.evse_id is None else EvseId(asked.evse_id),
        start=asked.from_,
        end=asked.to,
    )


async def stored_id(request: Req, station_id: str) -> StationId:
    """The id as its station was provisioned with it, as ids are compared without case; a removed station's as it is."""
    try:
        return (await calls_of(request).stations.get(station_id)).station.id
    except StationUnknown:
        return StationId(station_id)


async def show(request: Req) -> Response[bytes]:
    """GET /reservations/{reservationId}."""
    return shown(await own(request))


async def history(request: Req) -> Response[bytes]:
    """GET /reservations/{reservationId}/history."""
    known = await own(request)
    return reply([transition_dto(row) for row in await calls_of(request).reservations.history(known.id)])


async def replace(request: Req) -> Response[bytes]:
    """PATCH /reservations/{reservationId}."""
    caller = caller_of(request)
    changes = _changes(await body_of(request, ReservationPatch), caller)
    order = ReplaceOrder(
        reservation_id=await _own_id(request),
        changes=changes,
        by=caller.by,
        if_match=if_match_of(request),
        who=caller.actor,
    )
    return await change(request, order)


async def change(request: Req, order: ReplaceOrder, *, reading: Reading = FULL) -> Response[bytes]:
    """The station is asked for the new terms; the request says how long it waits."""
    calls = calls_of(request)
    proposed = await calls.reservations.propose(order)
    work = calls.orders.start(calls.reservations.ask_replacement(proposed), name=f"replace {order.reservation_id}")
    replaced = await _within(work, wait_of(request))
    if replaced is None:
        return shown(await calls.reservations.get(order.reservation_id), status=202, reading=reading)
    return replacement(replaced, reading=reading)


def _changes(body: ReservationPatch, caller: Caller) -> TermsPatch:
    if isinstance(body.evse_id, int) and isinstance(body.connector_type, str):
        raise invalid(("connectorType", "give evseId or connectorType, not both"))
    if not isinstance(body.id_token, UnsetType) and not caller.owns(id_token(body.id_token)):
        raise forbidden("a driver reserves for its own IdTokens only")
    try:
        expiry = UNCHANGED if isinstance(body.expiry_date_time, UnsetType) else time_of(body.expiry_date_time)
    except OverflowError:
        raise invalid(("expiryDateTime", "is no date that can be told in UTC")) from None
    evse, group = body.evse_id, body.group_id_token
    return TermsPatch(
        expiry=expiry,
        evse_id=UNCHANGED if isinstance(evse, UnsetType) else None if evse is None else EvseId(evse),
        connector_type=UNCHANGED if isinstance(body.connector_type, UnsetType) else body.connector_type,
        id_token=UNCHANGED if isinstance(body.id_token, UnsetType) else id_token(body.id_token),
        group_id_token=UNCHANGED if isinstance(group, UnsetType) else maybe_id_token(group),
    )


async def cancel(request: Req) -> Response[bytes]:
    """DELETE /reservations/{reservationId}."""
    return await withdraw(request, await _cancel_order(request))


async def withdraw(request: Req, order: CancelOrder, *, reading: Reading = FULL) -> Response[bytes]:
    """The station is asked to cancel, now or as soon as it can be; the request says how long it waits."""
    calls = calls_of(request)
    wished = await calls.reservations.wish(order)
    if wished.ask is None:
        return cancellation(Canceled(wished.reservation), reading=reading)
    work = calls.orders.start(calls.reservations.ask_cancel(wished), name=f"cancel {order.reservation_id}")
    canceled = await _within(work, wait_of(request))
    known = canceled or Canceled(await calls.reservations.get(order.reservation_id))
    return cancellation(known, reading=reading)


async def keep(request: Req) -> Response[bytes]:
    """DELETE /reservations/{reservationId}/cancel-request."""
    return shown(await calls_of(request).reservations.keep(await _cancel_order(request)))


async def ask(request: Req) -> Response[bytes]:
    """POST /reservations/{reservationId}/ask: the answer does not wait for the station's."""
    return shown(await calls_of(request).reservations.hasten(await _cancel_order(request)), status=202)


async def _cancel_order(request: Req) -> CancelOrder:
    caller = caller_of(request)
    return CancelOrder(
        reservation_id=await _own_id(request), by=caller.by, if_match=if_match_of(request), who=caller.actor
    )


async def own(request: Req) -> Reservation:
    """The reservation of the address; others' are unknown to a driver."""
    return await calls_of(request).reservations.get(_number(request), visible_to=caller_of(request).visible)


async def _own_id(request: Req) -> int:
    """Its number. Whoever may see all has the order itself say that there is none."""
    return (await own(request)).id if caller_of(request).is_driver else _number(request)


def _number(request: Req) -> int:
    number = int(path_of(request, "reservationId"))
    if not 1 <= number <= MAX_RESERVATION_ID:
        raise ReservationUnknown(number)
    return number
