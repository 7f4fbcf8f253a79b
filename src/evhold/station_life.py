"""What a station's session tells the rest of the program: it opened, was heard, answered late, and closed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from evhold.alone import Alone
from evhold.bindings import Parts
from evhold.cluster import Cluster
from evhold.domain.security import Incident
from evhold.domain.values import StationId
from evhold.gateway.node import Hooks
from evhold.gateway.registry import Registry
from evhold.gateway.session import Session
from evhold.ocpp.router import Context
from evhold.ocpp.rpc.connection import OutgoingCall
from evhold.ocpp.v201 import reservation as v201_reservation
from evhold.ocpp.v201 import routes as v201
from evhold.usecases import a01_password, b01_boot, late
from evhold.usecases.ghosts import Ghost
from evhold.usecases.kept import Kept
from evhold.usecases.ports import CallFailed, CallResult, Storage, StorageAway
from evhold.usecases.reactions import Reactions
from evhold.usecases.traces import Kind

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold")


def offsets(registry: Registry[Session], cluster: Alone | Cluster) -> Callable[[StationId], timedelta]:
    """What tells a station's clock minus ours; zero where it is not known."""

    def clock_offset(station_id: StationId) -> timedelta:
        session = registry.find(station_id)
        if session is None:
            return cluster.clock_offset(station_id)
        return session.context.clock_offset or timedelta()

    return clock_offset


def expectations(registry: Registry[Session]) -> Callable[[StationId, str, bytes], None]:
    """What lets a station of this node send what a raw call to it asks for."""

    def expect(station_id: StationId, action: str, payload: bytes) -> None:
        session = registry.find(station_id)
        if session is not None:
            v201.expect(session.context, action, payload)

    return expect


@dataclass(slots=True)
class StationLife:
    """The hooks of a node's sessions, and when each station was last heard."""

    parts: Parts
    reactions: Reactions
    cluster: Alone | Cluster
    kept: Kept
    on_incident: Callable[[Incident], None] = lambda incident: None
    heard: dict[StationId, datetime] = field(default_factory=dict)

    def hooks(self) -> Hooks:
        """As the gateway takes them."""
        return Hooks(
            on_open=self._open,
            on_closed=self._closed,
            on_heard=self._hear,
            on_late=self._late,
            on_stray=self._answer,
            on_incident=self.on_incident,
        )

    def last_heard(self, station_id: StationId) -> datetime | None:
        """What is not stored yet; None: what is stored is all."""
        return self.heard.get(station_id)

    async def store_heard(self, *, storage: Storage) -> None:
        """When stations were last heard is stored. Raises StorageAway: not yet."""
        heard, self.heard = self.heard, {}
        try:
            await b01_boot.seen(heard, storage=storage)
        except StorageAway:
            # What was heard since is newer.
            self.heard = heard | self.heard
            raise

    async def _open(self, context: Context) -> None:
        storage, clock = self.parts.patient, self.parts.clock
        if not context.provisioned:
            (await self.kept.place(Kind.STATIONS))()
        await self.cluster.claim(context, storage=storage)
        await b01_boot.open_connection(
            context, version=context.version, storage=storage, clock=clock, numbered=self.cluster.are_many
        )
        await a01_password.connected(context, storage=storage, clock=clock)
        self.reactions.opened(context)
        await self.cluster.opened(context)

    async def _closed(self, context: Context) -> None:
        self.reactions.closed(context)
        self.heard.pop(context.station_id, None)
        await self.cluster.closed(context)
        await b01_boot.close_connection(
            context,
            last_heard=context.heard_at,
            replaced=context.replaced,
            storage=self.parts.enduring,
            clock=self.parts.clock,
            owned=self.cluster.are_many,
        )

    def _hear(self, context: Context, at: datetime) -> None:
        self.heard[context.station_id] = at
        if context.call is not None and context.call.action != "BootNotification":
            self.reactions.heard(context)

    async def _late(self, context: Context, call: OutgoingCall, answer: CallResult | CallFailed) -> None:
        await self._answer(context, call.message_id, answer)

    async def _answer(self, context: Context, message_id: str, answer: CallResult | CallFailed) -> None:
        clock = self.parts.clock
        fact_of, frames = v201_reservation.late_answer(
            message_id, answer, at=clock.now(), clock_offset=context.clock_offset or timedelta()
        )
        await late.late_answer(
            context.station_id,
            message_id,
            fact_of=fact_of,
            frames=frames,
            storage=self.parts.enduring,
            clock=clock,
        )


def tell_ghost(ghost: Ghost) -> None:
    """Said where the operator looks; what each reservation was asked stands in its history."""
    log.warning(
        "station.ghost",
        station=ghost.station_id,
        evse=ghost.evse_id,
        connector=ghost.connector_id,
        asked=list(ghost.asked),
        removed=ghost.removed,
    )
