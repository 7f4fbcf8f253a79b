"""A CALL of ours to a station, before any version has given its payload a meaning."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from evhold.domain.station import Presence
from evhold.domain.values import StationId
from evhold.usecases.ports import CallAnswer


class RawCalls(Protocol):
    """Sends CALLs to stations, wherever their sockets are."""

    async def call(
        self,
        station_id: StationId,
        action: str,
        payload: bytes,
        *,
        message_id: str,
        urgent: bool = False,
        not_after: datetime | None = None,
        on_sent: Callable[[datetime], None] | None = None,
    ) -> CallAnswer:
        """Return how the CALL ended; it never raises for what the station does.

        Args:
            station_id: Compared without case.
            action: As OCPP names it.
            payload: JSON already, valid by the schema.
            message_id: Never used before, at most 36 characters.
            urgent: It goes before all that wait and are not urgent.
            not_after: Aware UTC; still waiting then, it is never sent.
            on_sent: Called once, when the frame leaves, with the time.
        """
        ...

    async def withdraw(self, station_id: StationId, message_id: str) -> bool:
        """Take back a CALL that waits for its turn: True, and it ends as NeverSent; False when it left or is unknown."""
        ...

    def presence(self, station_id: StationId) -> Presence:
        """Return whether the station is connected, and registered."""
        ...
