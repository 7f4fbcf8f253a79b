"""A node as a process that can be killed, frozen and started again on the same database. All of it is the real node, but for
sockets, HTTP, clock, ids and the writer's thread."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from sim_loop import ProcessLoop, World
from sim_mesh import Broker, SimMesh
from sim_network import Link, StationEnd, Weather
from sim_storage import Disk, DrawnStorage
from sqlalchemy import Engine

from evhold import bindings, bootstrap
from evhold.adapters import nats
from evhold.domain.values import MessageId, StationId
from evhold.gateway.session import Session
from evhold.ocpp.router import Context, Version
from evhold.ocpp.v201 import routes as v201
from evhold.settings import Settings
from evhold.usecases.ports import StorageAway


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


class Csms:
    """One node, in one life after another.

    Args:
        world: Where it lives.
        engine: The database, which all nodes share.
        rng: For its ids.
        disk: How the database is reached from here.
        broker: Between the nodes; None: it is the only one.

    Attributes:
        lives: How often it was started.
        clock_error: How wrong its time of day is now.
        is_off_mesh: Whether it is cut off from the other nodes.
        on_committed: Called when events were committed.
        on_fault: Called with why it could not start, where that is not the database.
    """

    def __init__(
        self, world: World, *, engine: Engine, rng: random.Random, disk: Disk, broker: Broker | None = None
    ) -> None:
        self.world, self.engine, self.broker = world, engine, broker
        self.number = 1
        self.lives = 0
        self.clock_error = timedelta()
        self.is_off_mesh = False
        self.on_committed: Callable[[], None] = lambda: None
        self.on_fault: Callable[[str], None] = lambda why: None
        self._mesh: SimMesh | None = None
        self.app: bootstrap.App | None = None
        self.links: list[Link] = []
        self._rng, self.disk = rng, disk
        self._loop = ProcessLoop(world)
        self._version: Version | None = None

    @property
    def is_up(self) -> bool:
        """Whether its listeners are open."""
        return self._version is not None and not self._loop.frozen

    def start(self) -> None:
        """A new life begins; it is up some moments later."""
        if self.app is not None:
            return
        self.lives += 1
        self._loop = loop = ProcessLoop(self.world)
        clock, ids = VirtualClock(self.world, loop, error=lambda: self.clock_error), DrawnIds(self._rng)
        storage = DrawnStorage(
            self.engine, now=clock.now, loop=loop, disk=self.disk, on_committed=lambda: self.on_committed()
        )
        parts = {
            "SystemClock": lambda: clock,
            "SystemIds": lambda: ids,
            "open_storage": lambda url, *, clock: storage,
        }
        settings = Settings(
            database="sqlite://", unknown_stations="accept", frame_log=0, nats=self.broker and "nats://"
        )
        with patch.multiple(bootstrap, **parts), patch.object(nats, "NatsMesh", self._open_mesh):
            self.app = loop.within(lambda: bootstrap.App(settings))
        loop.create_task(self._start(self.app), name="start")

    def _open_mesh(self, url: str, **errors: object) -> SimMesh:
        assert self.broker is not None
        self._mesh = SimMesh(self.broker, self, self._loop)
        return self._mesh

    async def _start(self, app: bootstrap.App) -> None:
        try:
            await app.start()
        except StorageAway:
            # The process ends; whoever looks after it starts it again.
            self.world.after(0.0, self.kill)
            self.world.after(1.0, self.start)
            return
        except Exception as error:
            self.on_fault(f"did not start: {error!r}")
            raise
        assert app._servers is not None
        server: Any = app._servers[0]
        server.on_send_away = self._send_away
        use_cases = bindings.use_cases(
            app.parts,
            app.reactions,
            tokens=app.tokens,
            many_nodes=app.cluster.are_many,
            on_registered=app.cluster.registered,
        )
        self._version = v201.version(use_cases)

    def _send_away(self) -> None:
        assert self.app is not None
        for session in self.app.registry:
            session.send_away()

    def kill(self) -> None:
        """SIGKILL: memory is gone, sockets are closed by the system, what was committed is kept."""
        if self.app is None:
            return
        self.world.note(f"{self} killed")
        self.app = self._version = None
        links, self.links = self.links, []
        for link in links:
            link.csms_died()
        self._loop.kill()

    def connect(self, station_id: str, station: StationEnd, weather: Weather) -> Link | None:
        """A socket for this station; None: nobody listens."""
        if self.app is None or self._version is None or not self.is_up:
            return None
        if self.app.health.is_long or not self.app.cluster.is_alive:
            return None
        context = Context(station_id=StationId(station_id), epoch=0, version=self._version.name, provisioned=True)
        app, loop = self.app, self._loop
        session = Session(context, version=self._version, node=app.node, registry=app.registry)
        link = Link(self.world, station=station, session=session, loop=loop, weather=weather)
        self.links = [one for one in self.links if not one.is_cut] + [link]
        loop.call_soon(session.opened, link)
        return link

    @property
    def runs_on(self) -> ProcessLoop:
        """The loop of its present life."""
        return self._loop

    def hear_of_commit(self) -> None:
        """NOTIFY: another node committed events."""
        for call in self.app.storage._writer.on_told if self.app is not None else ():
            self._loop.call_soon(call)

    def freeze(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later: its sockets stay open, its time goes by."""
        if self.app is not None and not self._loop.frozen:
            self.world.note(f"{self} is frozen for {seconds:.0f} s")
            self._loop.frozen = True
            self.world.after(seconds, self._loop.thaw)

    def thaw(self) -> None:
        """It runs, if it is there."""
        self._loop.thaw()

    def leave_mesh(self, seconds: float) -> None:
        """NATS can't be reached from here for a while."""
        self.world.note(f"{self} is cut off from the other nodes for {seconds:.0f} s")
        self.is_off_mesh = True
        self.world.after(seconds, self.join_mesh)

    def join_mesh(self) -> None:
        """NATS can be reached again."""
        if self.is_off_mesh:
            self.is_off_mesh = False
            if self._mesh is not None:
                self._mesh.came_back()

    def __str__(self) -> str:
        return "CSMS" if self.broker is None else f"node {self.number}"

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A caller's request, handled by this life."""
        self._loop.create_task(work)
