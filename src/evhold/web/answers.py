"""What an order of a reservation is answered: the reservation, or why not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from litestar import Response

from evhold.domain.facts import Accepted, Errored, NeverLeft, Refused
from evhold.domain.reservation import Phase, Reservation, State
from evhold.usecases.h01_reserve import Replaced
from evhold.usecases.h02_cancel import Canceled
from evhold.web.problems import Problem
from evhold.web.request import reply
from evhold.web.views import reservation_dto, status_info_dto

_NOT_SENT: Final = {
    "station-offline": "station-offline",
    "station-busy": "station-busy",
    "expired-in-queue": "station-busy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a reservation is told to those who asked: its JSON as they may see it, and where they find it."""

    dto: Callable[[Reservation], object] = reservation_dto
    address: Callable[[Reservation], str] = lambda reservation: f"/api/v1/reservations/{reservation.id}"


FULL: Final = Reading()


def shown(reservation: Reservation, *, status: int = 200, reading: Reading = FULL) -> Response[bytes]:
    """The reservation, its version as ETag; where it is told of a new one, its address too."""
    headers = {"ETag": f'"{reservation.version}"'}
    if status in (201, 202):
        headers["Location"] = reading.address(reservation)
    return reply(reading.dto(reservation), status=status, headers=headers)


def outcome(reservation: Reservation, *, reading: Reading = FULL) -> Response[bytes]:
    """What a POST is answered for a reservation in this state."""
    if reservation.was_active or reservation.accepted_kept or reservation.state is State.ACTIVE:
        return shown(reservation, status=201, reading=reading)
    if reservation.state in (State.PENDING, State.UNCONFIRMED):
        return shown(reservation, status=202, reading=reading)
    if reservation.state is State.USED:
        return shown(reservation, status=201, reading=reading)
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


def replacement(replaced: Replaced, *, reading: Reading = FULL) -> Response[bytes]:
    """What a PATCH is answered once the station has, or will not any more."""
    reservation, answer = replaced.reservation, replaced.answer
    more: dict[str, object] = {"reservation": reading.dto(reservation)}
    # Row 23: a report of the old terms may have come meanwhile.
    left = "the old terms are kept" if reservation.is_live else f"the reservation has ended: {reservation.state}"
    match answer:
        case Accepted():
            return shown(reservation, reading=reading)
        case Refused(status=status, status_info=info):
            more |= {"ocppStatus": status, "statusInfo": status_info_dto(info)}
            return Problem("reservation-refused", f"ReserveNow: {status}; {left}", more).response()
        case Errored(code=code) if answer.proves_non_execution:
            more |= {"ocppStatus": None, "statusInfo": None, "code": code}
            return Problem("reservation-refused", f"ReserveNow: {code}; {left}", more).response()
        case NeverLeft(reason=reason):
            return Problem(_NOT_SENT.get(reason, "station-offline"), f"nothing was sent: {reason}", more).response()
        case _:
            return shown(reservation, status=202, reading=reading)


def cancellation(canceled: Canceled, *, reading: Reading = FULL) -> Response[bytes]:
    """What a DELETE is answered."""
    reservation, error = canceled.reservation, canceled.error
    if error is not None and (reservation.no_retract or reservation.cancel_requested_at is None):
        more = {"code": error.code, "description": error.description, "reservation": reading.dto(reservation)}
        return Problem("station-call-error", f"CancelReservation: {error.code}", more).response()
    # A wish that is kept for later (an unproven use included) is not done yet.
    waits = reservation.is_live or (
        reservation.phase is Phase.USED_UNPROVEN and reservation.cancel_requested_at is not None
    )
    return shown(reservation, status=202 if waits else 200, reading=reading)
