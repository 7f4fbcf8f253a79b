"""Security events (ports.SecurityEvents); of each station no more than the newest are kept."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, select

from evhold.adapters.sql.tables import security_events
from evhold.domain.security import KEPT_OF_EACH, Origin, SecurityEvent
from evhold.domain.values import StationId

NOBODY: Final = ""

e = security_events.c
_INSERT: Final = insert(security_events)
_OLDEST_KEPT: Final = (
    select(e.number)
    .where(e.station_id == bindparam("wanted"))
    .order_by(e.number.desc())
    .limit(1)
    .offset(KEPT_OF_EACH - 1)
    .scalar_subquery()
)
_TRIM: Final = delete(security_events).where(e.station_id == bindparam("wanted"), e.number < _OLDEST_KEPT)
_PAGE: Final = select(security_events).order_by(e.number.desc())


class SecurityEventStore:
    """ports.SecurityEvents."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, event: SecurityEvent) -> None:
        """One more, in place of the oldest of its station where there are as many as are kept."""
        station_id = event.station_id or NOBODY
        row = {
            "station_id": station_id,
            "type": event.type,
            "origin": event.origin.value,
            "at": event.at,
            "told_at": event.told_at,
            "tech_info": event.tech_info,
            "remote": event.remote,
            "count": event.count,
        }
        self._connection.execute(_INSERT, row)
        self._connection.execute(_TRIM, {"wanted": station_id})

    def page(self, *, station_id: StationId | None, limit: int, before: int | None = None) -> list[SecurityEvent]:
        """Newest first, of one station or of all and of nobody, before this number."""
        query = _PAGE if station_id is None else _PAGE.where(e.station_id == station_id)
        query = query if before is None else query.where(e.number < before)
        return [_event(row) for row in self._connection.execute(query.limit(limit)).mappings()]

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        old = select(e.number).where(e.at < before).order_by(e.at).limit(limit)
        return self._connection.execute(delete(security_events).where(e.number.in_(old.scalar_subquery()))).rowcount


def _event(row: RowMapping) -> SecurityEvent:
    return SecurityEvent(
        number=row["number"],
        station_id=StationId(row["station_id"]) if row["station_id"] else None,
        type=row["type"],
        origin=Origin(row["origin"]),
        at=row["at"],
        told_at=row["told_at"],
        tech_info=row["tech_info"],
        remote=row["remote"],
        count=row["count"],
    )
