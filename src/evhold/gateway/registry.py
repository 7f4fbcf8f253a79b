"""Which station has which session; one each. And what is left to do for the one that it had before."""

import asyncio
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from evhold.ocpp.router import Context


class Registered(Protocol):
    """What the registry needs of a session."""

    @property
    def context(self) -> Context:
        """Whose session it is."""
        ...


S = TypeVar("S", bound=Registered)


class Registry(Generic[S]):
    """Live sessions by station id, compared without case."""

    def __init__(self) -> None:
        self._sessions: dict[str, S] = {}
        self._closing: dict[str, asyncio.Task[None]] = {}

    def enter(self, session: S) -> S | None:
        """The session is its station's; return the one whose place it took."""
        key = session.context.station_id.casefold()
        replaced = self._sessions.get(key)
        self._sessions[key] = session
        return replaced

    def leave(self, session: S) -> None:
        """The session is nobody's any more; without effect when a newer one has its place."""
        key = session.context.station_id.casefold()
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def is_closing(self, session: S, work: asyncio.Task[None]) -> None:
        """The session has ended, and this is left to do for it."""
        key = session.context.station_id.casefold()
        self._closing[key] = work
        work.add_done_callback(lambda done: self._has_closed(key, done))

    def closing(self, station_id: str) -> asyncio.Task[None] | None:
        """Return what is left to do for the station's session that ended last; None: nothing is."""
        return self._closing.get(station_id.casefold())

    def _has_closed(self, key: str, work: asyncio.Task[None]) -> None:
        if self._closing.get(key) is work:
            del self._closing[key]

    def find(self, station_id: str) -> S | None:
        """Return the station's session, or None while it is not connected."""
        return self._sessions.get(station_id.casefold())

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._sessions.values()))
