"""Statements to asyncpg itself, within SQLAlchemy's greenlet and its transaction.

House rules
- A way to the server and back costs both sides more than the statement. What a transaction writes and does not look at again
  is put off, and goes in one statement: before the next one that does not wait, at the latest before the commit.
- Of each table one statement at most is put off: the parts of one statement do not see each other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.util import await_only

#: Where a connection keeps what its server has prepared, and what is put off.
_PREPARED: Final = "evhold.prepared"
_LATER: Final = "evhold.later"
_XID: Final = "SELECT pg_current_xact_id_if_assigned()"
#: A collision, a key, a lock: no fault of the statement. The server plans one anew while it is new to the connection.
_KEEPS_PREPARED: Final = ("40", "23", "55P03")
_NO_SUCH_ROW: Final = "23503"
_NUMBER: Final = re.compile(r"\$(\d+)")


def state_of(error: BaseException) -> str | None:
    """The SQLSTATE; None for what the server did not say."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    state: str | None = getattr(driver, "sqlstate", None)
    return state


class PgAnswer:
    """What the server said (prepared.Answer)."""

    __slots__ = ("_prepared", "_rows", "_status")

    def __init__(self, rows: list[Any], *, prepared: Any) -> None:
        self._rows = rows
        self._prepared = prepared
        self._status: str = prepared.get_statusmsg() or ""

    @property
    def description(self) -> list[tuple[str, int]]:
        """Name and type of each column."""
        return [(one.name, one.type.oid) for one in self._prepared.get_attributes()]

    @property
    def rowcount(self) -> int:
        """As the command's tag has it: UPDATE 1, INSERT 0 1."""
        count = self._status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else -1

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._rows


@dataclass(frozen=True, slots=True)
class Write:
    """A statement that waits.

    ``otherwise`` is raised unless it changes exactly one row, ``orphaned`` where a row of it refers to one that is not there.
    ``name``: what it returns is read by another one, by this name.
    """

    table: str
    text: str
    parameters: Sequence[Any]
    otherwise: Exception | None = None
    orphaned: Exception | None = None
    name: str = ""


def begin(connection: Connection) -> None:
    """SQLAlchemy's transaction begins at the server now, not with its first statement; nothing is put off yet."""
    connection.info.pop(_LATER, None)
    _begin(connection)


def ask_asyncpg(connection: Connection, text: str, parameters: Sequence[Any]) -> PgAnswer:
    """What the server says to this statement; all that was put off went before it.

    Raises:
        DBAPIError: As by SQLAlchemy's own execution.
    """
    catch_up(connection)
    return _ask(connection, text, parameters)


def put_off(connection: Connection, text: str, parameters: Sequence[Any], *, table: str) -> None:
    """The statement goes with others, before the next one that does not wait."""
    put_off_together(connection, Write(table, text, parameters))


def put_off_together(connection: Connection, *writes: Write) -> None:
    """As ``put_off``, all in the same statement."""
    waiting: list[Write] = connection.info.setdefault(_LATER, [])
    tables = {one.table for one in writes}
    if any(one.table in tables for one in waiting):
        catch_up(connection)
    waiting += writes


def catch_up(connection: Connection) -> int | None:
    """What was put off is done. The transaction's id, if there was anything.

    Raises:
        Exception: What one of them says is to be raised; of several the first.
    """
    waiting: list[Write] | None = connection.info.get(_LATER)
    if not waiting:
        return None
    going, waiting[:] = waiting[:], []
    text = _together(tuple([(one.text, len(one.parameters), one.name) for one in going]))
    try:
        (row,) = _ask(connection, text, [value for one in going for value in one.parameters]).fetchall()
    except IntegrityError as error:
        if (meant := _orphaned(going, error)) is None:
            raise
        raise meant from error
    for one, changed in zip(going, row, strict=False):
        if one.otherwise is not None and changed != 1:
            raise one.otherwise
    xid: int = row[-1]
    return xid


def _orphaned(going: Sequence[Write], error: IntegrityError) -> Exception | None:
    said = error.orig.__cause__ if error.orig is not None else None
    if said is None or state_of(said) != _NO_SUCH_ROW:
        return None
    table = getattr(said, "table_name", None)
    return next((one.orphaned for one in going if one.table == table), None)


def end(connection: Connection) -> int | None:
    """All is done but the commit. The transaction's id; None: it changed nothing."""
    xid = catch_up(connection)
    return xid if xid is not None else _ask(connection, _XID, ()).fetchall()[0][0]


@cache
def _together(writes: tuple[tuple[str, int, str], ...]) -> str:
    """One statement of several, their parameters numbered on; it gives how many rows each changed, and the transaction's id."""
    parts, counts, before = [], [], 0
    for number, (text, size, given) in enumerate(writes):
        moved = _NUMBER.sub(lambda found, by=before: f"${int(found[1]) + by}", text)  # type: ignore[misc]  # a default argument
        name = given or f"w{number}"
        parts.append(f"{name} AS ({moved})" if given else f"{name} AS ({moved} RETURNING 1)")
        counts.append(f"(SELECT count(*) FROM {name})")
        before += size
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}, pg_current_xact_id()"


def _begin(connection: Connection) -> None:
    adapted: Any = connection.connection.dbapi_connection
    if adapted._transaction is None:
        # SQLAlchemy begins so itself, and has no other name for it.
        _wait(connection, adapted._start_transaction(), text="BEGIN")


def _ask(connection: Connection, text: str, parameters: Sequence[Any]) -> PgAnswer:
    _begin(connection)
    driver = connection.connection.driver_connection
    answer: PgAnswer = _wait(connection, _fetch(driver, connection.info, text, parameters), text=text)
    return answer


async def _fetch(driver: Any, info: dict[Any, Any], text: str, parameters: Sequence[Any]) -> PgAnswer:
    known = info.setdefault(_PREPARED, {})
    prepared = known.get(text)
    if prepared is None:
        prepared = known[text] = await driver.prepare(text)
    return PgAnswer(await prepared.fetch(*parameters), prepared=prepared)


def _wait(connection: Connection, work: Any, *, text: str) -> Any:
    try:
        return await_only(work)
    except Exception as error:
        if not (state_of(error) or "").startswith(_KEEPS_PREPARED):
            # What was prepared may be of another schema.
            connection.info.pop(_PREPARED, None)
        said = _wrapped(connection, text, error)
        if isinstance(said, DBAPIError) and said.connection_invalidated:
            connection.invalidate(said)
        raise said from error
    except BaseException:
        # Given up half-way: as by SQLAlchemy's own execution, the connection is not used again.
        connection.invalidate()
        raise


def _wrapped(connection: Connection, text: str, error: Exception) -> Exception:
    """As SQLAlchemy's own connection would say it."""
    dialect, adapted = connection.dialect, connection.connection.dbapi_connection
    base = dialect.loaded_dbapi.Error
    try:
        adapted._handle_exception(error)  # type: ignore[union-attr]  # its table of errors has no other door
    except base as said:
        # A driver that lost track of its own connection: that ended while it began a statement.
        is_astray = isinstance(said, dialect.loaded_dbapi.InternalClientError)
        is_lost = is_astray or dialect.is_disconnect(said, adapted, None)
        return DBAPIError.instance(text, None, said, base, connection_invalidated=is_lost, dialect=dialect)
    except type(error):
        pass  # No error of the database's.
    return error
