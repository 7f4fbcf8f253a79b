"""What is not to be kept: a token's traces, made nameless when its owner asks for it; what ended long ago, deleted.

Both work in small transactions, so that nobody waits for long, and can be run again where they were interrupted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from evhold.domain.access import Actor
from evhold.domain.errors import TokenInUse, TokenUnknown
from evhold.domain.events import RegistryChanged
from evhold.domain.values import IdToken
from evhold.usecases.ports import Clock, Ids, Storage
from evhold.usecases.stores import Tx

PREFIX: Final = "forgotten-"
PRUNE_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What bears the pseudonym now; it follows from nothing, and nobody keeps whose it was."""

    pseudonym: str
    reservations: int
    transactions: int


async def forget(id_token: IdToken, *, who: Actor, storage: Storage, clock: Clock, ids: Ids) -> Forgotten:
    """The token is registered no more, and stands nowhere any more in what is kept.

    Raises:
        TokenInUse: It has reservations that have not ended: they are needed, and come first.
    """
    pseudonym = PREFIX + ids.secret()[:12].replace("-", "x").replace("_", "y")

    def begin(tx: Tx) -> int:
        live = tx.retention.live_of(id_token)
        if live:
            raise TokenInUse(live)
        try:
            tx.tokens.remove(id_token)
        except TokenUnknown:
            pass
        else:
            tx.outbox.add(RegistryChanged(at=clock.now(), kind="token", key=pseudonym))
        return tx.retention.forget_reservations(id_token, pseudonym)

    def end(tx: Tx) -> int:
        at = clock.now()
        count = tx.retention.forget_elsewhere(id_token, pseudonym)
        tx.audit.add(at=at, who=who, what="forget token", station_id=None, detail=pseudonym)
        tx.outbox.add(RegistryChanged(at=at, kind="key", key=pseudonym))
        tx.outbox.add(RegistryChanged(at=at, kind="webhook", key=pseudonym))
        return count

    reservations = done = await storage.transact(begin)
    while done:
        done = await storage.transact(lambda tx: tx.retention.forget_reservations(id_token, pseudonym))
        reservations += done
    transactions = await storage.transact(end)
    return Forgotten(pseudonym=pseudonym, reservations=reservations, transactions=transactions)


async def prune(*, before: datetime, storage: Storage) -> int:
    """What ended before is gone: reservations with their history, and transactions; how many of both."""
    count = await _all(lambda tx: tx.retention.prune_reservations(before=before), storage=storage)
    for station_id in await storage.read(lambda tx: tx.retention.all_stations()):

        def of_station(tx: Tx, *, station_id: str = station_id) -> int:
            return tx.retention.prune_transactions(station_id, before=before)

        count += await _all(of_station, storage=storage)
    return count


async def prune_sessions(*, storage: Storage, clock: Clock) -> int:
    """The ends of sessions that would be over by now are gone; how many."""
    now = clock.now()
    return await _all(lambda tx: tx.retention.prune_sessions(before=now), storage=storage)


async def prune_keys(*, before: datetime, storage: Storage) -> int:
    """Keys that ended before are gone, when the audit names them no more; how many."""
    return await _all(lambda tx: tx.retention.prune_keys(before=before), storage=storage)


async def _all(some: Callable[[Tx], int], *, storage: Storage) -> int:
    total = 0
    while done := await storage.transact(some):
        total += done
    return total


class Pruner:
    """Deletes what ended long ago, about once an hour; nodes do it at different times.

    Args:
        days: How long it is kept; 0 for ever.
    """

    def __init__(self, days: int, *, storage: Storage, clock: Clock, ids: Ids) -> None:
        self._days = days
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._at = clock.now()

    async def look(self) -> int:
        """What is due is done; how many rows were deleted. Raises StorageAway."""
        now = self._clock.now()
        if not self._days or now < self._at:
            return 0
        self._at = now + PRUNE_EVERY * (1 + self._ids.jitter())
        return await prune(before=now - timedelta(days=self._days), storage=self._storage)
