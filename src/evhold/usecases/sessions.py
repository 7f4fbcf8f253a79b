"""Sessions that their owner has ended: a copy of their cookie opens nothing any more, though it says that it lives on."""

from datetime import datetime
from typing import Final

from evhold.domain.events import Event, RegistryChanged
from evhold.usecases.fresh import Fresh
from evhold.usecases.ports import Clock, Storage
from evhold.usecases.stores import Tx
from evhold.usecases.traces import SESSION

#: Of so many it is known; the longest unused are read again.
MOST: Final = 10_000
KIND: Final = "session"


class EndedSessions:
    """Which sessions have ended before their time, at every node; kept until their time.

    Args:
        storage: Where it is kept.
        clock: Says how old is what is known.
        most: Of how many sessions it is known.
    """

    def __init__(self, storage: Storage, *, clock: Clock, most: int = MOST) -> None:
        self._storage = storage
        self._clock = clock
        self._known = Fresh[str, bool](clock=clock, most=most)

    async def end(self, session: str, *, until: datetime) -> None:
        """It has ended, here at once and elsewhere with the event. Raises StorageAway.

        Args:
            session: Its name.
            until: When it would have ended by itself.
        """

        def work(tx: Tx) -> None:
            tx.secrets.settle(SESSION + session, until.isoformat())
            tx.outbox.add(RegistryChanged(at=self._clock.now(), kind=KIND, key=session))

        await self._storage.transact(work)
        self.forget(session)

    async def has_ended(self, session: str) -> bool:
        """Whether somebody ended it. Raises StorageAway where that must be read."""
        known = self._known.find(session)
        return known if known is not None else await self._known.read(session, lambda: self._look(session))

    def hear(self, event: Event | None) -> None:
        """One that ended is read again; all are where changes were missed (None)."""
        if event is None:
            self.forget(None)
        elif isinstance(event, RegistryChanged) and event.kind == KIND:
            self.forget(event.key)

    def forget(self, session: str | None) -> None:
        """What is known of this one, or of all, is read again."""
        self._known.forget(session)

    async def _look(self, session: str) -> bool:
        return await self._storage.read(lambda tx: tx.secrets.find(SESSION + session)) is not None
