"""The ghost hunt: a connector is Reserved, and nothing that we know of can be why.

House rules
- A live reservation or an unproven use explains the EVSE that it names; one without an EVSE explains any.
- What we called ended without the station's word is asked about first, then what was canceled: some stations bring
  canceled reservations back.
- A CancelReservation of an ended id harms nobody: its answer changes no live state (rows 15, 16).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from evhold.domain.facts import CancelAccepted
from evhold.domain.reservation import LIVE, Phase, Reservation, State
from evhold.domain.values import AskKind, ConnectorId, EvseId, ReservationId, StationId
from evhold.usecases.asking import RESERVED, Asker, Wanted
from evhold.usecases.ports import Connected
from evhold.usecases.stores import ReservationFilter, Tx

#: How long a connector is Reserved before anybody wonders, and how far back is looked for why.
RESERVED_FOR: Final = timedelta(seconds=60)
LOOK_BACK: Final = timedelta(hours=24)
MOST: Final = 200
_OPEN_ENDS: Final = (Phase.EXPIRED_OPEN, Phase.REMOVED_OPEN, Phase.FAILED_OPEN, Phase.CANCELED_OPEN)
_ENDS: Final = (State.EXPIRED, State.REMOVED, State.FAILED, State.CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """A connector that is Reserved for nothing that we know. ``removed``: the id that the station held all the same."""

    station_id: StationId
    evse_id: EvseId
    connector_id: ConnectorId
    asked: tuple[ReservationId, ...]
    removed: ReservationId | None


async def hunt(
    connected: Connected,
    *,
    evse_id: EvseId,
    connector_id: ConnectorId,
    spared: Collection[ReservationId],
    asker: Asker,
) -> Ghost | None:
    """The reservations that may haunt this connector were canceled at the station, until one was found or it is free.

    Args:
        connected: The station's connection.
        evse_id: Of the connector.
        connector_id: That has been Reserved for a while.
        spared: Ids that this station was asked about before.
        asker: Asks the station.

    Returns:
        What was found, for the operator; None: a reservation explains it, or it is Reserved no more.
    """
    station_id, now = connected.station_id, asker.clock.now()
    found = await asker.storage.read(lambda tx: suspects(tx, station_id, evse_id, since=now - LOOK_BACK))
    if found is None or not is_reserved(connected, evse_id, connector_id):
        return None
    asked: list[ReservationId] = []
    removed: ReservationId | None = None
    for suspect in [one for one in found if one not in spared]:
        if removed is not None or not asker.is_there(station_id) or not is_reserved(connected, evse_id, connector_id):
            break
        ended = await asker.order(partial(_choose, reservation_id=suspect))
        if ended is not None:
            asked.append(suspect)
            removed = suspect if isinstance(ended.answer, CancelAccepted) else None
    return Ghost(station_id=station_id, evse_id=evse_id, connector_id=connector_id, asked=tuple(asked), removed=removed)


def is_reserved(connected: Connected, evse_id: int, connector_id: int) -> bool:
    """Whether the connector is Reserved, as far as the station told."""
    known = connected.statuses.get((evse_id, connector_id))
    return known is not None and known.status == RESERVED


def suspects(tx: Tx, station_id: StationId, evse_id: EvseId, *, since: datetime) -> list[ReservationId] | None:
    """Ids of ended reservations that the station may still hold, likeliest first; None: the connector is explained."""
    if any(_explains(one, evse_id) for one in tx.reservations.at_station(station_id, states=tuple(LIVE))):
        return None
    used = tx.reservations.at_station(station_id, states=[State.USED])
    if any(one.phase is Phase.USED_UNPROVEN and _explains(one, evse_id) for one in used):
        return None
    wanted = ReservationFilter(station_id=station_id, states=_ENDS, start=since, limit=MOST)
    ended, _ = tx.reservations.page(wanted)
    idle = [one for one in ended if one.ask is None and one.due is None]
    doubtful = [one.id for one in idle if one.phase in _OPEN_ENDS]
    return doubtful + [one.id for one in idle if one.phase is Phase.CANCELED_CLOSED]


def _explains(reservation: Reservation, evse_id: EvseId) -> bool:
    held = (reservation.terms, reservation.replacement)
    return any(terms is not None and terms.evse_id in (None, evse_id) for terms in held)


def _choose(tx: Tx, *, reservation_id: ReservationId) -> Wanted | None:
    known = tx.reservations.get(reservation_id)
    is_suspect = known.phase in (*_OPEN_ENDS, Phase.CANCELED_CLOSED) and known.ask is None and known.due is None
    return Wanted(known, AskKind.CLEAN_UP) if is_suspect else None
