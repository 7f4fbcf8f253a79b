"""How many stations, tokens, keys and webhooks are kept, and how many may be.

Counting is no scan at each request: what was counted is good for a minute, and what this node adds and removes meanwhile
is counted along. So one node keeps a limit to the piece; of several nodes each learns within that minute what the others
added, and the limit may be passed by so much.
"""

from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Final

from evhold.domain.errors import LimitReached
from evhold.usecases.ports import Clock, Storage
from evhold.usecases.traces import Kind

#: So long a count is good.
FRESH_S: Final = 60.0
#: So long where all places are taken: one that became free elsewhere is found soon.
FULL_S: Final = 5.0


class Kept:
    """The places for what is kept; one that is taken in vain is free again with the next count.

    Args:
        most: How many of each kind there may be.
        storage: Where they are counted, never further than the limit.
        clock: Says how old a count is.
        refusals: Counted by the name of the option.
        stations: How many stations are known in memory; None: they are counted like the others.
    """

    def __init__(
        self,
        most: Mapping[Kind, int],
        *,
        storage: Storage,
        clock: Clock,
        refusals: MutableMapping[str, int] | None = None,
        stations: Callable[[], int] | None = None,
    ) -> None:
        self.most = dict(most)
        self._storage = storage
        self._clock = clock
        self._refusals = {} if refusals is None else refusals
        self._stations = stations
        self._counts: dict[Kind, int] = {}
        self._good_until: dict[Kind, float] = {}

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """How many there are, as far as it is known, and how many there may be."""
        self._look_at_stations()
        return {kind: (self._counts[kind], self.most[kind]) for kind in Kind if kind in self._counts}

    async def place(self, kind: Kind) -> Callable[[], None]:
        """What takes a place for one more, and raises LimitReached where there is none.

        Raises:
            StorageAway: It has to be counted, and can't be.
        """
        if kind is Kind.STATIONS and self._stations is not None:
            self._look_at_stations()
        elif self._is_old(kind):
            most, at = self.most[kind], self._clock.now()
            self._counted(kind, await self._storage.read(lambda tx: tx.retention.count(kind, most=most, at=at)))
        return partial(self.take, kind)

    def take(self, kind: Kind) -> None:
        """One more is kept. Raises LimitReached: there are as many as there may be."""
        if self._counts.get(kind, 0) >= self.most[kind]:
            self._refused(kind)
            raise LimitReached(kind.limit, self.most[kind])
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def leave(self, kind: Kind) -> None:
        """One less is kept."""
        self._counts[kind] = max(0, self._counts.get(kind, 0) - 1)

    def has_room(self, kind: Kind) -> bool:
        """Whether one more may be kept; for who can't wait. A No is counted."""
        if kind is Kind.STATIONS:
            self._look_at_stations()
        if self._counts.get(kind, 0) < self.most[kind]:
            return True
        self._refused(kind)
        return False

    def _look_at_stations(self) -> None:
        if self._stations is not None and self._is_old(Kind.STATIONS):
            self._counted(Kind.STATIONS, self._stations())

    def _is_old(self, kind: Kind) -> bool:
        return self._clock.monotonic() >= self._good_until.get(kind, float("-inf"))

    def _counted(self, kind: Kind, count: int) -> None:
        self._counts[kind] = count
        good_for = FULL_S if count >= self.most[kind] else FRESH_S
        self._good_until[kind] = self._clock.monotonic() + good_for

    def _refused(self, kind: Kind) -> None:
        self._refusals[kind.limit] = self._refusals.get(kind.limit, 0) + 1
        # Counted before it was full; now a place that became free elsewhere matters.
        soon = self._clock.monotonic() + FULL_S
        self._good_until[kind] = min(self._good_until.get(kind, soon), soon)
