"""Secrets that the CSMS made for itself (ports.Secrets)."""

from typing import Final

from sqlalchemy import Connection, bindparam, select

from evhold.adapters.sql.tables import secrets
from evhold.adapters.sql.upsert import insert_of

_FIND: Final = select(secrets.c.value).where(secrets.c.name == bindparam("wanted"))


class SecretStore:
    """ports.Secrets."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: str) -> str | None:
        """The secret of this name."""
        value: str | None = self._connection.scalar(_FIND, {"wanted": name})
        return value

    def settle(self, name: str, value: str) -> str:
        """The secret of this name; it is ``value`` unless there was one."""
        statement = insert_of(secrets, dialect=self._connection.dialect).on_conflict_do_nothing()
        self._connection.execute(statement, {"name": name, "value": value})
        stored: str = self._connection.scalars(_FIND, {"wanted": name}).one()
        return stored
