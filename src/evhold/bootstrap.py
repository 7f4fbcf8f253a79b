"""The one file that knows every concrete class: it builds the node, and binds the use cases to it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version as version_of
from typing import Final

import structlog

from evhold import bindings
from evhold.adapters.bus_local import LocalBus
from evhold.adapters.clock import SystemClock, SystemIds
from evhold.adapters.orders import TaskOrders
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.patience import LONG_S, RETRY_S, PatientRecorder, PatientStorage, StorageHealth
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.migrate import migrate as migrate_database
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import SqlStorage, open_storage
from evhold.config import Address, Settings, named
from evhold.domain.events import Event, RegistryChanged
from evhold.domain.values import StationId
from evhold.gateway.admission import Gatekeeper
from evhold.gateway.commands import LocalCalls
from evhold.gateway.counters import BUCKETS_S
from evhold.gateway.credentials import CredentialsCache
from evhold.gateway.frame_log import FrameLog
from evhold.gateway.node import Hooks, Node
from evhold.gateway.registry import Registry as SessionRegistry
from evhold.gateway.server import ServerSettings, StationServer
from evhold.gateway.session import Session
from evhold.ocpp.router import Context
from evhold.ocpp.rpc.connection import OutgoingCall
from evhold.ocpp.v201 import reservation as v201_reservation
from evhold.ocpp.v201 import routes as v201
from evhold.ocpp.v201.provisioning import Provisioning
from evhold.simulator.options import World as SimulatedWorld
from evhold.usecases import b01_boot, h04_end, late, provision, queries
from evhold.usecases.ghosts import Ghost
from evhold.usecases.ports import CallFailed, CallResult, Rules, StorageAway, Told
from evhold.usecases.reactions import Reactions, World
from evhold.web import calls as web
from evhold.web.app import build_app
from evhold.web.live import Streams
from evhold.web.server import ApiServer

EVENTS_KEPT: Final = timedelta(days=7)
HOUSEKEEPING_S: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold")


@dataclass(slots=True)
class Listening:
    """Where a started node can be reached."""

    api: Address
    stations: Address
    #: The secret of an admin key that was made just now; shown once.
    made_key: str | None = None


class App:
    """One node: storage, stations, API, and the work that runs beside them."""

    def __init__(self, settings: Settings, *, patience_s: float = LONG_S) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.ids = SystemIds()
        self.orders = TaskOrders()
        self.rules = _rules(settings)
        self.storage: SqlStorage = open_storage(settings.database, clock=self.clock)
        self.log = EventLog(self.storage)
        self.credentials = CredentialsCache(lambda: self.enduring.read(lambda tx: tx.stations.credentials()))
        self.registry: SessionRegistry[Session] = SessionRegistry()
        self.calls = LocalCalls(self.registry, clock=self.clock)
        self.commands = v201_reservation.Commands(
            self.calls, clock=self.clock, ids=self.ids, clock_offset=self._offset_of
        )
        self.requests = Provisioning(self.calls, ids=self.ids)
        self.health = StorageHealth(
            self._probe,
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
        self.reactions = Reactions(self._world())
        self.node = self._node()
        self.streams = Streams()
        self.trouble: str | None = "starting"
        self._heard: dict[StationId, datetime] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: tuple[StationServer, ApiServer] | None = None

    # Starting and stopping

    async def start(self) -> Listening:
        """Both listeners are open, and what an earlier life left unsettled is on its way.

        Raises:
            OSError: An address can't be had.
            StorageAway: The database can't be used.
        """
        settings = self.settings
        await self.credentials.refresh()
        lost = await late.recover(storage=self.storage, clock=self.clock)
        if lost:
            log.warning("recovered", asks=lost)
        bus = await self._start_events()
        stations = StationServer(
            self.node,
            registry=self.registry,
            gatekeeper=Gatekeeper(self.credentials.find, settings.unknown_stations),
            versions={v201.SUBPROTOCOL: v201.version(bindings.use_cases(self.parts, self.reactions))},
            settings=ServerSettings(max_stations=settings.max_stations),
            is_away=lambda: self.health.is_long,
        )
        api = ApiServer(build_app(self._web_calls(bus), streams=self.streams), streams=self.streams)
        with named("--stations", settings.stations):
            await stations.start(settings.stations.host, settings.stations.port)
        with named("--api", settings.api):
            api_port = await api.start(settings.api.host, settings.api.port)
        self._servers = (stations, api)
        # Not before: a key that is made is shown this once, and a start that fails shows none.
        made = await provision.ensure_admin(settings.admin_key, storage=self.storage, clock=self.clock, ids=self.ids)
        self.sweeper.start()
        self._tasks.append(asyncio.create_task(self._keep_house(), name="housekeeping"))
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
            await stations.stop()
            await api.stop()
        await self.orders.finish(timeout_s=10)
        await self.health.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._store_heard()
        except StorageAway as error:
            log.warning("stopped.storage-away", error=str(error))
        await self.storage.close()

    async def _start_events(self) -> LocalBus:
        position = await self.log.last()
        bus = LocalBus(self.log, position=position)
        reader = OutboxReader(self.log, position=position, tell=bus.tell)
        self.storage.on_told(reader.wake)
        followed = bus.follow(after=None)
        self._tasks.append(asyncio.create_task(reader.run(), name="outbox"))
        self._tasks.append(asyncio.create_task(self._react(followed), name="reactions"))
        return bus

    async def _react(self, told: AsyncIterator[Told | None]) -> None:
        while True:
            try:
                one = await anext(told)
            except StorageAway:
                # The follower knows where it was, and goes on from there.
                await asyncio.sleep(RETRY_S)
                continue
            except StopAsyncIteration:
                return
            if one is None or (isinstance(one.event, RegistryChanged) and one.event.kind == "station"):
                await self.credentials.refresh()
            if one is not None:
                self._expel_if_removed(one.event)
                self.reactions.on_event(one.event)

    def _expel_if_removed(self, event: Event) -> None:
        """A station that was removed is not listened to any more."""
        if isinstance(event, RegistryChanged) and event.kind == "station":
            session = self.registry.find(StationId(event.key))
            if session is not None and self.credentials.find(event.key.casefold()) is None:
                session.expel()

    async def _keep_house(self) -> None:
        """Once a minute: when stations were last heard, credentials anew, old events away."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                await self._store_heard()
                await self.credentials.refresh()
                await self.log.prune(before=self.clock.now() - EVENTS_KEPT)
            except StorageAway as error:
                log.warning("housekeeping.storage-away", error=str(error))

    async def _store_heard(self) -> None:
        heard, self._heard = self._heard, {}
        try:
            await b01_boot.seen(heard, storage=self.storage)
        except StorageAway:
            # What was heard since is newer.
            self._heard = heard | self._heard
            raise

    # The database goes and comes

    async def _probe(self) -> None:
        await self.log.move_cursor("probe", to=0)

    def _send_stations_away(self) -> None:
        if self._servers is not None:
            self._servers[0].send_away()

    def _storage_is_back(self) -> None:
        """What could not be sent meanwhile is made up; what waits to be stored goes on by itself, the sweep too."""
        for session in self.registry:
            self.reactions.go(session.context.station_id)

    # Stations

    def _node(self) -> Node:
        hooks = Hooks(
            on_open=self._on_open,
            on_closed=self._on_closed,
            on_heard=self._on_heard,
            on_late=self._on_late,
            on_stray=self._on_answer,
        )
        return Node(
            hooks=hooks,
            clock=self.clock,
            frame_log=FrameLog(self.settings.frame_log * 1024 * 1024),
            call_timeout_s=self.settings.call_timeout,
        )

    async def _on_open(self, context: Context) -> None:
        await b01_boot.open_connection(context, version=context.version, storage=self.parts.patient, clock=self.clock)
        self.reactions.opened(context)

    async def _on_closed(self, context: Context) -> None:
        self.reactions.closed(context)
        self._heard.pop(context.station_id, None)
        await b01_boot.close_connection(
            context, last_heard=context.heard_at, replaced=context.replaced, storage=self.enduring, clock=self.clock
        )

    def _on_heard(self, context: Context, at: datetime) -> None:
        self._heard[context.station_id] = at
        if context.call is not None and context.call.action != "BootNotification":
            self.reactions.heard(context)

    async def _on_late(self, context: Context, call: OutgoingCall, answer: CallResult | CallFailed) -> None:
        await self._on_answer(context, call.message_id, answer)

    async def _on_answer(self, context: Context, message_id: str, answer: CallResult | CallFailed) -> None:
        fact_of, frames = v201_reservation.late_answer(
            message_id, answer, at=self.clock.now(), clock_offset=context.clock_offset or timedelta()
        )
        await late.late_answer(
            context.station_id, message_id, fact_of=fact_of, frames=frames, storage=self.enduring, clock=self.clock
        )

    def _expect(self, station_id: StationId, action: str, payload: bytes) -> None:
        session = self.registry.find(station_id)
        if session is not None:
            v201.expect(session.context, action, payload)

    def _last_heard(self, station_id: StationId) -> datetime | None:
        return self._heard.get(station_id)

    def _offset_of(self, station_id: StationId) -> timedelta:
        session = self.registry.find(station_id)
        return (session.context.clock_offset if session is not None else None) or timedelta()

    def _patient(self, limit_s: float | None) -> PatientStorage:
        return PatientStorage(self.storage, health=self.health, clock=self.clock, limit_s=limit_s)

    def _world(self) -> World:
        return World(
            storage=self.enduring,
            stations=self.commands,
            requests=self.requests,
            clock=self.clock,
            ids=self.ids,
            orders=self.orders,
            rules=self.rules,
            read_capabilities=bindings.read_capabilities(self.parts),
            expect=self.sweeper.expect,
            tell_ghost=_tell_ghost,
        )

    # The API

    def _web_calls(self, bus: LocalBus) -> web.Calls:
        return web.Calls(
            reservations=bindings.reservation_calls(self.parts),
            stations=bindings.station_calls(
                self.parts,
                messages=self.node.frame_log.newest,
                last_heard=self._last_heard,
                refresh_credentials=self.credentials.refresh,
                expect=self._expect,
            ),
            tokens=bindings.token_calls(self.parts.storage, clock=self.clock),
            keys=bindings.key_calls(self.parts.storage, clock=self.clock, ids=self.ids),
            follow=bus.follow,
            orders=self.orders,
            clock=self.clock,
            figures=self._figures(),
            trouble=lambda: self.trouble or self.health.trouble,
            version=version_of("evhold"),
        )

    def _figures(self) -> web.Figures:
        counters = self.node.counters
        return web.Figures(
            connected=lambda: len(self.registry),
            calls=lambda: {(way, action, result): count for (way, action, result), count in counters.calls.items()},
            seconds_to_answer=lambda: counters.seconds_to_answer,
            bounds_s=BUCKETS_S,
            frames=lambda: {"in": counters.frames_in, "out": counters.frames_out},
            reservations=partial(queries.reservation_counts, storage=self.storage),
            sweep_lag_s=lambda: self.sweeper.lag_s,
        )


def _tell_ghost(ghost: Ghost) -> None:
    """Said where the operator looks; what each reservation was asked stands in its history."""
    log.warning(
        "station.ghost",
        station=ghost.station_id,
        evse=ghost.evse_id,
        connector=ghost.connector_id,
        asked=list(ghost.asked),
        removed=ghost.removed,
    )


def _rules(settings: Settings) -> Rules:
    return Rules(
        call_timeout=timedelta(seconds=settings.call_timeout),
        expiry_grace=timedelta(seconds=settings.expiry_grace),
        restore_delay=timedelta(seconds=settings.restore_delay),
        accept_unknown_tokens=settings.unknown_tokens == "accept",
    )


def migrate(url: str) -> None:
    """The database exists and has the newest schema."""
    migrate_database(url)


def new_key() -> str:
    """A secret for an API key."""
    return provision.KEY_PREFIX + SystemIds().secret()


def world() -> SimulatedWorld:
    """The real clock, ids and randomness, for simulated stations."""
    return SimulatedWorld(now=SystemClock().now, new_id=SystemIds().message_id, rng=random.Random())


@asynccontextmanager
async def registry(settings: Settings) -> AsyncIterator[bindings.RegistryCalls]:
    """The provisioning calls, bound to the database of these settings; they work with the server stopped."""
    clock, ids = SystemClock(), SystemIds()
    storage = open_storage(settings.database, clock=clock)
    try:
        yield bindings.registry_calls(storage, who="cli", clock=clock, ids=ids)
    finally:
        await storage.close()
