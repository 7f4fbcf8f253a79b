"""The schema is brought to the newest version; Alembic is imported only when it is not there yet."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from evhold.adapters.sql.engine import is_away, is_memory, open_engine, read_url
from evhold.adapters.sql.tables import metadata
from evhold.usecases.ports import StorageAway

#: The newest revision in ``migrations/versions``; a test holds it.
HEAD: Final = "0001"
SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """The database exists and has the newest schema.

    Raises:
        DatabaseNotSupported: Not a SQLite URL.
        StorageAway: It can't be opened.
    """
    engine = open_engine(read_url(url), make=True)
    try:
        migrate_engine(engine)
    except DatabaseError as error:
        if is_away(error):
            raise StorageAway(str(error)) from error
        raise
    finally:
        engine.dispose()


def migrate_engine(engine: Engine) -> None:
    """As ``migrate``; a database in memory is made from the tables at once."""
    if is_memory(engine.url):
        metadata.create_all(engine)
        return
    with engine.connect() as connection:
        if stored_version(connection) != HEAD:
            connection.rollback()
            _upgrade(connection)


def stored_version(connection: Connection) -> str | None:
    """The revision of the schema that is there; None: an empty database."""
    try:
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DatabaseError as error:
        if is_away(error):
            raise
        return None
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # slow to import, needed once
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    # One IMMEDIATE transaction for all of it: of two processes that start together, the second finds it done.
    with connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
