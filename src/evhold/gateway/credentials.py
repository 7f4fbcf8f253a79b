"""The stations' credentials in memory: the handshake can't wait for a database (design decisions 7 and 13)."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from evhold.domain.station import Credentials


class CredentialsCache:
    """All stations' credentials by case-folded id; read again when the registry changes, and once a minute.

    Args:
        load: Reads them all, or those of these stations.
    """

    def __init__(self, load: Callable[[Collection[str] | None], Awaitable[list[Credentials]]]) -> None:
        self._load = load
        self._known: dict[str, Credentials] = {}
        self._one_at_a_time = asyncio.Lock()

    async def refresh(self, station_ids: Collection[str] | None = None) -> None:
        """They are as stored when this was called, or later; those of these stations, or all."""
        # Of two that read side by side the older one could be the last to be kept.
        async with self._one_at_a_time:
            found = {one.station_id.casefold(): one for one in await self._load(station_ids)}
            if station_ids is None:
                self._known = found
                return
            for one in station_ids:
                self._known.pop(one.casefold(), None)
            self._known |= found

    def __len__(self) -> int:
        """How many stations are known."""
        return len(self._known)

    def find(self, key: str) -> Credentials | None:
        """By the case-folded station id; None: nobody provisioned it."""
        return self._known.get(key)
