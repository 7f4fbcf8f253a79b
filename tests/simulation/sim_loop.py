"""Virtual time: one queue of handles for everything that happens, and an event loop whose process can die.

House rules
- Nothing here waits, and nothing here draws a number: the order of a run follows from the order of its calls alone.
- A handle belongs to the process that made it; when the process is killed its handles are gone, wherever they stood.
"""

import asyncio
import heapq
import warnings
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """What is to happen, in order: handles that are ready, and handles at their time.

    Attributes:
        time: Seconds since the begin.
        steps: How many handles of a process ran.
        on_step: Called before each of them; the process may be killed there.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self.steps = 0
        self.on_step: Callable[[], None] | None = None
        self.trace: list[str] | None = None
        self._ready: deque[asyncio.Handle] = deque()
        self._later: list[tuple[float, int, asyncio.Handle | Callable[[], None]]] = []
        self._count = 0

    @property
    def now(self) -> datetime:
        """The true time, aware UTC."""
        return BEGIN + timedelta(seconds=self.time)

    def note(self, text: str) -> None:
        """One more line of the trace, where one is kept."""
        if self.trace is not None:
            self.trace.append(f"{self.time:12.4f}  {text}")

    def soon(self, handle: asyncio.Handle) -> None:
        """It runs after all that is ready now."""
        self._ready.append(handle)

    def at(self, when: float, what: asyncio.Handle | Callable[[], None]) -> None:
        """It runs at this time, after what was put there before."""
        self._count += 1
        heapq.heappush(self._later, (max(when, self.time), self._count, what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """It runs so much later."""
        self.at(self.time + seconds, what)

    def run(self, *, until: float) -> None:
        """All that happens until then has happened."""
        while True:
            while self._ready:
                self._step(self._ready.popleft())
            if not self._later or self._later[0][0] > until:
                break
            self.time, _, what = heapq.heappop(self._later)
            if isinstance(what, asyncio.Handle):
                self._step(what)
            else:
                what()
        self.time = max(self.time, until)

    def _step(self, handle: asyncio.Handle) -> None:
        loop: Any = handle._loop  # type: ignore[attr-defined]
        if handle.cancelled() or not loop.alive:
            return
        if loop.frozen:
            loop.backlog.append(handle)
            return
        self.steps += 1
        if self.on_step is not None:
            self.on_step()
            if not loop.alive:
                return
        events._set_running_loop(loop)
        try:
            handle._run()
        finally:
            events._set_running_loop(None)


class ProcessLoop(asyncio.AbstractEventLoop):
    """The event loop of one life of one process, in virtual time.

    Attributes:
        alive: False once it was killed: no handle of it runs any more.
        frozen: SIGSTOP: its handles wait in the backlog.
    """

    def __init__(self, world: World) -> None:
        self.alive = True
        self.frozen = False
        self.backlog: list[asyncio.Handle] = []
        self._world = world

    def thaw(self) -> None:
        """SIGCONT: what waited runs now, in its order."""
        self.frozen = False
        waiting, self.backlog = self.backlog, []
        for handle in waiting:
            self._world.soon(handle)

    def kill(self) -> None:
        """The process is gone, at once: nothing of it runs, no clean-up of it has any effect."""
        self.alive = False
        with warnings.catch_warnings():
            # What was never begun never will be.
            warnings.simplefilter("ignore", RuntimeWarning)
            for task in asyncio.all_tasks(self):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                self._close(task.get_coro())

    def _close(self, coroutine: object) -> None:
        """What it does on its way out meets dead ports only."""
        with suppress(Exception):
            if isinstance(coroutine, Coroutine | Generator):
                coroutine.close()

    def within(self, call: Callable[[], T]) -> T:
        """The result of a plain call made on this loop."""
        events._set_running_loop(self)
        try:
            return call()
        finally:
            events._set_running_loop(None)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._world.time

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if self.alive:
            self._world.soon(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._world.time + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self.alive:
            self._world.at(when, handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        return

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:  # type: ignore[override]
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self.alive

    def is_closed(self) -> bool:
        return not self.alive

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Results that nobody waited for any more are no fault; failures are logged by those who own the tasks."""
