"""Insert-or-update for the databases that we speak, and its text for a driver."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Boolean, Insert, Table, column, func, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.types import POSTGRESQL

Conflicting = sqlite.Insert | postgresql.Insert
_INSERTS: Final[dict[str, Callable[[Table], Conflicting]]] = {"sqlite": sqlite.insert, POSTGRESQL: postgresql.insert}


def insert_of(table: Table, *, dialect: Dialect) -> Conflicting:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    return _INSERTS[dialect.name](table)


def upsert(
    table: Table,
    *,
    dialect: Dialect,
    unless: frozenset[str] = frozenset(),
    keep_known: frozenset[str] = frozenset(),
    on: tuple[str, ...] = (),
) -> Insert:
    """A row is inserted, or updated where its key is there; the same statement for the same arguments, so that it is compiled once.

    Args:
        table: What ``on``, or else its primary key, identifies a row of.
        dialect: The database's.
        unless: Columns that an update leaves alone.
        keep_known: Columns that an update never sets back to NULL.
        on: The columns of the conflict.
    """
    return _upsert(table, dialect.name, unless, keep_known, on)


@cache
def _upsert(
    table: Table, dialect: str, unless: frozenset[str], keep_known: frozenset[str], on: tuple[str, ...]
) -> Insert:
    statement = _INSERTS[dialect](table)
    identity = list(on or (one.name for one in table.primary_key))
    changes: dict[str, Any] = {
        one.name: func.coalesce(statement.excluded[one.name], one)
        if one.name in keep_known
        else statement.excluded[one.name]
        for one in table.columns
        if one.name not in identity and one.name not in unless
    }
    return statement.on_conflict_do_update(index_elements=identity, set_=changes)


class DriverText:
    """A statement as the driver takes it: its text, and the making of its parameters from a row of Python values.

    For SQLite a question mark a column; for PostgreSQL an array a column, unnested by the server.
    """

    __slots__ = ("_of_many", "_of_row", "_processes", "_width", "text")

    def __init__(self, statement: Insert, *, dialect: Dialect, leave_out: Collection[str] = ()) -> None:
        table = statement.table
        assert isinstance(table, Table)
        names = [one.name for one in table.columns if one.name not in leave_out]
        if dialect.name == POSTGRESQL:
            given = text(_unnested(table, names, dialect=dialect)).columns(*(column(name) for name in names))
            statement = statement.from_select(names, given, include_defaults=False)
        compiled = statement.inline().compile(dialect=dialect, column_keys=names)
        self.text = str(compiled)
        order = compiled.positiontup or names
        types = [table.columns[name].type for name in order]
        # Drivers take a bool as it is; SQLAlchemy would look at each.
        made = [
            None if isinstance(one, Boolean) else one.dialect_impl(dialect).bind_processor(dialect) for one in types
        ]
        self._of_row = itemgetter(*order)
        self._processes = [(at, process) for at, process in enumerate(made) if process is not None]
        self._width = len(order)
        self._of_many: dict[int, str] = {1: self.text}

    def of_many(self, rows: int) -> str:
        """SQLite's text for so many rows in one statement, their parameters one after the other."""
        found = self._of_many.get(rows)
        if found is None:
            given = f"({', '.join('?' * self._width)})"
            assert self.text.count(given) == 1
            found = self._of_many[rows] = self.text.replace(given, ", ".join([given] * rows))
        return found

    def parameters(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """The row in the order of the text's parameters, in the driver's types."""
        values = list(self._of_row(row))
        for at, process in self._processes:
            values[at] = process(values[at])
        return tuple(values)


def _unnested(table: Table, names: Sequence[str], *, dialect: Dialect) -> str:
    # The bare name of the type: a collation is no part of an array's.
    types = [
        dialect.type_compiler_instance.process(table.columns[name].type).partition(" COLLATE")[0] for name in names
    ]
    arrays = (f"CAST(${number} AS {type_}[])" for number, type_ in enumerate(types, start=1))
    return f"SELECT * FROM unnest({', '.join(arrays)}) AS given ({', '.join(names)})"
