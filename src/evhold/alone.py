"""One node that is the only one: what `cluster.Cluster` is among many, where nobody else has to be asked or told."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from evhold.domain.events import Event
from evhold.domain.values import StationId
from evhold.gateway.commands import LocalCalls
from evhold.gateway.frame_log import FrameLog, LoggedFrame
from evhold.gateway.registry import Registry
from evhold.gateway.session import Session
from evhold.ocpp.router import Context
from evhold.usecases import late
from evhold.usecases.ports import Clock, Connected, Ids, Storage

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold")


class Alone:
    """All stations are this node's. Attributes and methods are those of ``Cluster``."""

    are_many = False
    is_alive = True
    notice: str | None = None
    trouble: str | None = None
    figures: tuple[int, bool] | None = None

    def __init__(self, *, storage: Storage, clock: Clock, ids: Ids, registry: Registry[Session]) -> None:
        self.ids = ids
        self.local = self.calls = LocalCalls(registry, clock=clock)
        self.on_hint: Callable[[int], None] = lambda seq: None
        self._storage = storage
        self._clock = clock
        self._frame_log = FrameLog(0)

    async def start(
        self,
        *,
        frame_log: FrameLog,
        expect: Callable[[StationId, str, bytes], None],
        clock_offset: Callable[[StationId], timedelta],
    ) -> None:
        """What an earlier life left open is settled."""
        self._frame_log = frame_log
        lost = await late.recover(storage=self._storage, clock=self._clock)
        if lost:
            log.warning("recovered", asks=lost)

    async def stop(self) -> None:
        """There is nobody to tell."""

    async def claim(self, context: Context, *, storage: Storage) -> None:
        """The connection is the only one; it gets its number when it is opened."""

    async def opened(self, context: Context) -> None:
        """There is nobody to tell."""

    async def closed(self, context: Context) -> None:
        """There is nobody to tell."""

    def registered(self, connected: Connected) -> None:
        """There is nobody to tell."""

    def hint(self, seq: int) -> None:
        """There is nobody to tell."""

    def hear_event(self, event: Event | None) -> None:
        """Where stations are is known."""

    def clock_offset(self, station_id: StationId) -> timedelta:
        """Of a station that is not connected: not known."""
        return timedelta()

    async def frames(
        self, station_id: str, *, limit: int, before: int | None, after: int | None = None
    ) -> Sequence[LoggedFrame]:
        """The newest frames of a station."""
        return self._frame_log.newest(station_id, limit=limit, before=before, after=after)
