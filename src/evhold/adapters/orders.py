"""Work that outlives the request that began it (ports.Orders): tasks owned here, finished before the process ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from evhold.domain.errors import DomainError
from evhold.usecases.ports import StorageAway

T = TypeVar("T")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.orders")


class TaskOrders:
    """Every order is a task of its own; a failed one is logged, and harms nobody else."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> "asyncio.Future[T]":
        """Run it; the future gives its result, and abandoning or cancelling that does not cancel the work."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._done)
        waited_for = asyncio.shield(task)
        # Whether anybody looks or not: what failed is logged above.
        waited_for.add_done_callback(_retrieve)
        return waited_for

    async def finish(self, *, timeout_s: float) -> None:
        """What was running has ended, or is cancelled after so many seconds."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout_s)
        left = set(self._running)
        for task in left:
            task.cancel()
        if left:
            log.warning("orders.cancelled", orders=sorted(task.get_name() for task in left))
            await asyncio.wait(left)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, StorageAway):
            log.warning("order.storage-away", order=task.get_name(), error=str(error))
        elif not isinstance(error, DomainError):
            log.error("order.failed", order=task.get_name(), exc_info=error)


def _retrieve(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()
