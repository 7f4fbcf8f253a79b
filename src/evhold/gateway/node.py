"""What all sessions of one node share: hooks into the use cases, the clock, counters, the frame log, and their tasks."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import structlog

from evhold.domain.security import Incident
from evhold.gateway.counters import Counters
from evhold.gateway.frame_log import FrameLog
from evhold.ocpp.router import Context
from evhold.ocpp.rpc.connection import OutgoingCall
from evhold.usecases.ports import CallFailed, CallResult, Clock, Overtaken, StorageAway

Answer: TypeAlias = CallResult | CallFailed

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.gateway")


async def end_of(work: Awaitable[object]) -> None:
    """Ends when the work does; what became of it is somebody else's to hear."""
    ended = asyncio.ensure_future(work)
    await asyncio.wait([ended])
    if not ended.cancelled():
        ended.exception()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a session tells the rest of the program.

    Args:
        on_open: Awaited before the first CALL of a connection is handled: loads the context. Failing, it ends the socket.
        on_closed: Awaited after a connection that was opened; the next one of the station waits for it.
        on_heard: Called with every CALL of the station.
        on_late: Awaited with an answer that nobody waits for any more.
        on_stray: Awaited with an answer whose message id this connection never sent: one of an earlier connection, perhaps.
        on_incident: Called when a peer is sent away for a reason of security.
    """

    on_open: Callable[[Context], Awaitable[None]]
    on_closed: Callable[[Context], Awaitable[None]]
    on_heard: Callable[[Context, datetime], None]
    on_late: Callable[[Context, OutgoingCall, Answer], Awaitable[None]]
    on_stray: Callable[[Context, str, Answer], Awaitable[None]]
    on_incident: Callable[[Incident], None] = lambda incident: None


@dataclass(slots=True, kw_only=True)
class Node:
    """One process's share of the stations.

    Args:
        call_timeout_s: How long a station may take to answer, from the frame's leaving.
        queue_limit: How many of our CALLs may wait for one station, besides the one in flight.
        log_frames: Whether every frame is logged, at DEBUG, masked.
    """

    hooks: Hooks
    clock: Clock
    frame_log: FrameLog = field(default_factory=FrameLog)
    counters: Counters = field(default_factory=Counters)
    call_timeout_s: float = 30.0
    queue_limit: int = 16
    log_frames: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """The work runs, owned here; its failure is logged and touches nothing else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def settle(self, *, timeout_s: float) -> None:
        """The work in hand is finished, or was cancelled after ``timeout_s``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while self._tasks and (left := deadline - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        running = set(self._tasks)
        for task in running:
            task.cancel()
        if running:
            log.error("gateway.work-cancelled", tasks=len(running))
            await asyncio.wait(running)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, StorageAway):
            log.warning("gateway.storage-away", error=str(error))
        elif isinstance(error, Overtaken):
            # The station is another node's, or this one has no lease: it is nobody's fault.
            log.warning("gateway.overtaken", error=str(error))
        else:
            log.error("gateway.task-failed", exc_info=error)
