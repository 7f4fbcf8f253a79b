"""Who did what, read and pruned; and what is written of calls that change nothing in the database."""

from datetime import datetime
from typing import Final

from evhold.domain.access import Actor, AuditRow, AuditWanted
from evhold.domain.values import StationId
from evhold.usecases.ports import Clock, Storage

#: So many rows are deleted in one transaction.
AT_ONCE: Final = 1_000


async def note(
    what: str, *, who: Actor, storage: Storage, clock: Clock, station_id: StationId | None = None, detail: str = ""
) -> None:
    """It stands in the audit."""
    at = clock.now()
    await storage.transact(lambda tx: tx.audit.add(at=at, who=who, what=what, station_id=station_id, detail=detail))


async def page(wanted: AuditWanted, *, storage: Storage) -> tuple[list[AuditRow], int | None]:
    """The rows that fit, newest first, and the number before which the next page begins."""
    found = await storage.read(lambda tx: tx.audit.page(wanted))
    return found, found[-1].number if len(found) == wanted.limit else None


async def prune(*, before: datetime, storage: Storage) -> int:
    """Rows older than this are gone; how many."""
    total = 0
    while pruned := await storage.transact(lambda tx: tx.audit.prune(before=before, limit=AT_ONCE)):
        total += pruned
    return total
