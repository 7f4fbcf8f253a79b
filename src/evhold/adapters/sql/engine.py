"""Which database a URL names; SQLite engines that keep what was acknowledged: WAL, synchronous FULL, one BEGIN of our own."""

import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.pool import StaticPool

from evhold.adapters.sql.types import POSTGRESQL

BUSY_TIMEOUT_MS: Final = 5_000
EXPECTED: Final = "sqlite:///path/to/file or postgresql://user@host/database"
#: Result codes that mean that the database is away, not that a statement is wrong.
_AWAY_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_NOTADB,
    }
)


class DatabaseNotSupported(ValueError):
    """The URL names a database that is not built in."""


def read_url(text: str) -> URL:
    """The URL of a database that we speak; ``sqlite://`` is one in memory.

    Raises:
        DatabaseNotSupported: Another database, or no URL.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise DatabaseNotSupported(f"the database URL is not readable; expected {EXPECTED}") from None
    if url.drivername not in ("sqlite", "sqlite+pysqlite", POSTGRESQL):
        raise DatabaseNotSupported(f"{url.drivername} is not supported; use {EXPECTED}")
    if is_postgresql(url) and find_spec("asyncpg") is None:
        raise DatabaseNotSupported(
            "PostgreSQL needs the extra cluster: pip install 'evhold[cluster]'; use sqlite:///path/to/file"
        )
    return url


def is_postgresql(url: URL) -> bool:
    """Whether it names a server, not a file."""
    return url.drivername == POSTGRESQL


def is_memory(url: URL) -> bool:
    """Whether the database lives in one connection only."""
    return url.database in (None, "", ":memory:")


def file_of(url: URL) -> Path | None:
    """The database's file; None for one in memory."""
    return None if is_memory(url) else Path(url.database or "").resolve()


def open_engine(url: URL, *, read_only: bool = False, make: bool = False) -> Engine:
    """An engine whose transactions begin as we say: IMMEDIATE for the writer, so that none has to be upgraded half-way.

    Args:
        url: Of a SQLite database.
        read_only: Writing fails, and transactions begin without a lock.
        make: Whether a file that is not there is made. A lost one must not come back empty while we run.
    """
    more: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    if (path := file_of(url)) is None:
        more["poolclass"] = StaticPool
    elif not make:
        uri = f"{path.as_uri()}?mode=rw"
        more = {"creator": lambda: sqlite3.connect(uri, uri=True, check_same_thread=False)}
    engine = create_engine(url, **more)
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def set_up(driver: sqlite3.Connection, record: object) -> None:
        # The driver's own BEGIN comes too late and not always: it loses updates silently.
        driver.isolation_level = None
        driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        driver.execute("PRAGMA foreign_keys = ON")
        if read_only:
            driver.execute("PRAGMA query_only = ON")
        else:
            driver.execute("PRAGMA journal_mode = WAL")
            driver.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute(begin)

    return engine


def is_away(error: BaseException) -> bool:
    """Whether this is the database being away (full, locked, gone, broken), not a fault of the work."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(driver, sqlite3.Error):
        return False
    code = getattr(driver, "sqlite_errorcode", None)
    if code is None:
        # Raised by the driver itself: "Cannot operate on a closed database."
        return isinstance(error, DBAPIError) and error.connection_invalidated
    return code & 0xFF in _AWAY_CODES


def plain(error: Exception) -> Exception:
    """What was wrong, without the wrapping of SQLAlchemy where that is only about a parameter."""
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError) and isinstance(error.orig, Exception):
        return error.orig
    return error
