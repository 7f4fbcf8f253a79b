"""One node among many: its lease, which stations are whose, and what it says to the others and hears from them.

What may not be lost is in the database; what is said over the mesh only makes it quick.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog

from evhold.domain.events import Event, StationPresence
from evhold.domain.values import StationId
from evhold.gateway.commands import LocalCalls
from evhold.gateway.frame_log import FrameLog, LoggedFrame
from evhold.gateway.mesh import (
    EVENTS,
    PRESENCE,
    FramesWanted,
    Hint,
    Mesh,
    NobodyThere,
    NoReply,
    Subscription,
    Told,
    call_subject,
    decode_frames_wanted,
    decode_hint,
    decode_told,
    encode,
    frames_subject,
)
from evhold.gateway.registry import Registry
from evhold.gateway.routed import Answering, RoutedCalls
from evhold.gateway.session import Session
from evhold.gateway.whereabouts import Whereabouts
from evhold.ocpp.router import Context
from evhold.usecases import nodes
from evhold.usecases.ports import Clock, Connected, Ids, SchemaTooNew, Storage, StorageAway
from evhold.usecases.stores import Owned, Roll

#: Events say that a station came or went: where it is now is read this long after the first of them.
LOOK_EVERY_S: Final = 1.0
#: All stations are looked up again, in case something was heard by nobody.
LOOK_AT_ALL_S: Final = 60.0
RENEW_TIMEOUT_S: Final = 3.0
FRAMES_TIMEOUT_S: Final = 2.0
NAME_LENGTH: Final = 8

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.cluster")
_decode_frames: Final = msgspec.json.Decoder(list[LoggedFrame]).decode


class Cluster:
    """This node's part.

    Args:
        mesh: To the other nodes.
        storage: Raises StorageAway at once.
        clock: Ours; the nodes' agree within a second.
        ids: For this node's name.
        registry: The sessions of this node.
        call_timeout_s: How long a station may take to answer.
    """

    def __init__(
        self,
        mesh: Mesh,
        *,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        registry: Registry[Session],
        call_timeout_s: float,
    ) -> None:
        self.mesh = mesh
        self.node = _name(ids)
        self.ids = nodes.NodeIds(ids, node=lambda: self.node)
        self.whereabouts = Whereabouts()
        self.local = LocalCalls(registry, clock=clock, is_alive=lambda: self.is_alive)
        self.calls = RoutedCalls(
            self.local, mesh=mesh, whereabouts=self.whereabouts, clock=clock, call_timeout_s=call_timeout_s
        )
        #: How many nodes have a lease, this one among them.
        self.living = 0
        #: Why this node is of no use any more, until it is started anew by another version.
        self.trouble: str | None = None
        self.on_hint: Callable[[int], None] = lambda seq: None
        self._storage = storage
        self._clock = clock
        self._registry = registry
        self._call_timeout_s = call_timeout_s
        self._roll = Roll(living=frozenset(), lapsed=frozenset(), buried=frozenset())
        #: By our clock: the last renewal, and since when there was always one in time.
        self._renewed_at = self._steady_since = float("-inf")
        self._subscriptions: dict[StationId, tuple[int, Subscription]] = {}
        self._frames_subscription: Subscription | None = None
        self._frame_log = FrameLog(0)
        self._answering: Answering | None = None
        self._changed: set[StationId] = set()
        self._hinted = 0
        self._looked_at = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: asyncio.Task[None] | None = None
        mesh.on_up = self.came_up

    are_many = True

    @property
    def figures(self) -> tuple[int, bool] | None:
        """How many nodes have a lease, and whether this one hears the others."""
        return self.living, self.mesh.is_up

    @property
    def is_alive(self) -> bool:
        """The lease is good: what this node's sockets say is its own business."""
        return self._clock.monotonic() - self._renewed_at < nodes.LEASE.total_seconds()

    @property
    def notice(self) -> str | None:
        """What an operator should know of this node though it is ready."""
        return None if self.mesh.is_up else "nats is away: stations of other nodes can't be asked"

    # Beginning and end

    async def start(
        self,
        *,
        frame_log: FrameLog,
        expect: Callable[[StationId, str, bytes], None],
        clock_offset: Callable[[StationId], timedelta],
    ) -> None:
        """The node is among the living, hears the others, and knows where stations are. Raises StorageAway."""
        await self.mesh.start()
        self._frame_log = frame_log
        self._answering = Answering(
            self.local,
            clock=self._clock,
            call_timeout_s=self._call_timeout_s,
            expect=expect,
            clock_offset=clock_offset,
        )
        await self.mesh.listen(PRESENCE, self._hear_presence)
        await self.mesh.listen(EVENTS, self._hear_hint)
        await self._enter()
        await self._settle(())
        await self._look_at_all()
        self._spawn(self._keep_lease())
        self._spawn(self._keep_looking())

    async def stop(self) -> None:
        """The node is gone by its own will; its stations were closed before."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await nodes.leave(self.node, storage=self._storage)
        except StorageAway as error:
            log.warning("node.left-unsaid", error=str(error))
        await self.mesh.close()

    def came_up(self) -> None:
        """The mesh is there, again perhaps: what was said meanwhile is asked of the database."""
        self._looked_at = float("-inf")

    # Stations of this node

    async def claim(self, context: Context, *, storage: Storage) -> None:
        """The station is this node's, by this connection. Raises Overtaken: the node has no lease."""
        await nodes.claim(context, node=self.node, storage=storage, clock=self._clock)

    def clock_offset(self, station_id: StationId) -> timedelta:
        """Of another node's station: its clock minus ours, as far as it is known."""
        place = self.whereabouts.find(station_id)
        return timedelta() if place is None else place.clock_offset

    async def opened(self, context: Context) -> None:
        """Its commands come here, and all nodes know."""
        station_id, answering = context.station_id, self._answering
        assert answering is not None

        async def answer(asked: bytes) -> bytes | None:
            return await answering.answer(station_id, asked)

        subscription = await self.mesh.listen(call_subject(station_id), answer, alone=True)
        self._subscriptions[station_id] = context.epoch, subscription
        # Of its own stations a node asks its sockets.
        self.whereabouts.told(self._told(context, online=False))
        await self.announce(context)

    async def closed(self, context: Context) -> None:
        """Its commands come here no more, and all nodes know."""
        epoch, subscription = self._subscriptions.get(context.station_id, (0, None))
        if epoch == context.epoch and subscription is not None:
            del self._subscriptions[context.station_id]
            await subscription.end()
        await self.mesh.tell(PRESENCE, encode(self._told(context, online=False)))

    async def announce(self, connected: Connected) -> None:
        """All nodes know how it is registered now."""
        await self.mesh.tell(PRESENCE, encode(self._told(connected, online=True)))

    def registered(self, connected: Connected) -> None:
        """Its boot was answered."""
        self._spawn(self.announce(connected))

    def _told(self, connected: Connected, *, online: bool) -> Told:
        session = self._registry.find(connected.station_id)
        offset = connected.clock_offset
        return Told(
            station_id=connected.station_id,
            node=self.node,
            epoch=connected.epoch,
            online=online,
            registered=connected.registration == "Accepted",
            since=session.connected_at if session is not None else None,
            clock_offset_s=offset.total_seconds() if offset is not None else 0.0,
        )

    # What the others say

    async def _hear_presence(self, payload: bytes) -> None:
        told = decode_told(payload)
        self.whereabouts.told(told)
        if told.online:
            self._give_up(told.station_id, epoch=told.epoch)

    def _give_up(self, station_id: StationId, *, epoch: int) -> None:
        """Another node has the station, by a newer connection than ours."""
        session = self._registry.find(station_id)
        if session is not None and 0 < session.context.epoch < epoch:
            log.warning("station.moved", station=station_id, epoch=session.context.epoch, newer=epoch)
            session.replace()

    async def _hear_hint(self, payload: bytes) -> None:
        seq = decode_hint(payload).seq
        self._hinted = max(self._hinted, seq)
        self.on_hint(seq)

    def hint(self, seq: int) -> None:
        """The others may look for events up to this number; who heard of it by them does not repeat it."""
        if seq > self._hinted and self.mesh.is_up:
            self._hinted = seq
            self._spawn(self.mesh.tell(EVENTS, encode(Hint(seq=seq))))

    def hear_event(self, event: Event | None) -> None:
        """A committed event, or None where some are missing."""
        if event is None:
            self._looked_at = float("-inf")
        elif isinstance(event, StationPresence) and not self.local.presence(event.station_id).online:
            self._changed.add(event.station_id)

    # Recent frames

    async def frames(
        self, station_id: str, *, limit: int, before: int | None, after: int | None = None
    ) -> Sequence[LoggedFrame]:
        """The newest frames of a station, of the node that has its socket, or else of this one."""
        place = self.whereabouts.find(station_id)
        if place is None or self.local.presence(StationId(station_id)).online:
            return self._frame_log.newest(station_id, limit=limit, before=before, after=after)
        wanted = encode(FramesWanted(station_id=station_id, limit=limit, before=before, after=after))
        try:
            reply = await self.mesh.request(frames_subject(place.node), wanted, timeout_s=FRAMES_TIMEOUT_S)
        except (NobodyThere, NoReply):
            return []
        return _decode_frames(reply)

    async def _tell_frames(self, payload: bytes) -> bytes:
        wanted = decode_frames_wanted(payload)
        found = self._frame_log.newest(wanted.station_id, limit=wanted.limit, before=wanted.before, after=wanted.after)
        return encode(found)

    # The lease

    async def _enter(self) -> None:
        began = self._clock.monotonic()
        self._roll = await nodes.enter(self.node, storage=self._storage)
        self._renewed_at = self._steady_since = began
        self.living = len(self._roll.living)
        if self._frames_subscription is not None:
            await self._frames_subscription.end()
        self._frames_subscription = await self.mesh.listen(frames_subject(self.node), self._tell_frames)
        log.info("node.entered", node=self.node, living=self.living)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(nodes.RENEW_EVERY.total_seconds())
            try:
                async with asyncio.timeout(RENEW_TIMEOUT_S):
                    await self._renew()
            except SchemaTooNew as error:
                self.trouble = str(error)
                log.error("node.too-old", error=self.trouble)
                return
            except (StorageAway, TimeoutError) as error:
                log.warning("node.not-renewed", error=str(error))
                self._send_on()
            except Exception:  # the top of this task: a node that stopped renewing would be buried alive
                log.exception("node.renewal-failed")

    async def _renew(self) -> None:
        began = self._clock.monotonic()
        renewed = await nodes.renew(self.node, storage=self._storage)
        if not renewed.lives:
            await self._begin_again()
            return
        if not self.is_alive:
            # The database was away, or we were: so the others may have been, and are given time.
            self._steady_since = began
        self._renewed_at = began
        self._roll = roll = renewed.roll
        self.living = len(roll.living)
        for place in self.whereabouts.gone(roll.living | (roll.lapsed - roll.buried)):
            self.calls.lost(place)
        is_steady = began - self._steady_since > nodes.LEASE.total_seconds()
        lapsed = roll.lapsed - roll.buried if is_steady else frozenset[str]()
        if (lapsed or roll.buried) and (self._settling is None or self._settling.done()):
            self._settling = self._spawn(self._settle(lapsed))

    def _send_on(self) -> None:
        """Without a lease for long, and so of no use to its stations: they may find another node that is better off."""
        if self._clock.monotonic() - self._renewed_at > 2 * nodes.LEASE.total_seconds():
            for session in self._registry:
                session.move_on()

    async def _begin_again(self) -> None:
        """This node was buried: whoever is connected to it connects anew, here or elsewhere."""
        log.warning("node.buried", node=self.node, stations=len(self._registry))
        self._renewed_at = float("-inf")
        self.node = _name(self.ids.ids)
        for session in self._registry:
            session.move_on()
        await self._enter()
        self.came_up()

    async def _settle(self, lapsed: "frozenset[str] | tuple[str, ...]") -> None:
        stations, asks = await nodes.bury(lapsed, storage=self._storage, clock=self._clock)
        if lapsed or stations or asks:
            log.warning("nodes.settled", nodes=sorted(lapsed), stations=stations, asks=asks)

    # Where stations are

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if self._clock.monotonic() - self._looked_at >= LOOK_AT_ALL_S:
                    await self._look_at_all()
                elif self._changed:
                    await self._look(self._changed)
            except StorageAway:
                self._looked_at = float("-inf")
            except Exception:  # the top of this task
                log.exception("cluster.look-failed")

    async def _look_at_all(self) -> None:
        self._looked_at = self._clock.monotonic()
        rows = await self._look(None)
        known = self._roll.living | self._roll.lapsed
        if any(row.node not in known for row in rows) and (self._settling is None or self._settling.done()):
            self._settling = self._spawn(self._settle(()))

    async def _look(self, among: set[StationId] | None) -> list[Owned]:
        self._changed = set()
        self.whereabouts.asking()
        rows = await self._storage.read(lambda tx: tx.nodes.owned(among=among))
        others = [row for row in rows if row.node != self.node]
        self.whereabouts.answered(others, among=among)
        for row in others:
            self._give_up(row.station_id, epoch=row.epoch)
        return rows

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("cluster.task-failed", error=repr(error))


def _name(ids: Ids) -> str:
    """Letters and digits, so that it is a token of a subject, and short, for it begins every message id."""
    return ids.message_id().replace("-", "")[:NAME_LENGTH]
