"""What drivers are told, at the addresses that were given with their reservation or are stored with their token.

A driver is not told what they did themselves: what they reserved, changed or canceled, and a charging that they began.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from evhold.domain.events import ReservationChanged
from evhold.domain.reservation import Reservation
from evhold.domain.values import By
from evhold.usecases.ports import Told
from evhold.usecases.stores import Tx

MOST_ADDRESSES: Final = 5
LONGEST_ADDRESS: Final = 500


@dataclass(frozen=True, slots=True)
class Text:
    """A template; ``{id} {station} {place} {until} {link}`` are filled in."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverMessages:
    """Writes to drivers.

    Args:
        texts: By event, or event and cause with a dot between.
        link_of: The last part of a reservation's driver link.
    """

    texts: Mapping[str, Text]
    link_of: Callable[[int], str]

    def __call__(self, tx: Tx, told: Told) -> list[str]:
        """One message an address, as JSON; none for what the driver knows."""
        event = told.event
        if not isinstance(event, ReservationChanged):
            return []
        addresses = _addresses(tx, event.reservation)
        text = self.texts.get(f"{event.name}.{event.cause}") or self.texts.get(event.name)
        if not addresses or text is None or _is_own_doing(tx, event):
            return []
        title, body = self._written(text, event.reservation)
        return [json.dumps({"address": one, "title": title, "text": body}) for one in addresses]

    def _written(self, text: Text, reservation: Reservation) -> tuple[str, str]:
        terms, base = reservation.terms, reservation.link_base
        link = "" if base is None else f"{base}d/{self.link_of(reservation.id)}"
        place = f"EVSE {terms.evse_id}" if terms.evse_id is not None else terms.connector_type or "a free EVSE"
        given = {
            "id": reservation.id,
            "station": reservation.station_id,
            "place": place,
            "until": _clock_time(terms.expiry),
            "link": link,
        }
        body = text.text.format_map(given)
        return text.title.format_map(given), body if not link or link in body else f"{body}\n{link}"


def _clock_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M UTC on %Y-%m-%d")


def _addresses(tx: Tx, reservation: Reservation) -> tuple[str, ...]:
    """Those of the reservation, or else of its token."""
    if reservation.notify:
        return reservation.notify
    token = tx.tokens.find(reservation.terms.id_token)
    return () if token is None else token.notify


def _is_own_doing(tx: Tx, event: ReservationChanged) -> bool:
    reservation = event.reservation
    match event.name:
        case "reservation.accepted":
            return _ordered_by(tx, reservation, "ReserveOrdered") is By.DRIVER
        case "reservation.replaced":
            return _ordered_by(tx, reservation, "ReplaceOrdered") is By.DRIVER
        case "reservation.canceled":
            return reservation.cancel_requested_by is By.DRIVER
        case "reservation.used":
            return reservation.proven and not reservation.token_mismatch
        case _:
            return False


def _ordered_by(tx: Tx, reservation: Reservation, fact: str) -> By | None:
    """Who gave the last order of this kind, as the history has it."""
    orders = [row.by for row in tx.reservations.history(reservation.id) if row.fact == fact]
    return orders[-1] if orders else None
