"""/driver/{link}: one reservation for whoever has its link; and the making of links."""

from typing import Final

from litestar import Response
from litestar.response import Stream

from evhold.domain.access import Actor
from evhold.domain.errors import ReservationUnknown, StationUnknown
from evhold.domain.events import ConnectorChanged, RegistryChanged, ReservationChanged, StationPresence
from evhold.domain.reservation import Reservation
from evhold.domain.values import By, EvseId, IdToken
from evhold.usecases.h01_reserve import ReplaceOrder, TermsPatch
from evhold.usecases.h02_cancel import CancelOrder
from evhold.usecases.ports import Clock
from evhold.web import live
from evhold.web.answers import Reading
from evhold.web.driver_dto import (
    DriverLinkDto,
    DriverPatch,
    DriverReservationDto,
    DriverReservationEventDto,
    DriverStationDto,
    DriverTermsDto,
    DriverViewDto,
)
from evhold.web.lines import Line
from evhold.web.links import address_of, dies_at, reservation_id_of
from evhold.web.problems import Problem, invalid
from evhold.web.request import Req, body_of, caller_of, calls_of, client_of, if_match_of, path_of, reply
from evhold.web.reservations import change, own, withdraw
from evhold.web.views import stamp, station_dto, time_of

_SHOWN: Final = 4


async def create(request: Req) -> Response[bytes]:
    """POST /reservations/{reservationId}/driver-link."""
    known = await own(request)
    _check_alive(known, calls_of(request).clock)
    who = caller_of(request).actor
    await calls_of(request).audit.note("make driver link", who=who, station_id=known.station_id, detail=str(known.id))
    return reply(DriverLinkDto(driver_link=address_of(request, known.id)), status=201)


async def show(request: Req) -> Response[bytes]:
    """GET /driver/{link}."""
    known = await _named(request)
    dies = dies_at(known)
    view = DriverViewDto(
        reservation=_dto(known),
        station=await _station(request, known),
        server_time=stamp(calls_of(request).clock.now()),
        dies_at=None if dies is None else stamp(dies),
    )
    return reply(view, headers={"Cache-Control": "no-store"})


async def replace(request: Req) -> Response[bytes]:
    """PATCH /driver/{link}."""
    body = await body_of(request, DriverPatch)
    known = await _named(request)
    try:
        changes = TermsPatch(expiry=time_of(body.expiry_date_time))
    except OverflowError:
        raise invalid(("expiryDateTime", "is no date that can be told in UTC")) from None
    order = ReplaceOrder(
        reservation_id=known.id,
        changes=changes,
        by=By.DRIVER,
        if_match=if_match_of(request),
        who=_actor(request, known),
    )
    return await change(request, order, reading=_reading(request))


async def cancel(request: Req) -> Response[bytes]:
    """DELETE /driver/{link}."""
    known = await _named(request)
    order = CancelOrder(
        reservation_id=known.id, by=By.DRIVER, if_match=if_match_of(request), who=_actor(request, known)
    )
    return await withdraw(request, order, reading=_reading(request))


async def events(request: Req) -> Stream:
    """GET /driver/{link}/events."""
    known = await _named(request)
    return live.stream(request, _Followed(known, clock=calls_of(request).clock), of=known.id)


def _actor(request: Req, known: Reservation) -> Actor:
    return Actor(f"link of {known.id}", client_of(request.scope))


async def _named(request: Req) -> Reservation:
    """The reservation of the link."""
    calls = calls_of(request)
    number = reservation_id_of(path_of(request, "link"), signer=calls.signer)
    if number is None:
        calls.limits.failed("link", client_of(request.scope))
        raise Problem("link-unknown", "this link was not made here")
    calls.limits.check_rate(("link", number))
    try:
        known = await calls.reservations.get(number)
    except ReservationUnknown:
        raise Problem("link-unknown", "there is no such reservation any more") from None
    _check_alive(known, calls.clock)
    return known


def _check_alive(known: Reservation, clock: Clock) -> None:
    dies = dies_at(known)
    if dies is not None and clock.now() >= dies:
        raise Problem("link-expired", "the reservation ended more than a day ago")


def _reading(request: Req) -> Reading:
    return Reading(dto=_dto, address=lambda _: request.scope["path"])


async def _station(request: Req, known: Reservation) -> DriverStationDto:
    try:
        told = station_dto(await calls_of(request).stations.get(known.station_id))
    except StationUnknown:
        return DriverStationDto(id=known.station_id, online=False, last_seen=None, location=None, evses=[])
    evses = [evse for evse in told.evses if known.terms.evse_id in (None, evse.id)]
    return DriverStationDto(
        id=told.id, online=told.online, last_seen=told.last_seen, location=told.location, evses=evses
    )


def _dto(known: Reservation) -> DriverReservationDto:
    terms, wanted, asked = known.terms, known.replacement, known.cancel_requested_at
    return DriverReservationDto(
        id=known.id,
        status=known.state,
        cause=known.cause,
        evse_id=terms.evse_id,
        connector_type=terms.connector_type,
        used_evse_id=known.used_evse_id,
        proven=known.proven,
        token_mismatch=known.token_mismatch,
        expiry_date_time=stamp(terms.expiry),
        cancel_requested_at=None if asked is None else stamp(asked),
        replacement=None if wanted is None else DriverTermsDto(expiry_date_time=stamp(wanted.expiry)),
        id_token=_masked(terms.id_token),
        created_at=stamp(known.created_at),
        updated_at=stamp(known.updated_at),
        version=known.version,
    )


def _masked(token: IdToken) -> str:
    text = token.id_token
    return "...." + (text[-_SHOWN:] if len(text) > _SHOWN else "")


class _Followed:
    """The events of one reservation, its EVSE and its station, without tokens (live.Audience)."""

    def __init__(self, known: Reservation, *, clock: Clock) -> None:
        self._known = known
        self._clock = clock

    @property
    def sight(self) -> "_Followed":
        """No other's."""
        return self

    def text_of(self, line: Line) -> bytes | None:
        """The event's text, or None where it is about something else."""
        known, event = self._known, line.event
        match event:
            case ReservationChanged(reservation=told) if told.id == known.id:
                # Another EVSE may have come with other terms.
                self._known = told
                return line.with_data(
                    DriverReservationEventDto(reservation=_dto(told), cause=event.cause, at=stamp(event.at))
                )
            case ConnectorChanged() if self._is_here(event.station_id, event.evse_id):
                return line.text
            case StationPresence() if self._is_here(event.station_id):
                return line.text
            case _:
                return None

    def hear(self, event: RegistryChanged) -> bool:
        """No key lets them in."""
        return False

    async def is_over(self) -> bool:
        """The link is worth nothing any more."""
        dies = dies_at(self._known)
        return dies is not None and self._clock.now() >= dies

    def _is_here(self, station_id: str, evse_id: EvseId | None = None) -> bool:
        is_there = station_id.casefold() == self._known.station_id.casefold()
        return is_there and (evse_id is None or self._known.terms.evse_id in (None, evse_id))
