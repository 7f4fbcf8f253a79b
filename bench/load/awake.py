"""A load process that does not sleep while it measures.

On one machine whoever sends to a sleeping process has to wake it, which costs the sender 5 to 10 us in a virtual machine. No station
of a real network makes its server pay for that, and a baseline that keeps the load busy never pays.
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

#: A turn of the loop that had nothing to do takes a quarter of this.
_IDLE_TURN_S: Final = 2e-6


class Awake:
    """While this context lasts the loop looks for work without a pause. ``idle_s``: seconds in which there was none."""

    def __init__(self) -> None:
        self.idle_s = 0.0
        self._is_on = False
        self._last = 0.0
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        self._is_on, self._last = True, time.perf_counter()
        self._turn()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_on = False

    def _turn(self) -> None:
        now = time.perf_counter()
        if now - self._last < _IDLE_TURN_S:
            self.idle_s += now - self._last
        self._last = now
        if self._is_on:
            self._loop.call_soon(self._turn)
