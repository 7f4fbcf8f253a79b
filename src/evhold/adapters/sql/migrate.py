"""The schema is brought to the newest version; Alembic is imported only when it is not there yet."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from evhold.adapters.sql.engine import is_away, is_memory, is_postgresql, open_engine, read_url
from evhold.adapters.sql.tables import metadata
from evhold.usecases.ports import StorageAway

#: The newest revision in ``migrations/versions``; a test holds it.
HEAD: Final = "0005"
SCRIPTS: Final = Path(__file__).parent / "migrations"
#: Any number but that of ``pg_outbox``.
_LOCK: Final = 0x65_76_68_6F_6D_69


def migrate(url: str) -> None:
    """The database exists and has the newest schema.

    Raises:
        DatabaseNotSupported: Another kind of database.
        StorageAway: It can't be opened.
    """
    where = read_url(url)
    if is_postgresql(where):
        # Not before it is asked for: the driver is an extra.
        from evhold.adapters.sql.pg_engine import prepare  # noqa: PLC0415

        return prepare(where, migrate_postgresql)
    engine = open_engine(where, make=True)
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


def migrate_postgresql(connection: Connection) -> None:
    """As ``migrate``, within a transaction; of two nodes that start together, the second finds it done."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    begun = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    if not begun or stored_version(connection) != HEAD:
        _run_scripts(connection)


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
    # One IMMEDIATE transaction for all of it: of two processes that start together, the second finds it done.
    with connection.begin():
        _run_scripts(connection)


def _run_scripts(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # slow to import, needed once
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
