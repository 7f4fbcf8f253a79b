"""The restore rule: which reservations a station forgot at its boot, and asking for them once more (row 56)."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from evhold.domain.reservation import Reservation, State
from evhold.domain.values import AskKind, EvseId, ReservationId, StationId
from evhold.usecases.asking import Asker, Wanted, taken_at
from evhold.usecases.ports import Connected
from evhold.usecases.stores import Tx

AVAILABLE: Final = "Available"


async def restore(
    connected: Connected, *, booted_at: datetime, asker: Asker, settled: Callable[[Reservation], None]
) -> None:
    """What the station forgot at this boot was asked for again, with the same id and terms, one after the other.

    Args:
        connected: The station's connection; its statuses are those since the boot, or since a later reconnect.
        booted_at: Our clock.
        asker: Asks the station.
        settled: A reservation as it is after its order has ended.
    """
    station_id, free = connected.station_id, free_evses(connected)
    found = await asker.storage.read(lambda tx: forgotten(tx, station_id, booted_at=booted_at, free=free))
    for known in found:
        if not asker.is_there(station_id):
            return
        # The answers before took their time: the rule must still hold.
        still_free = free_evses(connected)
        choose = partial(_choose, reservation_id=known.id, station_id=station_id, booted_at=booted_at, free=still_free)
        ended = await asker.order(choose)
        if ended is not None:
            settled(ended.reservation)


def free_evses(connected: Connected) -> frozenset[EvseId]:
    """The EVSEs all of whose connectors were reported Available on this connection, since its last boot."""
    known = {EvseId(evse_id) for evse_id, _ in connected.statuses}
    taken = {
        EvseId(key[0])
        for key, one in connected.statuses.items()
        if key not in connected.reported or one.status != AVAILABLE
    }
    return frozenset(known - taken)


def forgotten(tx: Tx, station_id: StationId, *, booted_at: datetime, free: frozenset[EvseId]) -> list[Reservation]:
    """The reservations that this station forgot at its boot, by the restore rule (row 56)."""
    station = tx.stations.find(station_id)
    if station is None or not station.restore_after_boot or station.booted_at != booted_at:
        return []
    # Disabled reservations are dormant, not lost; any TransactionEvent since the boot makes the silence ambiguous.
    if station.capabilities.enabled is False or tx.transactions.since(station.id, booted_at):
        return []
    busy = {one.evse_id for one in tx.transactions.open_at(station.id)}
    return [
        known
        for known in tx.reservations.at_station(station.id, states=[State.ACTIVE])
        if known.ask is None and known.due is None and known.terms.evse_id in free - busy
        if taken_at(tx, known, booted_at=booted_at) < booted_at
    ]


def _choose(
    tx: Tx, *, reservation_id: ReservationId, station_id: StationId, booted_at: datetime, free: frozenset[EvseId]
) -> Wanted | None:
    still = forgotten(tx, station_id, booted_at=booted_at, free=free)
    wanted = next((known for known in still if known.id == reservation_id), None)
    return None if wanted is None else Wanted(tx.reservations.get(wanted.id), AskKind.RESTORE)
