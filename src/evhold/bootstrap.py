"""The one file that knows every concrete class: it builds the node, and binds the use cases to it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version as version_of
from typing import Final

import structlog

from evhold import bindings, callers, security
from evhold.adapters.bus_local import Follower, LocalBus
from evhold.adapters.clock import SystemClock, SystemIds
from evhold.adapters.orders import TaskOrders
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.patience import LONG_S, RETRY_S, PatientRecorder, PatientStorage, StorageHealth
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.migrate import migrate as migrate
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import open_storage
from evhold.alone import Alone
from evhold.bounds import Listening, rules_of, server_settings
from evhold.caches import Caches
from evhold.cluster import Cluster
from evhold.domain.access import Actor
from evhold.domain.events import ConnectorChanged, Event, RegistryChanged
from evhold.domain.limits import Failures
from evhold.domain.values import StationId
from evhold.gateway.admission import Gatekeeper
from evhold.gateway.counters import Counters
from evhold.gateway.credentials import CredentialsCache
from evhold.gateway.frame_log import FrameLog
from evhold.gateway.mesh import NobodyThere, NoReply
from evhold.gateway.node import Node
from evhold.gateway.registry import Registry as SessionRegistry
from evhold.gateway.server import StationServer
from evhold.gateway.session import Session
from evhold.ocpp.calls import RawCalls
from evhold.ocpp.v201 import reservation as v201_reservation
from evhold.ocpp.v201 import routes as v201
from evhold.ocpp.v201.provisioning import Provisioning
from evhold.outward import Outward
from evhold.registry import RegistryCalls, registry_calls
from evhold.settings import Address, Settings, named
from evhold.simulator.options import World as SimulatedWorld
from evhold.station_life import StationLife, expectations, offsets, tell_ghost
from evhold.usecases import h04_end, provision, retention, signing
from evhold.usecases.kept import Kept
from evhold.usecases.keyring import KeyRing
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.ports import StorageAway
from evhold.usecases.reactions import Reactions, World
from evhold.usecases.sessions import EndedSessions
from evhold.usecases.traces import Kind
from evhold.web import calls as web
from evhold.web.app import build_app
from evhold.web.limits import Limits
from evhold.web.live import Streams
from evhold.web.server import ApiServer
from evhold.web.server import ServerSettings as ApiSettings

EVENTS_KEPT: Final = timedelta(days=7)
HOUSEKEEPING_S: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold")


class App:
    """One node: storage, stations, API, and the work that runs beside them."""

    def __init__(self, settings: Settings, *, patience_s: float = LONG_S) -> None:
        self.settings = settings
        self.certificates = security.certificates(settings)
        self.clock = SystemClock()
        self.orders = TaskOrders()
        self.bearers = callers.bearers(settings, clock=self.clock)
        self.rules = rules_of(settings)
        self.storage = open_storage(settings.database, clock=self.clock)
        self.log = EventLog(self.storage)
        self.credentials = CredentialsCache(lambda ids: self.enduring.read(lambda tx: tx.stations.credentials(ids)))
        self.registry: SessionRegistry[Session] = SessionRegistry()
        self.cluster = self._cluster()
        self.ids = self.cluster.ids
        self.commands = self._commands(self.cluster.calls)
        self.requests = Provisioning(self.cluster.calls, ids=self.ids)
        self.health = StorageHealth(
            lambda: self.log.move_cursor("probe", to=0),
            clock=self.clock,
            on_long=self._send_stations_away,
            on_back=self._storage_is_back,
            long_s=patience_s,
        )
        patient, self.enduring = self._patient(patience_s), self._patient(None)
        self.sweeper = h04_end.Sweeper(storage=self.enduring, clock=self.clock, orders=self.orders, rules=self.rules)
        self.parts = bindings.Parts(
            storage=self._patient(0),
            patient=patient,
            enduring=self.enduring,
            recorder=PatientRecorder(SqlRecorder(self.storage, now=self.clock.now), storage=patient),
            stations=self.commands,
            variables=self.requests,
            clock=self.clock,
            ids=self.ids,
            rules=self.rules,
        )
        self.keys = KeyRing(storage=self.parts.storage, clock=self.clock)
        self.tokens = KnownTokens(storage=self.parts.patient, clock=self.clock)
        sessions = EndedSessions(self.parts.storage, clock=self.clock)
        self.caches = Caches(self.credentials, self.keys, self.tokens, sessions)
        counters = Counters()
        self.kept = Kept(
            settings.most_kept,
            storage=self.parts.storage,
            clock=self.clock,
            refusals=counters.refusals,
            stations=lambda: len(self.credentials),
        )
        self.outward = Outward(
            settings, storage=self.parts.storage, enduring=self.enduring, clock=self.clock, ids=self.ids, kept=self.kept
        )
        self.reactions = Reactions(self._world())
        self.incidents = security.IncidentLog(storage=self.enduring, clock=self.clock)
        self.life = StationLife(self.parts, self.reactions, self.cluster, self.kept, on_incident=self.incidents.note)
        self.node = Node(
            hooks=self.life.hooks(),
            clock=self.clock,
            counters=counters,
            frame_log=FrameLog(settings.frame_log * 1024 * 1024),
            call_timeout_s=settings.call_timeout,
            queue_limit=settings.station_queue,
        )
        self.streams = Streams()
        self.failures = Failures(settings.failed_logins)
        self.pruner = retention.Pruner(settings.keep_history, storage=self.storage, clock=self.clock, ids=self.ids)
        self.trouble: str | None = "starting"
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: tuple[StationServer, ApiServer] | None = None

    def _cluster(self) -> Alone | Cluster:
        ids = SystemIds()
        if self.settings.nats is None:
            return Alone(storage=self.storage, clock=self.clock, ids=ids, registry=self.registry)
        # Not before it is asked for: the client is an extra.
        from evhold.adapters.nats import NatsMesh

        return Cluster(
            NatsMesh(self.settings.nats, nobody_there=NobodyThere, no_reply=NoReply),
            storage=self.storage,
            clock=self.clock,
            ids=ids,
            registry=self.registry,
            call_timeout_s=self.settings.call_timeout,
        )

    def _commands(self, calls: RawCalls) -> v201_reservation.Commands:
        offset = offsets(self.registry, self.cluster)
        return v201_reservation.Commands(calls, clock=self.clock, ids=self.ids, clock_offset=offset)

    async def start(self) -> Listening:
        """Both listeners are open, and what an earlier life left unsettled is on its way.

        Raises:
            OSError: An address can't be had.
            StorageAway: The database can't be used.
        """
        settings = self.settings
        await self.credentials.refresh()
        await self.cluster.start(
            frame_log=self.node.frame_log,
            expect=expectations(self.registry),
            clock_offset=offsets(self.registry, self.cluster),
        )
        bus = await self._start_events()
        signer = await signing.stored_signer(storage=self.storage, ids=self.ids)
        await self.outward.start(bus, signer, is_alone=not self.cluster.are_many)
        use_cases = bindings.use_cases(
            self.parts,
            self.reactions,
            tokens=self.tokens,
            many_nodes=self.cluster.are_many,
            on_registered=self.cluster.registered,
        )
        stations = StationServer(
            self.node,
            registry=self.registry,
            gatekeeper=Gatekeeper(
                self.credentials.find, settings.unknown_stations, lambda: self.kept.has_room(Kind.STATIONS)
            ),
            versions={v201.SUBPROTOCOL: v201.version(use_cases)},
            settings=server_settings(settings),
            is_away=lambda: self.health.is_long or not self.cluster.is_alive,
            jitter=self.ids.jitter,
            failures=self.failures,
        )
        api = self._api(self._web_calls(bus, signer))
        with named("--stations", settings.stations):
            await stations.start(settings.stations.host, settings.stations.port, certificates=self.certificates)
        with named("--api", settings.api):
            api_port = await api.start(settings.api.host, settings.api.port)
        self._servers = (stations, api)
        # Not before: a key that is made is shown this once, and a start that fails shows none.
        made = await provision.ensure_admin(settings.admin_key, storage=self.storage, clock=self.clock, ids=self.ids)
        self.sweeper.start()
        self._tasks.append(asyncio.create_task(self._keep_house(), name="housekeeping"))
        self._tasks.append(asyncio.create_task(self.incidents.run(), name="incidents"))
        self.trouble = None
        return Listening(
            api=Address(settings.api.host, api_port),
            stations=Address(settings.stations.host, stations.port),
            made_key=made.secret if made is not None and settings.admin_key is None else None,
        )

    async def stop(self) -> None:
        """Stations got 1001, work in hand is finished, all is stored."""
        self.trouble = "stopping"
        self.health.give_up()
        self.sweeper.stop()
        if self._servers is not None:
            stations, api = self._servers
            await stations.drain(self.settings.drain)
            await stations.stop()
            await api.stop()
        await self.orders.finish(timeout_s=10)
        await self.outward.stop()
        if self.bearers is not None:
            await self.bearers.close()
        await self.cluster.stop()
        await self.health.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.life.store_heard(storage=self.storage)
            await self.keys.store_uses()
            await self.incidents.store(self.storage)
        except StorageAway as error:
            log.warning("stopped.storage-away", error=str(error))
        await self.storage.close()

    async def _start_events(self) -> LocalBus:
        position = await self.log.last()
        bus = LocalBus(self.log, position=position)
        reader = OutboxReader(self.log, position=position, tell=bus.tell, spread=self._spread)
        self.cluster.on_hint = reader.hear
        self.storage.on_told(reader.wake)
        followed = bus.follow(after=None)
        self._tasks.append(asyncio.create_task(reader.run(), name="outbox"))
        self._tasks.append(asyncio.create_task(self._react(followed), name="reactions"))
        return bus

    def _spread(self, seq: int) -> None:
        self.cluster.hint(seq)
        self.outward.gave(seq)

    async def _react(self, told: Follower) -> None:
        while True:
            try:
                batch = await told.batch()
            except StorageAway:
                # The follower knows where it was, and goes on from there.
                await asyncio.sleep(RETRY_S)
                continue
            except StopAsyncIteration:
                return
            await self.caches.read(batch)
            for one in batch:
                self._hear(None if one is None else one.event)

    def _hear(self, event: Event | None) -> None:
        """What was told, in its order; None: some was missed."""
        if not isinstance(event, ConnectorChanged):
            self.cluster.hear_event(event)
            self.caches.hear(event)
        if isinstance(event, RegistryChanged) and event.kind == "station":
            # A station that was removed is not listened to any more.
            session = self.registry.find(StationId(event.key))
            if session is not None and self.credentials.find(event.key.casefold()) is None:
                session.expel()
        if event is not None:
            self.reactions.on_event(event)

    async def _keep_house(self) -> None:
        """Once a minute: when stations were last heard and keys last used, credentials anew, old events and audit away."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                await self.life.store_heard(storage=self.storage)
                await self.keys.store_uses()
                await self.credentials.refresh()
                await self.log.prune(before=self.clock.now() - EVENTS_KEPT)
                await security.prune_trails(self.settings, storage=self.storage, clock=self.clock)
                await self.pruner.look()
            except StorageAway as error:
                log.warning("housekeeping.storage-away", error=str(error))

    # The database goes and comes

    def _send_stations_away(self) -> None:
        if self._servers is not None:
            self._servers[0].send_away()

    def _storage_is_back(self) -> None:
        """What could not be sent meanwhile is made up; what waits to be stored goes on by itself, the sweep too."""
        for session in self.registry:
            self.reactions.go(session.context.station_id)

    # Parts

    def _patient(self, limit_s: float | None) -> PatientStorage:
        return PatientStorage(self.storage, health=self.health, clock=self.clock, limit_s=limit_s)

    def _world(self) -> World:
        return World(
            storage=self.enduring,
            # Design decision 9: what follows from an event is asked by the node that has the socket.
            stations=self._commands(self.cluster.local),
            requests=Provisioning(self.cluster.local, ids=self.ids),
            clock=self.clock,
            ids=self.ids,
            orders=self.orders,
            rules=self.rules,
            # Nobody asks again for what an outage kept from being stored.
            read_capabilities=bindings.read_capabilities(self.parts, storage=self.enduring),
            expect=self.sweeper.expect,
            tell_ghost=tell_ghost,
        )

    # The API

    def _api(self, calls: web.Calls) -> ApiServer:
        settings = self.settings
        app = build_app(calls, streams=self.streams, origins=settings.cors_origin, arrival_s=settings.request_timeout)
        behaviour = ApiSettings(arrival_s=settings.request_timeout, trusted_proxies=settings.trusted_proxy)
        return ApiServer(app, streams=self.streams, settings=behaviour)

    def _web_calls(self, bus: LocalBus, signer: signing.Signer) -> web.Calls:
        return web.Calls(
            reservations=bindings.reservation_calls(self.parts),
            stations=bindings.station_calls(
                self.parts,
                messages=self.cluster.frames,
                last_heard=self.life.last_heard,
                refresh_credentials=self.credentials.refresh,
                expect=expectations(self.registry),
                kept=self.kept,
            ),
            site=bindings.site_calls(self.parts),
            tokens=bindings.token_calls(
                self.parts.storage, clock=self.clock, ids=self.ids, known=self.tokens, kept=self.kept
            ),
            keys=bindings.key_calls(self.parts.storage, ring=self.keys, clock=self.clock, ids=self.ids, kept=self.kept),
            webhooks=self.outward.calls,
            audit=bindings.audit_calls(self.parts.storage, clock=self.clock),
            check_notify=self.outward.notifier.check,
            follow=bus.follow,
            orders=self.orders,
            clock=self.clock,
            figures=bindings.figures_of(
                self.node.counters,
                connected=lambda: len(self.registry),
                storage=self.storage,
                sweeper=self.sweeper,
                nodes=lambda: self.cluster.figures,
                kept=self.kept,
            ),
            trouble=lambda: self.trouble or self.cluster.trouble or self.health.trouble,
            notice=lambda: self.cluster.notice,
            signer=signer,
            limits=Limits(self.clock, failures=self.failures, a_second=self.settings.rate_limit),
            version=version_of("evhold"),
            sessions=self.caches.sessions,
            bearers=self.bearers,
        )


def new_key() -> str:
    """A secret for an API key."""
    return provision.KEY_PREFIX + SystemIds().secret()


def world() -> SimulatedWorld:
    """The real clock, ids and randomness, for simulated stations."""
    return SimulatedWorld(now=SystemClock().now, new_id=SystemIds().message_id, rng=random.Random())


@asynccontextmanager
async def registry(settings: Settings) -> AsyncIterator[RegistryCalls]:
    """The provisioning calls, bound to the database of these settings; they work with the server stopped."""
    clock, ids = SystemClock(), SystemIds()
    storage = open_storage(settings.database, clock=clock)
    try:
        kept = Kept(settings.most_kept, storage=storage, clock=clock)
        yield registry_calls(storage, who=Actor("terminal"), clock=clock, ids=ids, kept=kept)
    finally:
        await storage.close()
