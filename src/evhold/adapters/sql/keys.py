"""API keys; their secrets are nowhere (ports.Keys)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from evhold.adapters.sql.tables import keys
from evhold.domain.access import ApiKey, Role
from evhold.domain.errors import KeyUnknown
from evhold.domain.values import IdToken

_encode: Final = msgspec.json.Encoder().encode
_id_tokens: Final = msgspec.json.Decoder(tuple[IdToken, ...])

_ALL: Final = select(keys).order_by(keys.c.id)
_INSERT: Final = insert(keys).returning(keys.c.id)
_FIND: Final = select(keys).where(keys.c.key_hash == bindparam("wanted"))
_GET: Final = select(keys).where(keys.c.id == bindparam("wanted"))
_UPDATE: Final = update(keys).where(keys.c.id == bindparam("wanted"))
_NOTE_USE: Final = (_UPDATE.where(or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < bindparam("at")))).values(
    last_used_at=bindparam("at")
)


class KeyStore:
    """ports.Keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, key: ApiKey) -> ApiKey:
        """Stored with a fresh id."""
        number: int = self._connection.execute(_INSERT, _row(key)).scalar_one()
        return replace(key, id=number)

    def all(self) -> list[ApiKey]:
        """Also revoked and expired ones, oldest first."""
        return [_key(row) for row in self._connection.execute(_ALL)]

    def find(self, key_hash: bytes) -> ApiKey | None:
        """The key of this hash."""
        row = self._connection.execute(_FIND, {"wanted": key_hash}).one_or_none()
        return None if row is None else _key(row)

    def get(self, key_id: int) -> ApiKey | None:
        """The key of this id."""
        row = self._connection.execute(_GET, {"wanted": key_id}).one_or_none()
        return None if row is None else _key(row)

    def note_uses(self, uses: Mapping[int, datetime]) -> None:
        """A later use that is stored already stays."""
        if uses:
            self._connection.execute(_NOTE_USE, [{"wanted": key_id, "at": at} for key_id, at in uses.items()])

    def save(self, key: ApiKey) -> None:
        """Raises KeyUnknown."""
        if self._connection.execute(_UPDATE, _row(key) | {"wanted": key.id}).rowcount == 0:
            raise KeyUnknown(key.id)


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "role": key.role.value,
        "key_hash": key.key_hash,
        "id_tokens": _encode(key.id_tokens).decode(),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        key_hash=row.key_hash,
        id_tokens=_id_tokens.decode(row.id_tokens),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
