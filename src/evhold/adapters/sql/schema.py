"""The two histories of the schema, and how far a database has come in each (docs/adr/0016).

``pre`` only adds: nodes of the version before go on beside it. ``post`` takes away what only they needed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from evhold.adapters.sql.engine import is_away
from evhold.adapters.sql.types import POSTGRESQL
from evhold.usecases.ports import SchemaTooNew

SCRIPTS: Final = Path(__file__).parent / "migrations"
#: Before the first revision.
NONE: Final = "0000"


@dataclass(frozen=True, slots=True)
class History:
    """A line of revisions. Their ids are four digits and grow: what is greater than ``head`` is not known here.

    Args:
        name: Its folder in ``migrations``.
        table: Where Alembic keeps how far a database has come.
        head: The newest one; a test holds it.
    """

    name: str
    table: str
    head: str

    @property
    def folder(self) -> Path:
        """Its revisions, a file each."""
        return SCRIPTS / self.name


PRE: Final = History(name="pre", table="alembic_version", head="0012")
POST: Final = History(name="post", table="alembic_version_post", head=NONE)


def stored(connection: Connection, history: History) -> str:
    """The revision that the database has; NONE: not one."""
    # On PostgreSQL a statement that failed would end the transaction.
    is_there = text("SELECT to_regclass(:name) IS NOT NULL")
    if connection.dialect.name == POSTGRESQL and not connection.scalar(is_there, {"name": history.table}):
        return NONE
    try:
        version: str | None = connection.scalar(text(f"SELECT version_num FROM {history.table}"))
    except DatabaseError as error:
        if is_away(error):
            raise
        return NONE
    return version or NONE


def check_not_too_new(connection: Connection) -> None:
    """Return if this version can work on the schema, whatever was added to it.

    Raises:
        SchemaTooNew: Something that it needs was taken away.
    """
    known = stored(connection, POST)
    if known > POST.head:
        raise SchemaTooNew(known)
