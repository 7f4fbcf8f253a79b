"""Driver links: an address that is the permission for one reservation; nothing of it is stored."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from evhold.domain.reservation import Reservation
from evhold.usecases.signing import Signer
from evhold.web.answers import Reading
from evhold.web.dto import ReservationDto
from evhold.web.request import Req, calls_of
from evhold.web.views import reservation_dto

#: A link lives so much longer than its reservation.
AFTERLIFE: Final = timedelta(days=1)
_PURPOSE: Final = "driver link 1"
_ID_BYTES: Final = 4
_MAC_BYTES: Final = 16


def link_of(reservation_id: int, *, signer: Signer) -> str:
    """The link's text, 27 characters: the id, and 128 bits that only we can make."""
    number = reservation_id.to_bytes(_ID_BYTES)
    return urlsafe_b64encode(number + signer.sign(number, purpose=_PURPOSE)[:_MAC_BYTES]).decode().rstrip("=")


def reservation_id_of(link: str, *, signer: Signer) -> int | None:
    """The reservation that the link names; None for one that is not ours."""
    try:
        number = int.from_bytes(urlsafe_b64decode(link + "=" * (-len(link) % 4))[:_ID_BYTES])
    except ValueError:
        return None
    return number if hmac.compare_digest(link_of(number, signer=signer).encode(), link.encode()) else None


def dies_at(reservation: Reservation) -> datetime | None:
    """When the links of this reservation are worth nothing any more; None while it lives."""
    return None if reservation.is_live else reservation.updated_at + AFTERLIFE


def address_of(request: Req, reservation_id: int) -> str:
    """The whole address of the driver's page, at the host that this request was sent to."""
    return f"{request.base_url}d/{link_of(reservation_id, signer=calls_of(request).signer)}"


def reading_with_link(request: Req) -> Reading:
    """The reservation with its driver link."""

    def dto(reservation: Reservation) -> ReservationDto:
        return replace(reservation_dto(reservation), driver_link=address_of(request, reservation.id))

    return Reading(dto=dto)
