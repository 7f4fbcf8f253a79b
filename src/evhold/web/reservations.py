"""/reservations: reserve, look, replace, cancel (H01, H02)."""

import asyncio
from collections.abc import Awaitable
from hashlib import blake2b
from typing import Final, TypeVar

from litestar import Response
from msgspec import Struct, UnsetType, json

from evhold.domain.errors import ReservationUnknown, StationUnknown
from evhold.domain.facts import Accepted, Errored, NeverLeft, Refused
from evhold.domain.reservation import Phase, Reservation, State
from evhold.domain.values import MAX_RESERVATION_ID, EvseId, StationId
from evhold.usecases.h01_reserve import UNCHANGED, Placed, Replaced, ReplaceOrder, ReserveOrder, TermsPatch
from evhold.usecases.h02_cancel import Canceled, CancelOrder
from evhold.usecases.stores import IdempotentRequest, Remembered, ReservationFilter
from evhold.web.calls import ReservationCalls
from evhold.web.dto import ReservationCreate, ReservationPatch, ReservationQuery
from evhold.web.problems import MEDIA_TYPE, Problem, invalid
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
    status_info_dto,
    terms_of,
    time_of,
    transition_dto,
)


class _Versioned(Struct):
    version: int


T = TypeVar("T")
MAX_KEY: Final = 255
_NOT_SENT: Final = {
    "station-offline": "station-offline",
    "station-busy": "station-busy",
    "expired-in-queue": "station-busy",
}


async def create(request: Req) -> Response[bytes]:
    """POST /reservations."""
    calls, caller = calls_of(request), caller_of(request)
    order = await _order_of(request, caller)
    outcome = await calls.reservations.place(order)
    if isinstance(outcome, Remembered):
        return await _repeated(outcome, calls.reservations)
    work = calls.orders.start(calls.reservations.ask(outcome), name=f"reserve {outcome.reservation.id}")
    reservation = await _within(work, wait_of(request))
    answer = await _answered(outcome, reservation, calls.reservations)
    if order.request is not None:
        await _remember(order.request, answer, calls.reservations)
    return answer


async def _order_of(request: Req, caller: Caller) -> ReserveOrder:
    body = await body_of(request, ReservationCreate)
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
        raise forbidden("this key reserves for its own IdTokens only")
    if body.force and caller.is_driver:
        raise forbidden("force is for operators")
    return ReserveOrder(
        station_id=body.station_id,
        terms=terms,
        by=caller.by,
        force=body.force,
        request=await _idempotent(request, caller),
    )


async def _idempotent(request: Req, caller: Caller) -> IdempotentRequest | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise invalid(("Idempotency-Key", f"has 1 to {MAX_KEY} characters"))
    digest = blake2b(await request.body(), digest_size=32).digest()
    return IdempotentRequest(api_key_id=caller.key.id, key=key, body_hash=digest)


async def _within(work: Awaitable[T], seconds: float | None) -> T | None:
    """The result, or None when the caller does not want to wait that long: the work goes on."""
    if seconds is None:
        return await work
    try:
        return await asyncio.wait_for(asyncio.shield(work), seconds)
    except TimeoutError:
        return None


async def _answered(placed: Placed, reservation: Reservation | None, calls: ReservationCalls) -> Response[bytes]:
    known = reservation if reservation is not None else await calls.get(placed.reservation.id)
    return _outcome(known)


def _outcome(reservation: Reservation) -> Response[bytes]:
    """What a POST is answered for a reservation in this state."""
    if reservation.was_active or reservation.accepted_kept or reservation.state is State.ACTIVE:
        return shown(reservation, status=201)
    if reservation.state in (State.PENDING, State.UNCONFIRMED):
        return shown(reservation, status=202)
    if reservation.state is State.USED:
        return shown(reservation, status=201)
    return _refusal(reservation).response()


def _refusal(reservation: Reservation) -> Problem:
    """Why the reservation never came to be."""
    more: dict[str, object] = {"reservation": reservation_dto(reservation)}
    if reservation.state is State.REFUSED:
        more |= {"ocppStatus": reservation.ocpp_status, "statusInfo": status_info_dto(reservation.status_info)}
        return Problem("reservation-refused", f"ReserveNow: {reservation.ocpp_status or reservation.cause}", more)
    if reservation.state is State.FAILED:
        cause = reservation.cause or ""
        return Problem(_NOT_SENT.get(cause, "station-silent"), f"the reservation failed: {cause}", more)
    return Problem("reservation-ended", f"the reservation was {reservation.state} before the station answered", more)


async def _remember(request: IdempotentRequest, answer: Response[bytes], calls: ReservationCalls) -> None:
    if answer.status_code == 503:
        # Nothing reached the station: the repeat that Retry-After invites shall run anew.
        await calls.forget(request)
    elif answer.status_code != 202:
        # A 202 is nothing to remember: its repeat gets the reservation as it is then.
        await calls.remember(request, status=answer.status_code or 200, body=answer.content)


async def _repeated(earlier: Remembered, calls: ReservationCalls) -> Response[bytes]:
    """Design decision 4: the first answer again; after a 202, or none at all, the reservation as it is now."""
    if earlier.reservation_id is not None and earlier.status in (0, 202):
        return _outcome(await calls.get(earlier.reservation_id))
    if earlier.reservation_id is not None and earlier.status == 201:
        version = json.decode(earlier.body, type=_Versioned).version
        headers = {"ETag": f'"{version}"', "Location": f"/api/v1/reservations/{earlier.reservation_id}"}
        return reply(earlier.body, status=201, headers=headers)
    media_type = MEDIA_TYPE if earlier.status >= 400 else "application/json"
    return Response(earlier.body, status_code=earlier.status, media_type=media_type)


async def listed(request: Req) -> Response[bytes]:
    """GET /reservations."""
    asked = query_of(request, ReservationQuery)
    wanted = ReservationFilter(
        station_id=None if asked.station_id is None else await _stored_id(request, asked.station_id),
        states=tuple(asked.status),
        id_token_text=asked.id_token,
        evse_id=None if asked.evse_id is None else EvseId(asked.evse_id),
        start=asked.from_,
        end=asked.to,
        cursor=number_from_cursor(asked.cursor),
        limit=asked.limit,
    )
    found, after = await calls_of(request).reservations.page(wanted, visible_to=caller_of(request).visible)
    headers = next_link(request, None if after is None else str(after))
    return reply([reservation_dto(one) for one in found], headers=headers)


async def _stored_id(request: Req, station_id: str) -> StationId:
    """The id as its station was provisioned with it, as ids are compared without case; a removed station's as it is."""
    try:
        return (await calls_of(request).stations.get(station_id)).station.id
    except StationUnknown:
        return StationId(station_id)


async def show(request: Req) -> Response[bytes]:
    """GET /reservations/{reservationId}."""
    return shown(await _own(request))


async def history(request: Req) -> Response[bytes]:
    """GET /reservations/{reservationId}/history."""
    known = await _own(request)
    return reply([transition_dto(row) for row in await calls_of(request).reservations.history(known.id)])


async def replace(request: Req) -> Response[bytes]:
    """PATCH /reservations/{reservationId}."""
    calls, caller = calls_of(request), caller_of(request)
    changes = _changes(await body_of(request, ReservationPatch), caller)
    known = await _own(request)
    order = ReplaceOrder(reservation_id=known.id, changes=changes, by=caller.by, if_match=if_match_of(request))
    proposed = await calls.reservations.propose(order)
    work = calls.orders.start(calls.reservations.ask_replacement(proposed), name=f"replace {known.id}")
    replaced = await _within(work, wait_of(request))
    if replaced is None:
        return shown(await calls.reservations.get(known.id), status=202)
    return _replacement(replaced)


def _changes(body: ReservationPatch, caller: Caller) -> TermsPatch:
    if isinstance(body.evse_id, int) and isinstance(body.connector_type, str):
        raise invalid(("connectorType", "give evseId or connectorType, not both"))
    if not isinstance(body.id_token, UnsetType) and not caller.owns(id_token(body.id_token)):
        raise forbidden("this key reserves for its own IdTokens only")
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


def _replacement(replaced: Replaced) -> Response[bytes]:
    reservation, answer = replaced.reservation, replaced.answer
    more: dict[str, object] = {"reservation": reservation_dto(reservation)}
    # Row 23: a report of the old terms may have come meanwhile.
    left = "the old terms are kept" if reservation.is_live else f"the reservation has ended: {reservation.state}"
    match answer:
        case Accepted():
            return shown(reservation)
        case Refused(status=status, status_info=info):
            more |= {"ocppStatus": status, "statusInfo": status_info_dto(info)}
            return Problem("reservation-refused", f"ReserveNow: {status}; {left}", more).response()
        case Errored(code=code) if answer.proves_non_execution:
            more |= {"ocppStatus": None, "statusInfo": None, "code": code}
            return Problem("reservation-refused", f"ReserveNow: {code}; {left}", more).response()
        case NeverLeft(reason=reason):
            return Problem(_NOT_SENT.get(reason, "station-offline"), f"nothing was sent: {reason}", more).response()
        case _:
            return shown(reservation, status=202)


async def cancel(request: Req) -> Response[bytes]:
    """DELETE /reservations/{reservationId}."""
    calls, caller = calls_of(request), caller_of(request)
    known = await _own(request)
    wished = await calls.reservations.wish(
        CancelOrder(reservation_id=known.id, by=caller.by, if_match=if_match_of(request))
    )
    if wished.ask is None:
        return _cancellation(Canceled(wished.reservation))
    work = calls.orders.start(calls.reservations.ask_cancel(wished), name=f"cancel {known.id}")
    canceled = await _within(work, wait_of(request))
    return _cancellation(canceled or Canceled(await calls.reservations.get(known.id)))


def _cancellation(canceled: Canceled) -> Response[bytes]:
    reservation, error = canceled.reservation, canceled.error
    if error is not None and (reservation.no_retract or reservation.cancel_requested_at is None):
        more = {"code": error.code, "description": error.description, "reservation": reservation_dto(reservation)}
        return Problem("station-call-error", f"CancelReservation: {error.code}", more).response()
    # A wish that is kept for later (an unproven use included) is not done yet.
    waits = reservation.is_live or (
        reservation.phase is Phase.USED_UNPROVEN and reservation.cancel_requested_at is not None
    )
    return shown(reservation, status=202 if waits else 200)


def shown(reservation: Reservation, *, status: int = 200) -> Response[bytes]:
    """The reservation, its version as ETag; where it is told of a new one, its address too."""
    headers = {"ETag": f'"{reservation.version}"'}
    if status in (201, 202):
        headers["Location"] = f"/api/v1/reservations/{reservation.id}"
    return reply(reservation_dto(reservation), status=status, headers=headers)


async def _own(request: Req) -> Reservation:
    """The reservation of the address; others' are unknown to a driver."""
    caller = caller_of(request)
    number = int(path_of(request, "reservationId"))
    if not 1 <= number <= MAX_RESERVATION_ID:
        raise ReservationUnknown(number)
    return await calls_of(request).reservations.get(number, visible_to=caller.visible)
