"""What was read of late, in memory: as good as new for a minute, and read again when it is told to have changed."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Final, Generic, TypeVar

from evhold.usecases.ports import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: What is held is read again after so long, whatever was heard of it.
FRESH: Final = timedelta(seconds=60)


class Fresh(Generic[K, V]):
    """Values by key, each at most a minute old. None is not held.

    Args:
        clock: Says how old they are.
        most: How many are held; the longest unused are let go.
    """

    def __init__(self, *, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._held: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._changes = 0

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def find(self, key: K) -> V | None:
        """The value, if it is held and fresh; None: it has to be read."""
        held = self._held.get(key)
        if held is None or held[1] <= self._clock.monotonic():
            return None
        self._held.move_to_end(key)
        return held[0]

    async def read(self, key: K, look: Callable[[], Awaitable[V]]) -> V:
        """What ``look`` finds, which is held from now on; raises what it raises."""
        changes = self._changes
        until = self._clock.monotonic() + FRESH.total_seconds()
        found = await look()
        # What changed while it was read may not be in what was read.
        if found is not None and changes == self._changes:
            self._held[key] = found, until
            self._held.move_to_end(key)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return found

    def forget(self, key: K | None) -> None:
        """This one, or all, is read again when it is next needed."""
        self._changes += 1
        if key is None:
            self._held.clear()
        else:
            self._held.pop(key, None)
