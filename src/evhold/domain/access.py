"""Who may call the API, and as what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from evhold.domain.values import IdToken, StationId


class Role(StrEnum):
    """``admin`` all; ``operator`` all but keys; ``driver`` its own tokens' reservations; ``readonly`` looks only."""

    ADMIN = "admin"
    OPERATOR = "operator"
    DRIVER = "driver"
    READONLY = "readonly"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose doing something is, as the audit calls them: a key, a link, the terminal. ``address``: where they called from."""

    name: str
    address: str = ""


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

    @property
    def called(self) -> str:
        """What the audit calls who holds it."""
        return f"key {self.id}" + (f" ({self.name})" if self.name else "")

    def is_valid(self, at: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditWanted:
    """Rows from ``start`` on and before ``end``, with numbers below ``before``, at most ``limit``."""

    start: datetime | None = None
    end: datetime | None = None
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One thing that somebody did."""

    number: int
    at: datetime
    who: Actor
    what: str
    station_id: StationId | None
    detail: str
