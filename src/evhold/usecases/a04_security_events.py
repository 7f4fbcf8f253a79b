"""A04: security events that stations tell are kept, beside those that we note of who stands at the door."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from evhold.domain.security import LONGEST_INFO, LONGEST_TYPE, Origin, SecurityEvent
from evhold.usecases.ports import Connected, Storage
from evhold.usecases.stores import Tx

#: So many rows are deleted in one transaction.
AT_ONCE: Final = 1_000


async def told(
    kind: str,
    connected: Connected,
    /,
    *,
    happened_at: datetime,
    tech_info: str | None,
    heard_at: datetime,
    storage: Storage,
) -> None:
    """The station's event is kept.

    Args:
        kind: Its type.
        connected: The station.
        happened_at: By the station's clock.
        tech_info: What it says beside.
        heard_at: By ours.
        storage: One transaction.

    Requirements: A04
    """
    event = SecurityEvent(
        station_id=connected.station_id,
        type=_storable(kind)[:LONGEST_TYPE],
        origin=Origin.STATION,
        at=heard_at,
        told_at=happened_at,
        tech_info=None if tech_info is None else _storable(tech_info)[:LONGEST_INFO],
    )
    await keep([event], storage=storage)


def _storable(text: str) -> str:
    """PostgreSQL holds every character but this one."""
    return text.replace("\0", "\ufffd")


async def keep(events: Sequence[SecurityEvent], *, storage: Storage) -> None:
    """They are stored, in one transaction."""

    def work(tx: Tx) -> None:
        for one in events:
            tx.security_events.add(one)

    if events:
        await storage.transact(work)


async def page(
    station_id: str | None, *, limit: int, before: int | None = None, storage: Storage
) -> list[SecurityEvent]:
    """Newest first, of one station or of all and of nobody, before this number.

    Raises:
        StationUnknown: It is not provisioned.
    """
    return await storage.read(
        lambda tx: tx.security_events.page(
            station_id=None if station_id is None else tx.stations.get(station_id).id, limit=limit, before=before
        )
    )


async def prune(*, before: datetime, storage: Storage) -> int:
    """Those that are older are gone; how many."""
    total = 0
    while pruned := await storage.transact(lambda tx: tx.security_events.prune(before=before, limit=AT_ONCE)):
        total += pruned
    return total
