"""What happens while the database can't be written: work waits, and after a while stations are sent away (design decision 15).

House rules
- A StorageAway of any transaction begins an outage; only a probe that has written something ends it. Meanwhile nobody
  else tries to write.
- Stations repeat nothing but TransactionEvents, and those only while they are unanswered: so answers wait, and after
  ``LONG_S`` the sockets are closed, that stations queue.
- An order that was sent is never forgotten for want of a disk: its end is stored when the storage is back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol, TypeVar

import structlog

from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, Event
from evhold.domain.station import Station
from evhold.domain.transaction import Transaction
from evhold.usecases.ports import Clock, Recorder, Storage, StorageAway, Stored
from evhold.usecases.stores import Tx

LONG_S: Final = 20.0
RETRY_S: Final = 0.25

T = TypeVar("T")
log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.storage")


class StorageHealth:
    """Whether the database can be written, as far as anybody has noticed.

    Args:
        probe: Writes a little; raises StorageAway while that can't be done.
        clock: Ours.
        on_long: Called once in an outage that has lasted ``long_s``.
        on_back: Called when the outage is over.
        long_s: Seconds.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        *,
        clock: Clock,
        on_long: Callable[[], None],
        on_back: Callable[[], None],
        long_s: float = LONG_S,
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._on_long = on_long
        self._on_back = on_back
        self._long_s = long_s
        self._watching: asyncio.Task[None] | None = None
        #: In the order of their coming: so do they go on.
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._given_up = False
        #: What the database said when the outage began; None: all is well.
        self.trouble: str | None = None
        #: The outage has lasted so long that stations are sent away.
        self.is_long = False

    def away(self, error: StorageAway) -> None:
        """A transaction could not be stored."""
        if self.trouble is None:
            self.trouble = str(error)
            log.error("storage.away", error=self.trouble)
            self._watching = asyncio.get_running_loop().create_task(self._watch(), name="storage-probe")

    async def back(self, *, by: float | None = None) -> bool:
        """Ends when the outage does, at ``by`` of ``clock.monotonic()``, or at ``give_up``; whether the outage is over."""
        if self.trouble is not None and not self._given_up:
            await self._pause(by, self._waiting)
        return self.trouble is None

    def give_up(self) -> None:
        """Who waits in an outage has StorageAway now, and nobody waits any more: the node is stopping."""
        self._given_up = True
        if self.trouble is not None:
            self._wake()

    async def close(self) -> None:
        """Nobody watches any more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        began = self._clock.monotonic()
        while not await self._is_back():
            if not self.is_long and self._clock.monotonic() - began >= self._long_s:
                self.is_long = True
                self._on_long()
        log.warning("storage.back", seconds=round(self._clock.monotonic() - began, 1))
        self.trouble, self.is_long, self._watching = None, False, None
        self._on_back()
        self._wake()

    async def _is_back(self) -> bool:
        await self._pause(self._clock.monotonic() + RETRY_S, {})
        try:
            await self._probe()
        except StorageAway:
            return False
        except Exception:  # the top of this task: a node that stopped probing would never heal
            log.exception("storage.probe-failed")
            return False
        return True

    def _wake(self) -> None:
        for waiting in list(self._waiting):
            _end(waiting)

    async def _pause(self, until: float | None, among: dict[asyncio.Future[None], None]) -> None:
        """Until somebody ends it, or it is ``until`` by the clock."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        among[done] = None
        timer = None if until is None else self._clock.call_at(until, lambda: _end(done))
        try:
            await done
        finally:
            among.pop(done, None)
            if timer is not None:
                timer.cancel()


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class PatientStorage:
    """Storage that waits an outage out (ports.Storage).

    Args:
        storage: What it stands before.
        health: Told of every outage.
        clock: Ours.
        limit_s: After so many seconds StorageAway is raised all the same; None: never. Zero: at once.
    """

    def __init__(self, storage: Storage, *, health: StorageHealth, clock: Clock, limit_s: float | None) -> None:
        self._storage = storage
        self._health = health
        self._clock = clock
        self._limit_s = limit_s
        self._trying: set[asyncio.Task[None]] = set()

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As the storage's, waiting while it is away."""
        return self.patiently(lambda: self._storage.transact(work))

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As the storage's, waiting while it is away; what can't be written may still be read."""
        return self.patiently(lambda: self._storage.read(work), try_first=True)

    async def patiently(self, attempt: Callable[[], Awaitable[T]], *, try_first: bool = False) -> T:
        """The result of the first attempt that the storage took.

        Args:
            attempt: Raises StorageAway while it can't be done.
            try_first: Try once even in an outage that is known.

        Raises:
            StorageAway: Longer than the limit.
        """
        by = None if self._limit_s is None else self._clock.monotonic() + self._limit_s
        while True:
            # In a known outage only the probe tries: thousands of others would hold it up, each for the busy time-out.
            if try_first or self._health.trouble is None:
                try_first = False
                try:
                    return await attempt()
                except StorageAway as error:
                    self._health.away(error)
            told = self._health.trouble or ""
            is_late = by is not None and self._clock.monotonic() >= by
            if is_late or not await self._health.back(by=by):
                raise StorageAway(told)

    @property
    def is_away(self) -> bool:
        """Whether that is known."""
        return self._health.trouble is not None

    def stored(self, attempt: Callable[[], Stored]) -> Stored:
        """As ``patiently``, for what ends by a plain call."""
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(error: BaseException | None) -> None:
            if outcome.done():
                return
            if error is None:
                outcome.set_result(None)
            else:
                outcome.set_exception(error)

        self._take_time(attempt, end)
        return outcome

    def keep(
        self, error: StorageAway, *, again: Callable[[], Stored], end: Callable[[BaseException | None], None]
    ) -> None:
        """``again`` is tried when the storage is back, and ``end`` told of what became of it."""
        self._health.away(error)
        self._take_time(again, end)

    def _take_time(self, attempt: Callable[[], Stored], end: Callable[[BaseException | None], None]) -> None:
        trying = asyncio.get_running_loop().create_task(self.patiently(attempt))
        # Held until it is done: the loop itself does not.
        self._trying.add(trying)

        def ended(done: "asyncio.Task[None]") -> None:
            self._trying.discard(done)
            end(StorageAway("given up") if done.cancelled() else done.exception())

        trying.add_done_callback(ended)


class Kept(Stored, Protocol):
    """What could not be stored, and waits."""

    def end(self, error: BaseException | None) -> None:
        """It is stored, or will never be."""
        ...


class KeepingRecorder(Recorder, Protocol):
    """A recorder that tells of what it can't store now, and leaves its end to whoever is told."""

    on_away: Callable[[Any, StorageAway], None] | None

    def again(self, kept: Any) -> Stored:
        """It is tried once more, and fails with StorageAway where that is still so."""
        ...


class PatientRecorder:
    """A recorder that waits an outage out (ports.Recorder). While all is well nothing stands between."""

    def __init__(self, recorder: KeepingRecorder, *, storage: PatientStorage) -> None:
        self._recorder = recorder
        self._storage = storage
        recorder.on_away = self._keep

    def connector(self, connector: Connector, event: ConnectorChanged, *, epoch: int | None = None) -> Stored:
        """As the recorder's."""
        if self._storage.is_away:
            return self._storage.stored(lambda: self._recorder.connector(connector, event, epoch=epoch))
        return self._recorder.connector(connector, event, epoch=epoch)

    def transaction(self, transaction: Transaction, *, epoch: int | None = None) -> Stored:
        """As the recorder's."""
        if self._storage.is_away:
            return self._storage.stored(lambda: self._recorder.transaction(transaction, epoch=epoch))
        return self._recorder.transaction(transaction, epoch=epoch)

    def station(self, station: Station, events: Iterable[Event]) -> Awaitable[None]:
        """As the recorder's."""
        told = tuple(events)
        if self._storage.is_away:
            return self._storage.patiently(lambda: self._recorder.station(station, told))
        return self._recorder.station(station, told)

    def _keep(self, kept: Kept, error: StorageAway) -> None:
        self._storage.keep(error, again=lambda: self._recorder.again(kept), end=kept.end)
