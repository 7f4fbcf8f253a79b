"""Who did what: written, never changed."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import audit
from evhold.domain.values import StationId

_ADD: Final = Prepared(insert(audit), ("at", "who", "what", "station_id", "detail"))


class AuditStore:
    """ports.Audit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, *, at: datetime, who: str, what: str, station_id: StationId | None, detail: str) -> None:
        """One row; no token in it."""
        _ADD.run(self._connection, {"at": at, "who": who, "what": what, "station_id": station_id, "detail": detail})
