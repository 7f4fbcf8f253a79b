"""CALLs to the stations whose sockets are on this node."""

from collections.abc import Callable
from datetime import datetime

from evhold.domain.station import Presence, Registration
from evhold.domain.values import StationId
from evhold.gateway.registry import Registry
from evhold.gateway.session import Session
from evhold.ocpp.rpc.connection import OutgoingCall
from evhold.usecases.ports import CallAnswer, Clock, NeverSent


class LocalCalls:
    """`RawCalls` for the stations of this node.

    Args:
        registry: Their sessions.
        clock: Ours.
        is_alive: Whether they are this node's: one whose lease has ended asks nobody, for its stations may be another's.
    """

    def __init__(
        self, registry: Registry[Session], *, clock: Clock, is_alive: Callable[[], bool] = lambda: True
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._is_alive = is_alive

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
        """Return how the CALL ended; see `RawCalls.call`."""
        session = self._registry.find(station_id)
        if session is None or not session.is_ready or not self._is_alive():
            return NeverSent(reason="station-offline")
        if session.context.registration == Registration.REJECTED:
            # B03.FR.03: to a Rejected station nothing is sent.
            return NeverSent(reason="station-offline")
        call = OutgoingCall(message_id, action, payload, urgent, self._monotonic(not_after))
        return await session.call(call, on_sent=on_sent)

    async def withdraw(self, station_id: StationId, message_id: str) -> bool:
        """Take back a CALL that waits for its turn; see `RawCalls.withdraw`."""
        session = self._registry.find(station_id)
        return session is not None and session.withdraw(message_id)

    def presence(self, station_id: StationId) -> Presence:
        """Return whether the station is connected and its context loaded, and whether it is registered."""
        session = self._registry.find(station_id)
        if session is None or not session.is_ready or not self._is_alive():
            return Presence(online=False, registered=False)
        registered = session.context.registration == Registration.ACCEPTED
        return Presence(online=True, registered=registered, since=session.connected_at)

    def _monotonic(self, at: datetime | None) -> float | None:
        if at is None:
            return None
        return self._clock.monotonic() + (at - self._clock.now()).total_seconds()
