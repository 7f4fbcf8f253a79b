"""Insert-or-update for the databases that we speak, and its text for a driver."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.types import POSTGRESQL

Conflicting = sqlite.Insert | postgresql.Insert


def insert_of(table: Table, *, dialect: Dialect) -> Conflicting:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if dialect.name == POSTGRESQL else sqlite.insert(table)


def upsert(
    table: Table,
    *,
    dialect: Dialect,
    unless: Collection[str] = (),
    keep_known: Collection[str] = (),
    on: Sequence[str] | None = None,
) -> Insert:
    """A row is inserted, or updated where its key is there.

    Args:
        table: What ``on``, or else its primary key, identifies a row of.
        dialect: The database's.
        unless: Columns that an update leaves alone.
        keep_known: Columns that an update never sets back to NULL.
        on: The columns of the conflict.
    """
    statement = insert_of(table, dialect=dialect)
    identity = list(on or (column.name for column in table.primary_key))
    changes: dict[str, Any] = {
        column.name: func.coalesce(statement.excluded[column.name], column)
        if column.name in keep_known
        else statement.excluded[column.name]
        for column in table.columns
        if column.name not in identity and column.name not in unless
    }
    return statement.on_conflict_do_update(index_elements=identity, set_=changes)


class DriverText:
    """A statement as the driver takes it: its text, and the making of its parameters from a row of Python values."""

    def __init__(self, statement: Insert, *, dialect: Dialect, leave_out: Collection[str] = ()) -> None:
        table = statement.table
        assert isinstance(table, Table)
        names = [column.name for column in table.columns if column.name not in leave_out]
        compiled = statement.inline().compile(dialect=dialect, column_keys=names)
        self.text = str(compiled)
        order = compiled.positiontup or names
        types = (table.columns[name].type.dialect_impl(dialect) for name in order)
        self._columns = [(name, type_.bind_processor(dialect)) for name, type_ in zip(order, types, strict=True)]

    def parameters(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """The row in the order of the text's question marks, in the driver's types."""
        return tuple(process(row[name]) if process else row[name] for name, process in self._columns)
