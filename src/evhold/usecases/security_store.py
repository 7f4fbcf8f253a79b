"""Where security events are kept, of one transaction."""

from datetime import datetime
from typing import Protocol

from evhold.domain.security import SecurityEvent
from evhold.domain.values import StationId


class SecurityEvents(Protocol):
    """What was told and noted of security, bounded by station and by age."""

    def add(self, event: SecurityEvent) -> None: ...
    def page(self, *, station_id: StationId | None, limit: int, before: int | None = None) -> list[SecurityEvent]:
        """Newest first; ``station_id`` None: of all, and of nobody."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first; how many."""
        ...
