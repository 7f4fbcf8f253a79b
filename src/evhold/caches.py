"""What a node holds in memory of who may what: credentials, keys, tokens, ended sessions; changed by what is told (design decision 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from evhold.domain.events import Event, RegistryChanged
from evhold.gateway.credentials import CredentialsCache
from evhold.usecases.keyring import KeyRing
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.ports import Told
from evhold.usecases.sessions import EndedSessions


@dataclass(frozen=True, slots=True)
class Caches:
    """Each is at most a minute old, whatever was told."""

    credentials: CredentialsCache
    keys: KeyRing
    tokens: KnownTokens
    sessions: EndedSessions

    async def read(self, batch: Sequence[Told | None]) -> None:
        """The credentials that changed are read, in one go: in a storm of unknown stations each is registered."""
        if any(one is None for one in batch):
            await self.credentials.refresh()
        elif changed := [
            one.event.key
            for one in batch
            if one is not None and isinstance(one.event, RegistryChanged) and one.event.kind == "station"
        ]:
            await self.credentials.refresh(changed)

    def hear(self, event: Event | None) -> None:
        """A key, a token or a session that changed is read again; all are where something was missed (None)."""
        if event is None or isinstance(event, RegistryChanged):
            self.keys.hear(event)
            self.tokens.hear(event)
            self.sessions.hear(event)
