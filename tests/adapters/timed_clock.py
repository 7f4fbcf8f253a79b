"""A clock that a test moves, and whose timers ring when it does."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from sql_examples import NOON


class TimedCall:
    """One call in the future."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class TimedClock:
    """Wall clock and monotonic clock, moved together by ``move``, or the wall clock alone by ``step``."""

    def __init__(self) -> None:
        self.at = NOON
        self.seconds = 0.0
        self._order = count()
        self._calls: list[tuple[float, int, TimedCall]] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def call_at(self, at: float, call: Callable[[], None], /) -> TimedCall:
        timer = TimedCall(call)
        heapq.heappush(self._calls, (at, next(self._order), timer))
        return timer

    @property
    def next_call(self) -> float | None:
        """When the next timer rings, in seconds from now."""
        waiting = [at for at, _, timer in self._calls if timer.call is not None]
        return min(waiting) - self.seconds if waiting else None

    def step(self, by: timedelta) -> None:
        """Somebody set the wall clock."""
        self.at += by

    async def move(self, seconds: float) -> None:
        """Time passes; what was due by then has happened, and what followed from it."""
        end = self.seconds + seconds
        await settled()
        while self._calls and self._calls[0][0] <= end:
            at, _, timer = heapq.heappop(self._calls)
            self._pass(max(at, self.seconds) - self.seconds)
            if timer.call is not None:
                timer.call()
                await settled()
        self._pass(end - self.seconds)

    def _pass(self, seconds: float) -> None:
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)


async def settled() -> None:
    """Every task has gone as far as it can without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)
