"""API keys in memory: who holds one is known at once, and when it was last used is written down later (design decision 7)."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from evhold.domain.access import ApiKey
from evhold.domain.credentials import hash_key
from evhold.domain.events import Event, RegistryChanged
from evhold.usecases.fresh import FRESH
from evhold.usecases.ports import Clock, Storage, StorageAway
from evhold.usecases.stores import Tx

#: So many keys are held; the longest unused are read again when they are needed.
MOST: Final = 10_000


@dataclass(slots=True)
class _Held:
    """A key as it was read, and until when (``Clock.monotonic``) that is good."""

    key: ApiKey
    until: float


class KeyRing:
    """The keys that were used of late, by the hash of their secrets.

    What is held is at most a minute old. A change that is told of (``hear``) counts at once.

    Args:
        storage: Where keys are kept.
        clock: Says which are valid now.
        most: How many are held.
    """

    def __init__(self, *, storage: Storage, clock: Clock, most: int = MOST) -> None:
        self._storage = storage
        self._clock = clock
        self._most = most
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._hashes: dict[int, bytes] = {}
        self._changes = 0
        self._uses: dict[int, datetime] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    async def by_secret(self, secret: str) -> ApiKey | None:
        """The valid key of this secret, its use noted; None: there is none. Raises StorageAway where it must be read."""
        digest = hash_key(secret)
        held = self._fresh(digest)
        return self._used(held.key if held else await self._read(lambda tx: tx.keys.find(digest)))

    async def by_id(self, key_id: int) -> ApiKey | None:
        """The valid key of this id, its use noted; None: there is none. Raises StorageAway where it must be read."""
        held = self._fresh(self._hashes.get(key_id, b""))
        return self._used(held.key if held else await self._read(lambda tx: tx.keys.get(key_id)))

    def hear(self, event: Event | None) -> None:
        """A key that has changed is read again; all are where changes were missed (None)."""
        if event is None:
            self.forget(None)
        elif isinstance(event, RegistryChanged) and event.kind == "key":
            # A token that was forgotten may have stood in any of them.
            self.forget(int(event.key) if event.key.isdecimal() else None)

    def forget(self, key_id: int | None) -> None:
        """This key, or every one, is read again when it is next used."""
        self._changes += 1
        if key_id is None:
            self._held.clear()
            self._hashes.clear()
        elif (digest := self._hashes.pop(key_id, None)) is not None:
            del self._held[digest]

    def with_uses(self, keys: list[ApiKey]) -> list[ApiKey]:
        """The stored keys with the uses that were not written down yet."""
        return [replace(one, last_used_at=self._uses.get(one.id, one.last_used_at)) for one in keys]

    async def store_uses(self) -> None:
        """What was used since the last time is written down; raises StorageAway, and then keeps it for the next time."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._storage.transact(lambda tx: tx.keys.note_uses(uses))
        except StorageAway:
            self._uses = uses | self._uses
            raise

    def _fresh(self, digest: bytes) -> _Held | None:
        held = self._held.get(digest)
        if held is None or held.until <= self._clock.monotonic():
            return None
        self._held.move_to_end(digest)
        return held

    async def _read(self, find: Callable[[Tx], ApiKey | None]) -> ApiKey | None:
        changes = self._changes
        until = self._clock.monotonic() + FRESH.total_seconds()
        key = await self._storage.read(find)
        # What changed while it was read may not be in what was read.
        if key is not None and changes == self._changes:
            self._hold(key, until)
        return key

    def _hold(self, key: ApiKey, until: float) -> None:
        self._held[key.key_hash] = _Held(key, until)
        self._held.move_to_end(key.key_hash)
        self._hashes[key.id] = key.key_hash
        if len(self._held) > self._most:
            _, oldest = self._held.popitem(last=False)
            del self._hashes[oldest.key.id]

    def _used(self, key: ApiKey | None) -> ApiKey | None:
        now = self._clock.now()
        if key is None or not key.is_valid(now):
            return None
        self._uses[key.id] = now
        return key
