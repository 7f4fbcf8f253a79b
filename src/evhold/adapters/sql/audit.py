"""Who did what: written, never changed, and gone when it is old."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import audit
from evhold.domain.access import Actor, AuditRow, AuditWanted
from evhold.domain.values import StationId

_ADD: Final = Prepared(insert(audit), ("at", "who", "address", "what", "station_id", "detail"))
_NEWEST: Final = select(audit).order_by(audit.c.seq.desc())


class AuditStore:
    """ports.Audit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, *, at: datetime, who: Actor | None, what: str, station_id: StationId | None, detail: str) -> None:
        """One row, of whoever it was; no token in it."""
        if who is not None:
            row = {"at": at, "who": who.name, "address": who.address or None, "what": what}
            _ADD.later(self._connection, {**row, "station_id": station_id, "detail": detail})

    def page(self, wanted: AuditWanted) -> list[AuditRow]:
        """Newest first."""
        query = _NEWEST.limit(wanted.limit)
        if wanted.start is not None:
            query = query.where(audit.c.at >= wanted.start)
        if wanted.end is not None:
            query = query.where(audit.c.at < wanted.end)
        if wanted.before is not None:
            query = query.where(audit.c.seq < wanted.before)
        return [
            AuditRow(
                number=row.seq,
                at=row.at,
                who=Actor(row.who, row.address or ""),
                what=row.what,
                station_id=row.station_id,
                detail=row.detail,
            )
            for row in self._connection.execute(query)
        ]

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        old = select(audit.c.seq).where(audit.c.at < before).order_by(audit.c.at).limit(limit)
        return self._connection.execute(delete(audit).where(audit.c.seq.in_(old.scalar_subquery()))).rowcount
