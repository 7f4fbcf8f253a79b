"""Tokens in memory: what Authorize is asked again and again is known at once (design decision 7)."""

from typing import Final

from evhold.domain.authorization import Token
from evhold.domain.events import Event, RegistryChanged
from evhold.domain.values import IdToken
from evhold.usecases.fresh import Fresh
from evhold.usecases.ports import Clock, Storage

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
        self._held = Fresh[str, Token | None](clock=clock, most=most)

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def find(self, id_token: IdToken) -> Token | None:
        """The token, if it is held and fresh; None: it has to be read."""
        return self._held.find(id_token.key)

    async def read(self, id_token: IdToken) -> Token | None:
        """The token as it is stored, which is held from now on; None: nobody registered it. Raises StorageAway."""
        return await self._held.read(id_token.key, lambda: self._storage.read(lambda tx: tx.tokens.find(id_token)))

    def hear(self, event: Event | None) -> None:
        """A token that has changed is read again; all are where changes were missed (None)."""
        if event is None:
            self.forget(None)
        elif isinstance(event, RegistryChanged) and event.kind == "token":
            self.forget(event.key)

    def forget(self, key: str | None) -> None:
        """This token (``IdToken.key``), or every one, is read again when it is next asked about."""
        self._held.forget(key)
