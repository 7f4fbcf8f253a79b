"""Latencies, and when to stop: what the stations or clients of one measured stretch share."""

import asyncio
import time
from array import array

from bench.load.orders import Done, Failed, Reply


class Clocking:
    """So many workers run until the time is up; each tells its latencies, and when it is done.

    Args:
        workers: How many have to be done.
        seconds: Nothing new is begun after these.
    """

    __slots__ = ("_begun", "_ended", "_latencies", "_left", "_until")

    def __init__(self, workers: int, *, seconds: float) -> None:
        self._latencies = array("q")
        self._left = workers
        self._begun = time.perf_counter_ns()
        self._until = self._begun + int(seconds * 1e9)
        self._ended: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def clock(self, begun: int) -> int:
        """A latency is noted; return the time, or 0 when the worker has to stop. Both are of `perf_counter_ns`."""
        now = time.perf_counter_ns()
        self._latencies.append(now - begun)
        if now < self._until:
            return now
        self.leave()
        return 0

    def leave(self) -> None:
        """A worker is done; with the last one the stretch ends."""
        self._left -= 1
        if self._left == 0 and not self._ended.done():
            self._ended.set_result(self._summary(time.perf_counter_ns()))

    def fail(self, reason: str) -> None:
        """The stretch ends as failed."""
        if not self._ended.done():
            self._ended.set_result(Failed(reason=reason))

    async def reply(self, *, timeout_s: float) -> Reply:
        """What the stretch came to, once all workers are done."""
        try:
            return await asyncio.wait_for(self._ended, timeout_s)
        except TimeoutError:
            return Failed(reason=f"{self._left} not answered within {timeout_s:g} s")

    def _summary(self, now: int) -> Done:
        return summary(self._latencies, seconds=(now - self._begun) / 1e9)


def summary(latencies: "array[int]", *, seconds: float) -> Done:
    """What these nanoseconds come to."""
    ordered = sorted(latencies)
    return Done(
        count=len(ordered),
        seconds=seconds,
        p50_ms=percentile(ordered, 0.50),
        p99_ms=percentile(ordered, 0.99),
        max_ms=ordered[-1] / 1e6,
    )


def percentile(ordered: list[int], share: float) -> float:
    """The nearest-rank percentile of sorted nanoseconds, in milliseconds."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6
