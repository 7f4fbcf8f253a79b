"""The restore rule: which reservations a station forgot at its boot (row 56)."""

from datetime import datetime
from typing import Final

from evhold.domain.reservation import State
from evhold.domain.values import ReservationId
from evhold.usecases.ports import Connected
from evhold.usecases.stores import Tx

AVAILABLE: Final = "Available"


def forgotten(tx: Tx, connected: Connected, *, booted_at: datetime) -> list[ReservationId]:
    """The reservations that this station forgot at its boot, by the restore rule (row 56)."""
    station = tx.stations.find(connected.station_id)
    if station is None or not station.restore_after_boot or station.booted_at != booted_at:
        return []
    # Disabled reservations are dormant, not lost; any TransactionEvent since the boot makes the silence ambiguous.
    if station.capabilities.enabled is False or tx.transactions.since(station.id, booted_at):
        return []
    busy = {one.evse_id for one in tx.transactions.open_at(station.id)}
    active = tx.reservations.at_station(station.id, states=[State.ACTIVE])
    return [
        known.id
        for known in active
        if known.terms.evse_id is not None
        and known.terms.evse_id not in busy
        and known.created_at < booted_at
        and _is_free_since_boot(connected, known.terms.evse_id)
    ]


def _is_free_since_boot(connected: Connected, evse_id: int) -> bool:
    """All connectors of the EVSE were reported Available since the boot."""
    mine = {key: one for key, one in connected.statuses.items() if key[0] == evse_id}
    return bool(mine) and all(key in connected.reported and one.status == AVAILABLE for key, one in mine.items())
