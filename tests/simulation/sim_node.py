"""The CSMS as a process that can be killed and started again on the same database. All of it is the real node, but for
sockets, HTTP, clock, ids and the writer's thread."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from unittest.mock import patch

import structlog
from sim_loop import ProcessLoop, World
from sim_network import Link, StationEnd, Weather
from sim_storage import Disk, DrawnStorage, shared_recorder
from sqlalchemy import Engine
from structlog.typing import EventDict, WrappedLogger

from evhold import bindings, bootstrap
from evhold.adapters.bus_local import LocalBus, Log
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.webhooks import worker
from evhold.config import Settings
from evhold.domain.values import MessageId, StationId
from evhold.gateway.session import Session
from evhold.ocpp.router import Context, Version
from evhold.ocpp.v201 import routes as v201
from evhold.usecases import h04_end
from evhold.usecases.ports import StorageAway, Told

#: Nobody else writes this database: a look at the outbox without a reason would only cost time.
POLL_S: Final = 1e6
HOUSEKEEPING_S: Final = 900.0
#: Where the CSMS's clock never steps, a sweep without a reason would cost time, too.
SWEEP_EVERY: Final = timedelta(minutes=15)
#: Errors that are the database's, not the program's.
OUTAGE: Final = frozenset({"storage.away", "call.not-stored", "server.stations-sent-away"})


class VirtualTimer:
    """One call in the future."""

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        """The call is not made, unless it was made already."""
        self._handle.cancel()


class VirtualClock:
    """ports.Clock in virtual time. ``error``: how wrong the CSMS's time of day is now."""

    def __init__(self, world: World, loop: ProcessLoop, *, error: Callable[[], timedelta]) -> None:
        self._world, self._loop, self._error = world, loop, error

    def now(self) -> datetime:
        """Aware UTC."""
        return self._world.now + self._error()

    def monotonic(self) -> float:
        """Seconds since the begin of the run."""
        return self._world.time

    def call_at(self, at: float, call: Callable[[], None], /) -> VirtualTimer:
        """As the real one."""
        return VirtualTimer(self._loop.call_at(at, call))


class DrawnIds:
    """ports.Ids, drawn from the run's seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def message_id(self) -> MessageId:
        """Never used before, in this life or another."""
        return MessageId(f"csms-{self._rng.getrandbits(96):024x}")

    def secret(self) -> str:
        """URL-safe."""
        return f"{self._rng.getrandbits(192):048x}"

    def jitter(self) -> float:
        """In [0, 1)."""
        return self._rng.random()


class _NoServer:
    """Stands where the sockets of a node would be; what the node gave to them is kept."""

    port = 1

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named = given, named
        self.on_send_away: Callable[[], None] = lambda: None

    async def start(self, host: str, port: int) -> int:
        """Open at once."""
        return port

    def send_away(self) -> None:
        """As the real server does."""
        self.on_send_away()

    async def stop(self) -> None:
        """Closed at once."""


class Csms:
    """One CSMS, in one life after another.

    Attributes:
        faults: What the program itself logged as its own fault.
        lives: How often it was started.
        clock_error: How wrong its time of day is now.
        clock_steps: Whether its time of day ever steps.
    """

    def __init__(self, world: World, *, engine: Engine, rng: random.Random, disk: Disk) -> None:
        self.world, self.engine = world, engine
        self.faults: list[str] = []
        self.lives = 0
        self.clock_error = timedelta()
        self.clock_steps = False
        self.app: bootstrap.App | None = None
        self.links: list[Link] = []
        self.on_told: Callable[[Sequence[Told]], None] = lambda events: None
        self._rng, self.disk = rng, disk
        self._loop = ProcessLoop(world)
        self._version: Version | None = None

    @property
    def is_up(self) -> bool:
        """Whether its listeners are open."""
        return self._version is not None

    def start(self) -> None:
        """A new life begins; it is up some moments later."""
        if self.app is not None:
            return
        self.lives += 1
        self._loop = loop = ProcessLoop(self.world)
        clock, ids = VirtualClock(self.world, loop, error=lambda: self.clock_error), DrawnIds(self._rng)
        storage = DrawnStorage(self.engine, now=clock.now, loop=loop, disk=self.disk)
        parts = {
            "SystemClock": lambda: clock,
            "SystemIds": lambda: ids,
            "open_storage": lambda url, *, clock: storage,
        }
        settings = Settings(database="sqlite://", unknown_stations="accept", frame_log=0)
        with patch.multiple(bootstrap, **parts):
            self.app = loop.within(lambda: bootstrap.App(settings))
        loop.create_task(self._start(self.app), name="start")

    async def _start(self, app: bootstrap.App) -> None:
        try:
            await app.start()
        except StorageAway:
            # The process ends; whoever looks after it starts it again.
            self.world.after(0.0, self.kill)
            self.world.after(1.0, self.start)
            return
        assert app._servers is not None
        server: Any = app._servers[0]
        server.on_send_away = self._send_away
        self._version = v201.version(bindings.use_cases(app.parts, app.reactions))

    def _send_away(self) -> None:
        assert self.app is not None
        for session in self.app.registry:
            session.send_away()

    def kill(self) -> None:
        """SIGKILL: memory is gone, sockets are closed by the system, what was committed is kept."""
        if self.app is None:
            return
        self.world.note("CSMS killed")
        self.app = self._version = None
        links, self.links = self.links, []
        for link in links:
            link.csms_died()
        self._loop.kill()

    def connect(self, station_id: str, station: StationEnd, weather: Weather) -> Link | None:
        """A socket for this station; None: nobody listens."""
        if self.app is None or self._version is None or self.app.health.is_long:
            return None
        context = Context(station_id=StationId(station_id), epoch=0, version=self._version.name, provisioned=True)
        app, loop = self.app, self._loop
        session = Session(context, version=self._version, node=app.node, registry=app.registry)
        link = Link(self.world, station=station, session=session, loop=loop, weather=weather)
        self.links = [one for one in self.links if not one.is_cut] + [link]
        loop.call_soon(session.opened, link)
        return link

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A caller's request, handled by this life."""
        self._loop.create_task(work)

    def take_fault(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """A structlog processor: errors are faults, all is part of the trace."""
        if method in ("error", "critical") and event["event"] not in OUTAGE:
            error = event.get("exc_info")
            self.faults.append(f"{event['event']}: {error!r}" if error else str(event))
        if self.world.trace is not None:
            self.world.note(f"log {event}")
        raise structlog.DropEvent

    def _bus(self, source: Log, *, position: int) -> LocalBus:
        """The real bus, overheard."""
        bus = LocalBus(source, position=position)
        tell = bus.tell

        def overheard(events: Sequence[Told]) -> None:
            self.on_told(events)
            tell(events)

        bus.tell = overheard  # type: ignore[method-assign]
        return bus

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """Logs come here, and nodes that are built have no sockets."""
        before = structlog.get_config()
        structlog.configure(processors=[self.take_fault], cache_logger_on_first_use=False)
        try:
            with (
                patch.multiple(
                    bootstrap,
                    StationServer=_NoServer,
                    ApiServer=_NoServer,
                    LocalBus=self._bus,
                    SqlRecorder=shared_recorder,
                    build_app=lambda *given, **named: None,
                    OutboxReader=partial(OutboxReader, poll_s=POLL_S),
                    HOUSEKEEPING_S=HOUSEKEEPING_S,
                ),
                patch.object(h04_end, "AT_LEAST_EVERY", h04_end.AT_LEAST_EVERY if self.clock_steps else SWEEP_EVERY),
                patch.object(worker, "POLL_S", POLL_S),
            ):
                yield
        finally:
            structlog.configure(**before)
