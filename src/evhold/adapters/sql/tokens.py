"""Registered tokens (ports.Tokens)."""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import tokens
from evhold.adapters.sql.upsert import upsert
from evhold.domain.authorization import Token, TokenStatus
from evhold.domain.errors import TokenUnknown
from evhold.domain.values import IdToken

_encode: Final = msgspec.json.Encoder().encode
_notify: Final = msgspec.json.Decoder(tuple[str, ...])

_FIND: Final = Prepared(select(tokens).where(tokens.c.key == bindparam("wanted")))
_REMOVE: Final = delete(tokens).where(tokens.c.key == bindparam("wanted"))
_PAGE: Final = select(tokens).order_by(tokens.c.key)
_NOTIFIED: Final = select(tokens.c.key).where(tokens.c.notify.is_not(None)).limit(1)


class TokenStore:
    """ports.Tokens. Pages go by ``IdToken.key``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, id_token: IdToken) -> Token | None:
        """Without regard to case."""
        row = _FIND.first(self._connection, {"wanted": id_token.key})
        return None if row is None else _token(row)

    def put(self, token: Token) -> bool:
        """True if it is new."""
        is_new = self.find(token.id_token) is None
        group = token.group
        row = {
            "key": token.id_token.key,
            "id_token": token.id_token.id_token,
            "type": token.id_token.type,
            "status": token.status.value,
            "group_id_token": group.id_token if group else None,
            "group_id_token_type": group.type if group else None,
            "cache_expiry": token.cache_expiry,
            "personal_message": token.personal_message,
            "notify": _encode(token.notify).decode() if token.notify else None,
        }
        self._connection.execute(upsert(tokens, dialect=self._connection.dialect), row)
        return is_new

    def remove(self, id_token: IdToken) -> None:
        """Raises TokenUnknown."""
        if self._connection.execute(_REMOVE, {"wanted": id_token.key}).rowcount == 0:
            raise TokenUnknown(id_token)

    def page(self, *, limit: int | None = None, after: str | None = None) -> list[Token]:
        """By key, from the one after ``after``."""
        query = _PAGE if after is None else _PAGE.where(tokens.c.key > after)
        return [_token(row) for row in self._connection.execute(query.limit(limit))]

    def are_notified(self, keys: Collection[str] | None = None) -> bool:
        """Whether any of these, or of all, has addresses of its driver."""
        query = _NOTIFIED if keys is None else _NOTIFIED.where(tokens.c.key.in_(keys))
        return self._connection.scalar(query) is not None


def _token(row: Any) -> Token:
    group = row.group_id_token
    return Token(
        id_token=IdToken(row.id_token, row.type),
        status=TokenStatus(row.status),
        group=None if group is None else IdToken(group, row.group_id_token_type),
        cache_expiry=row.cache_expiry,
        personal_message=row.personal_message,
        notify=() if row.notify is None else _notify.decode(row.notify),
    )
