"""The schema is brought to the newest version; Alembic is imported only when it is not there yet."""

from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, func, select, text, update
from sqlalchemy.exc import DatabaseError

from evhold.adapters.sql.engine import is_away, is_memory, is_postgresql, open_engine, read_url
from evhold.adapters.sql.schema import NONE, POST, PRE, SCRIPTS, History, check_not_too_new, stored
from evhold.adapters.sql.tables import metadata, nodes
from evhold.usecases.ports import OlderNodes, SchemaTooNew, StorageAway

#: Any number but that of ``pg_outbox``.
LOCK: Final = 0x65_76_68_6F_6D_69
#: A table is wanted for itself no longer than this at a time: whoever needs it meanwhile stands behind us.
_LOCK_TIMEOUT: Final = "3s"
#: A node without a lease for this long does not come back by its name.
_SILENT: Final = "20 seconds"

_n = nodes.c
_OLD: Final = _n.buried.is_(False) & (_n.post < bindparam("wanted"))
_BURY_SILENT: Final = (
    update(nodes).where(_OLD, _n.lease_until < func.now() - text(f"interval '{_SILENT}'")).values(buried=True)
)
_OLDER: Final = select(_n.id, _n.version).where(_OLD).order_by(_n.started_at)


def migrate(url: str, *, post: bool = False) -> bool:
    """The database exists and has all that this version adds to it; with ``post``, nothing either that it has taken away.

    A new database, and every SQLite file, gets both.

    Returns:
        Whether something is left that ``post`` would do.

    Raises:
        DatabaseNotSupported: Another kind of database.
        SchemaTooNew: It is of a later version, which has taken something away that this one needs.
        OlderNodes: With ``post``: a node is there that needs what would be taken away.
        StorageAway: It can't be opened.
    """
    where = read_url(url)
    if is_postgresql(where):
        # Not before it is asked for: the driver is an extra.
        from evhold.adapters.sql.pg_engine import prepare  # noqa: PLC0415

        prepare(where, partial(migrate_postgresql, post=post))
        left: list[bool] = []
        prepare(where, lambda connection: left.append(stored(connection, POST) < POST.head))
        return left[0]
    engine = open_engine(where, make=True)
    try:
        migrate_engine(engine)
    except DatabaseError as error:
        if is_away(error):
            raise StorageAway(str(error)) from error
        raise
    finally:
        engine.dispose()
    return False


def migrate_engine(engine: Engine) -> None:
    """As ``migrate``; a database in memory is made from the tables at once."""
    if is_memory(engine.url):
        metadata.create_all(engine)
        return
    # One IMMEDIATE transaction for all of it: of two processes that start together, the second finds it done.
    with engine.begin() as connection:
        check_not_too_new(connection)
        # A file has one process: none of another version is beside us.
        for history in (PRE, POST):
            _advance(connection, history)


def migrate_postgresql(connection: Connection, *, post: bool = False) -> None:
    """As ``migrate``, within a transaction; of two nodes that start together, the second finds it done."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    check_not_too_new(connection)
    is_new = stored(connection, PRE) == NONE
    _advance(connection, PRE)
    if is_new or post:
        if stored(connection, PRE) > PRE.head:
            raise SchemaTooNew(stored(connection, PRE), history=PRE.name)
        if stored(connection, POST) < POST.head:
            _refuse_beside_older(connection)
            _advance(connection, POST)


def _refuse_beside_older(connection: Connection) -> None:
    """No node that needs what ``post`` takes away is there, or can come back."""
    connection.execute(_BURY_SILENT, {"wanted": POST.head})
    older = connection.execute(_OLDER, {"wanted": POST.head}).all()
    if older:
        raise OlderNodes(revision=POST.head, nodes=[(row.id, row.version) for row in older])


def _advance(connection: Connection, history: History) -> None:
    if stored(connection, history) >= history.head:
        return
    from alembic import command  # noqa: PLC0415  # slow to import, needed once
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    for key, value in (
        ("script_location", SCRIPTS),
        ("version_locations", history.folder),
        ("path_separator", "newline"),
    ):
        config.set_main_option(key, str(value).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=history.table)
    command.upgrade(config, "head")
