"""Which station has which session; one each."""

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

    def find(self, station_id: str) -> S | None:
        """Return the station's session, or None while it is not connected."""
        return self._sessions.get(station_id.casefold())

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._sessions.values()))
