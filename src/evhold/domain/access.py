"""Who may call the API, and as what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from evhold.domain.values import IdToken


class Role(StrEnum):
    """``admin`` all; ``operator`` all but keys; ``driver`` its own tokens' reservations; ``readonly`` looks only."""

    ADMIN = "admin"
    OPERATOR = "operator"
    DRIVER = "driver"
    READONLY = "readonly"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One API key; the secret itself is never stored. ``id_tokens`` bind a driver's key."""

    id: int
    name: str
    role: Role
    key_hash: bytes
    id_tokens: tuple[IdToken, ...] = ()
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)
