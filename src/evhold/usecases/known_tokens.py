"""Tokens in memory: what Authorize is asked again and again is known at once (design decision 7)."""

from collections import OrderedDict
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

from evhold.domain.authorization import Token
from evhold.domain.events import Event, RegistryChanged
from evhold.domain.values import IdToken
from evhold.usecases.ports import Clock, Storage

#: A token is read again after so long, whatever was heard of it.
FRESH: Final = timedelta(seconds=60)
#: So many are held; the longest unused are read again when they are asked about.
MOST: Final = 20_000


class KnownTokens:
    """The registered tokens that stations asked about of late.

    What is held is at most a minute old. A change that is told of (``hear``) counts at once. Tokens that nobody
    registered are not held: a station could ask about any number of them.

    Args:
        storage: Where they are kept.
        clock: Says how old they are.
        most: How many are held.
    """

    def __init__(self, *, storage: Storage, clock: Clock, most: int = MOST) -> None:
        self._storage = storage
        self._clock = clock
        self._most = most
        self._held: OrderedDict[str, tuple[Token, float]] = OrderedDict()
        self._changes = 0

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def find(self, id_token: IdToken) -> Token | None:
        """The token, if it is held and fresh; None: it has to be read."""
        key = id_token.key
        held = self._held.get(key)
        if held is None or held[1] <= self._clock.monotonic():
            return None
        self._held.move_to_end(key)
        return held[0]

    async def read(self, id_token: IdToken) -> Token | None:
        """The token as it is stored, which is held from now on; None: nobody registered it. Raises StorageAway."""
        changes = self._changes
        until = self._clock.monotonic() + FRESH.total_seconds()
        found = await self._look(id_token)
        # What changed while it was read may not be in what was read.
        if found is not None and changes == self._changes:
            self._held[id_token.key] = found, until
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return found

    def hear(self, event: Event | None) -> None:
        """A token that has changed is read again; all are where changes were missed (None)."""
        if event is None:
            self.forget(None)
        elif isinstance(event, RegistryChanged) and event.kind == "token":
            self.forget(event.key)

    def forget(self, key: str | None) -> None:
        """This token (``IdToken.key``), or every one, is read again when it is next asked about."""
        self._changes += 1
        if key is None:
            self._held.clear()
        else:
            self._held.pop(key, None)

    def _look(self, id_token: IdToken) -> Awaitable[Token | None]:
        return self._storage.read(lambda tx: tx.tokens.find(id_token))
