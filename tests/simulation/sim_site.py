"""The CSMS of a run: one node, or several over one database; where logs go, and what is told on every stream."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final
from unittest.mock import patch

import structlog
from sim_loop import World
from sim_mesh import Broker
from sim_network import Link, StationEnd, Weather
from sim_node import Csms
from sim_storage import Disk, shared_recorder
from sqlalchemy import Engine
from structlog.typing import EventDict, WrappedLogger

from evhold import bootstrap, cluster
from evhold.adapters.bus_local import LocalBus, Log
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.webhooks import worker
from evhold.usecases import h04_end, nodes
from evhold.usecases.ports import Told

#: Commits are announced, the other nodes' too: a look at the outbox without a reason would only cost time.
POLL_S: Final = 1e6
HOUSEKEEPING_S: Final = 900.0
#: Where the CSMS's clock never steps, a sweep without a reason would cost time, too.
SWEEP_EVERY: Final = timedelta(minutes=15)
#: Errors that are the database's, not the program's.
OUTAGE: Final = frozenset({"storage.away", "call.not-stored", "server.stations-sent-away"})
#: How far the clocks of nodes may be apart, in seconds.
APART_S: Final = 0.4


class Site:
    """All nodes.

    Attributes:
        faults: What the program itself logged as its own fault.
        clock_steps: Whether the time of day of its nodes ever steps.
        streams: What was told at each node in each of its lives, by number.
        on_told: Called with what is told anywhere for the first time.
    """

    def __init__(self, world: World, *, engine: Engine, rng: random.Random, slow: float, count: int) -> None:
        self.world, self.rng = world, rng
        self.faults: list[str] = []
        self.clock_steps = False
        self.streams: dict[tuple[int, int], list[int]] = {}
        self.on_told: Callable[[Sequence[Told]], None] = lambda events: None
        broker = Broker(world, rng) if count > 1 else None
        self.nodes = [
            Csms(world, engine=engine, rng=rng, disk=Disk(rng, slow=slow), broker=broker) for _ in range(count)
        ]
        self._told = 0
        for number, node in enumerate(self.nodes, start=1):
            node.number = number
            node.on_fault = self.faults.append
            if count > 1:
                node.clock_error = timedelta(seconds=rng.uniform(-APART_S, APART_S))
                node.on_committed = partial(self._notify, node)

    @property
    def lives(self) -> int:
        """How often a node was started, beyond the first time of each."""
        return sum(node.lives for node in self.nodes) - len(self.nodes) + 1

    @property
    def are_many(self) -> bool:
        """Whether there is more than one node."""
        return len(self.nodes) > 1

    def one(self) -> Csms:
        """Any of them."""
        return self.nodes[0] if len(self.nodes) == 1 else self.rng.choice(self.nodes)

    def node_of(self, link: Link | None) -> Csms | None:
        """The node at this socket's end, if it lives."""
        return next((node for node in self.nodes if link is not None and link in node.links), None)

    def start(self) -> None:
        """Every node lives."""
        for node in self.nodes:
            node.start()

    def kill(self) -> None:
        """No node lives."""
        for node in self.nodes:
            node.kill()

    def mend(self) -> None:
        """Everything can be reached, and clocks are right."""
        for node in self.nodes:
            node.disk.away_until = 0.0
            node.thaw()
            node.join_mesh()
            if not self.are_many:
                node.clock_error = timedelta()
        self.start()

    def connect(self, station_id: str, station: StationEnd, weather: Weather) -> Link | None:
        """A socket for this station at any node; None: nobody listens there."""
        return self.one().connect(station_id, station, weather)

    def calm_down(self) -> None:
        """Leases last longer, and are renewed less often: nothing dies any more, and the rest of the run is long."""
        if self.are_many:
            nodes.LEASE = timedelta(days=30)  # type: ignore[misc]
            self.world.run(until=self.world.time + 5)
            nodes.RENEW_EVERY = timedelta(minutes=20)  # type: ignore[misc]
            cluster.LOOK_EVERY_S = 60.0  # type: ignore[misc]

    # What the nodes say

    def take_fault(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """A structlog processor: errors are faults, all is part of the trace."""
        if method in ("error", "critical") and event["event"] not in OUTAGE:
            error = event.get("exc_info")
            self.faults.append(f"{event['event']}: {error!r}" if error else str(event))
        if self.world.trace is not None:
            self.world.note(f"log {event}")
        raise structlog.DropEvent

    def _notify(self, teller: Csms) -> None:
        for node in self.nodes:
            if node is not teller:
                late = self.rng.random() * (0.5 if self.rng.random() < 0.05 else 0.005)
                # Who can't reach the database hears of it when it can again.
                self.world.at(max(self.world.time, node.disk.away_until) + late, node.hear_of_commit)

    def _bus(self, source: Log, *, position: int) -> LocalBus:
        """The real bus, overheard."""
        loop = asyncio.get_running_loop()
        node = next(one for one in self.nodes if one.runs_on is loop)
        bus = LocalBus(source, position=position)
        tell, stream = bus.tell, self.streams.setdefault((node.number, node.lives), [position])

        def overheard(events: Sequence[Told]) -> None:
            stream.extend(told.seq for told in events)
            if fresh := [told for told in events if told.seq > self._told]:
                self._told = fresh[-1].seq
                self.on_told(fresh)
            tell(events)

        bus.tell = overheard  # type: ignore[method-assign]
        return bus

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """Logs come here, and nodes that are built have no sockets."""
        before = structlog.get_config()
        structlog.configure(processors=[self.take_fault], cache_logger_on_first_use=False)
        sweep_every = h04_end.AT_LEAST_EVERY if self.clock_steps else SWEEP_EVERY
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
                patch.object(h04_end, "AT_LEAST_EVERY", sweep_every),
                patch.object(worker, "POLL_S", POLL_S),
                patch.multiple(nodes, LEASE=nodes.LEASE, RENEW_EVERY=nodes.RENEW_EVERY),
                patch.object(cluster, "LOOK_EVERY_S", cluster.LOOK_EVERY_S),
            ):
                yield
        finally:
            structlog.configure(**before)


class _NoServer:
    """Stands where the sockets of a node would be; what the node gave to them is kept."""

    port = 1

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named = given, named
        self.on_send_away: Callable[[], None] = lambda: None

    async def start(self, host: str, port: int, **more: object) -> int:
        """Open at once."""
        return port

    def send_away(self) -> None:
        """As the real server does."""
        self.on_send_away()

    async def stop(self) -> None:
        """Closed at once."""
