"""Engines for PostgreSQL, by asyncpg, and what its errors mean."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from evhold.adapters.sql.pg_driver import catch_up, state_of
from evhold.usecases.ports import StorageAway

T = TypeVar("T")

#: Transactions of one node that run at a time; what comes meanwhile waits its turn.
POOL: Final = 8
CONNECT_S: Final = 5.0
#: The longest that an attempt may take, the server's own limits included.
ATTEMPT_S: Final = 15.0
#: How often a change of the schema tries to get its locks, and the pause between.
LOCK_TRIES: Final = 20
LOCK_PAUSE_S: Final = 1.0
#: A node that was stopped in the middle of a transaction holds its locks no longer than this.
LIMITS: Final = {
    "statement_timeout": "10s",
    "lock_timeout": "4s",
    "idle_in_transaction_session_timeout": "5s",
}
_ALWAYS: Final = {"application_name": "evhold", "timezone": "UTC", "jit": "off"}
#: What may go well when it is run again, and how often it is: others were at it at the same time, inserted the same key, held
#: a lock for long, changed the schema.
RERUNS: Final = {"40001": 30, "40P01": 30, "23505": 4, "55P03": 2, "0A000": 4}
#: Connection, resources, operator's intervention, system, configuration, authorization, corruption.
_AWAY_CLASSES: Final = frozenset({"08", "28", "53", "57", "58", "F0", "XX"})
#: No such database; a server that only reads (a standby that is not the first yet); idle or too long in a transaction;
#: collisions without end.
_AWAY: Final = frozenset({"3D000", "25006", "25P03", "25P04", "40001", "40P01", "55P03"})


def dsn_of(url: URL) -> str:
    """As the driver takes it; it knows libpq's parameters and environment."""
    return url.render_as_string(hide_password=False)


async def connect(url: URL, *, limits: bool = True) -> asyncpg.Connection:
    """A connection of its own."""
    settings = _ALWAYS | (LIMITS if limits else {})
    return await asyncpg.connect(dsn_of(url), timeout=CONNECT_S, server_settings=settings)


def open_pg_engine(url: URL, *, pooled: bool = True) -> AsyncEngine:
    """An engine whose transactions are REPEATABLE READ.

    Not pooled: for the schema, without limits of time, and READ COMMITTED: what waited for its turn sees what was done before.
    """

    async def creator(*_: Any, **__: Any) -> asyncpg.Connection:
        return await connect(url, limits=pooled)

    more: dict[str, Any] = {"pool_size": POOL, "max_overflow": 0} if pooled else {"poolclass": NullPool}
    isolation = "REPEATABLE READ" if pooled else "READ COMMITTED"
    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, isolation_level=isolation, **more)
    # What a transaction has put off goes before what SQLAlchemy itself executes.
    event.listen(engine.sync_engine, "before_cursor_execute", lambda connection, *_: catch_up(connection))
    return engine


def run_apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine gives, run on a loop and a thread of its own: a start may wait for its database."""
    with ThreadPoolExecutor(1, thread_name_prefix="evhold-database") as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


def _driver_of(error: BaseException) -> BaseException:
    """The driver's own error."""
    return (error.orig.__cause__ or error.orig) if isinstance(error, DBAPIError) and error.orig else error


def words_of(error: BaseException) -> str:
    """What went wrong, in a line; SQLAlchemy's own text has the statement and its values in it."""
    driver = _driver_of(error)
    return next(iter(str(driver).splitlines()), "") or type(driver).__name__


def reruns_of(error: BaseException) -> int:
    """How often the same work may be run again, in all; 0: it would fail again."""
    state = state_of(error)
    # 0A000 is also what PostgreSQL can't do at all: only a plan of another schema passes.
    return 0 if state is None or (state == "0A000" and "cached" not in str(error)) else RERUNS.get(state, 0)


def is_bad_value(error: BaseException) -> bool:
    """Whether a value has no place in its column: NUL in a text, a number of more than 64 bits."""
    return (state_of(error) or "").startswith("22")


def is_away(error: BaseException, *, reading: bool = False) -> bool:
    """Whether this is the database being away, not a fault of the work."""
    state = state_of(error)
    if state is not None:
        return state[:2] in _AWAY_CLASSES or (state in _AWAY and not (reading and state == "25006"))
    if isinstance(_driver_of(error), asyncpg.InternalClientError):
        # It lost track of its own connection, which ended while it began a statement.
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error)
    return isinstance(error, OSError | TimeoutError)


async def _run_patiently(engine: AsyncEngine, work: Callable[[Connection], object]) -> None:
    """Once it got its locks; between the tries whoever waits behind it has a turn."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            async with engine.begin() as connection:
                await connection.run_sync(work)
        except DBAPIError as error:
            if state_of(error) != "55P03" or not left:
                raise
            await asyncio.sleep(LOCK_PAUSE_S)
        else:
            return


def prepare(url: URL, *works: Callable[[Connection], object]) -> None:
    """Each work is done and committed, before a node begins.

    Raises:
        StorageAway: The database can't be reached.
    """

    async def run() -> None:
        engine = open_pg_engine(url, pooled=False)
        try:
            for work in works:
                await _run_patiently(engine, work)
        finally:
            await engine.dispose()

    try:
        run_apart(run)
    except Exception as error:
        # What the driver can't read in the URL it says as a ValueError.
        if is_away(error) or isinstance(error, asyncpg.InterfaceError | ValueError):
            raise StorageAway(words_of(error)) from error
        raise
