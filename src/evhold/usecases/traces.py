"""The port behind which traces are made nameless, what ended long ago is deleted, and what is kept is counted."""

from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from evhold.domain.values import IdToken, ReservationId

#: How the ends of sessions are called among what the CSMS keeps for itself; until when is the value.
SESSION: Final = "ended session "


class Kind(StrEnum):
    """What is kept until somebody takes it away, and has a limit. Of keys those that are valid."""

    STATIONS = "stations"
    TOKENS = "tokens"
    KEYS = "keys"
    WEBHOOKS = "webhooks"

    @property
    def limit(self) -> str:
        """The option that says how many."""
        return f"{self}-kept"


class Retention(Protocol):
    """A token's traces made nameless, and what ended long ago deleted; each call does some, and says how many: 0 is all."""

    def live_of(self, id_token: IdToken) -> list[ReservationId]: ...
    def forget_reservations(self, id_token: IdToken, pseudonym: str) -> int: ...
    def forget_elsewhere(self, id_token: IdToken, pseudonym: str) -> int: ...
    def all_stations(self) -> list[str]: ...
    def prune_reservations(self, *, before: datetime) -> int: ...
    def prune_transactions(self, station_id: str, *, before: datetime) -> int: ...
    def prune_sessions(self, *, before: datetime) -> int: ...
    def prune_keys(self, *, before: datetime) -> int: ...
    def count(self, kind: Kind, *, most: int, at: datetime) -> int:
        """How many are kept, counted no further than ``most``; keys that are valid then."""
        ...
