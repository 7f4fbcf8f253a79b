"""Statements that run often, as the driver takes them: compiled once from SQLAlchemy's, then given to the driver as text.

House rules
- The statement is SQLAlchemy's, over the one definition of the tables; its text, the making of its parameters and the
  reading of its rows are SQLAlchemy's too. Only what SQLAlchemy does around every single execution is left out, which
  costs ten times as much as SQLite itself (docs/adr/0020).
- A statement whose shape depends on its parameters (filters, IN) is none of these: it goes by the connection.
- Errors are SQLAlchemy's, as they would be by the connection.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from evhold.adapters.sql.pg_driver import Write, ask_asyncpg, put_off_together
from evhold.adapters.sql.types import POSTGRESQL

Statement: TypeAlias = Select[Any] | Insert | Update | Delete
Process: TypeAlias = Callable[[Any], Any]
Values: TypeAlias = Mapping[str, Any]

_NONE: Final[Values] = {}


class Answer(Protocol):
    """What a driver says to a statement, as Python's database interface has it (PEP 249)."""

    @property
    def description(self) -> Any:
        """A tuple a column; the second of it is the database's own type."""
        ...

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows."""
        ...


class CompiledText:
    """A statement for one kind of database: its text, what its parameters are made of, and how its rows are read.

    Args:
        statement: SQLAlchemy's.
        dialect: The database's.
        columns: Of an INSERT or UPDATE: those that are given.
    """

    __slots__ = ("_dialect", "_make", "_reads", "_types", "binds", "table", "text")

    def __init__(self, statement: Statement, *, dialect: Dialect, columns: Collection[str]) -> None:
        if isinstance(statement, Insert):
            # The driver returns no key of its own accord.
            statement = statement.inline()
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) if columns else None)
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self.table = "" if isinstance(statement, Select) else str(statement.table)
        self._dialect = dialect
        self.binds = [_bind(compiled, name, dialect) for name in compiled.positiontup or ()]
        found = compiled._result_columns  # what a result is read by; there is no other way to them
        self._types = [one.type.dialect_impl(dialect) for one in found]
        make_row: Any = namedtuple
        self._make = make_row("Row", [one.keyname for one in found], rename=True)._make
        self._reads: list[tuple[int, Process]] | None = None

    def parameters(self, values: Values) -> tuple[Any, ...]:
        """In the order of the text, in the driver's types; what the statement itself holds is there already."""
        return tuple(
            [
                fixed if name is None else process(values[name]) if process is not None else values[name]
                for name, process, fixed in self.binds
            ]
        )

    def rows(self, answer: Answer) -> list[Any]:
        """All rows, as Python values by name and by position."""
        # All are fetched, also where one is wanted: a statement that is left half-way holds its lock.
        found = answer.fetchall()
        if not found:
            return []
        reads = self._reads if self._reads is not None else self._reading(answer.description)
        if not reads:
            return [self._make(raw) for raw in found]
        rows = [list(raw) for raw in found]
        for row in rows:
            for index, process in reads:
                row[index] = process(row[index])
        return [self._make(row) for row in rows]

    def _reading(self, description: Any) -> list[tuple[int, Process]]:
        """How columns are read that need it. Some databases say what they are only with the first answer."""
        made = [
            one.result_processor(self._dialect, told[1]) for one, told in zip(self._types, description, strict=True)
        ]
        self._reads = [(index, process) for index, process in enumerate(made) if process is not None]
        return self._reads


class Prepared:
    """A statement that runs often, on whatever database the connection is to.

    Args:
        statement: SQLAlchemy's, or what makes it for a database.
        columns: Of an INSERT or UPDATE: the columns that are given by name.
        beside: A statement that changes and returns rows, and the name by which this one reads them. On PostgreSQL only,
            where both go in one; its parameters are among those of this one.
    """

    __slots__ = ("_beside", "_statement", "_texts", "columns")

    def __init__(
        self,
        statement: Statement | Callable[[Dialect], Statement],
        columns: Collection[str] = (),
        *,
        beside: "tuple[str, Prepared] | None" = None,
    ) -> None:
        self._statement = statement
        self._beside = beside
        self.columns = columns
        self._texts: dict[str, CompiledText] = {}

    def statement(self, dialect: Dialect) -> Statement:
        """SQLAlchemy's."""
        made = self._statement
        return made if isinstance(made, Select | Insert | Update | Delete) else made(dialect)

    def text(self, dialect: Dialect) -> CompiledText:
        """As this database takes it; compiled when it is first asked for."""
        found = self._texts.get(dialect.name)
        if found is None:
            found = CompiledText(self.statement(dialect), dialect=dialect, columns=self.columns)
            self._texts[dialect.name] = found
        return found

    def given(self, dialect: Dialect) -> set[str]:
        """The names of its parameters."""
        return {name for name, _, _ in self.text(dialect).binds if name is not None}

    def rows(self, connection: Connection, values: Values = _NONE) -> list[Any]:
        """All rows, their columns as attributes."""
        text = self.text(connection.dialect)
        return text.rows(_run(connection, text, values))

    def first(self, connection: Connection, values: Values = _NONE) -> Any:
        """The first row, or None."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def scalar(self, connection: Connection, values: Values = _NONE) -> Any:
        """The first column of the first row, or None."""
        row = self.first(connection, values)
        return None if row is None else row[0]

    def insert(self, connection: Connection, values: Values) -> int:
        """The number that SQLite gave to the row."""
        answer: Any = _run(connection, self.text(connection.dialect), values)
        number: int = answer.lastrowid
        return number

    def run(self, connection: Connection, values: Values = _NONE) -> int:
        """How many rows it changed."""
        return _run(connection, self.text(connection.dialect), values).rowcount

    def later(
        self,
        connection: Connection,
        values: Values = _NONE,
        *,
        otherwise: Exception | None = None,
        orphaned: Exception | None = None,
    ) -> None:
        """As ``run``, at the latest before the commit: for what nothing in this transaction has to wait for.

        Args:
            connection: Where several such statements may go in one.
            values: By name.
            otherwise: Raised unless exactly one row is changed.
            orphaned: Raised where a row refers to one that is not there.
        """
        if connection.dialect.name == POSTGRESQL:
            text = self.text(connection.dialect)
            write = Write(text.table, text.text, text.parameters(values), otherwise=otherwise, orphaned=orphaned)
            put_off_together(connection, *self._read_by(connection, values), write)
            return
        try:
            changed = self.run(connection, values)
        except sqlite3.IntegrityError as error:
            if orphaned is None or "FOREIGN KEY" not in str(error):
                raise
            raise orphaned from error
        if changed != 1 and otherwise is not None:
            raise otherwise

    def _read_by(self, connection: Connection, values: Values) -> list[Write]:
        if self._beside is None:
            return []
        name, statement = self._beside
        text = statement.text(connection.dialect)
        return [Write(text.table, text.text, text.parameters(values), name=name)]


def _run(connection: Connection, text: CompiledText, values: Values) -> Answer:
    parameters = text.parameters(values)
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.execute(text.text, parameters)
    return ask_asyncpg(connection, text.text, parameters)


def _bind(compiled: SQLCompiler, name: str, dialect: Dialect) -> tuple[str | None, Process | None, Any]:
    """Name and processor of a parameter that is given, or the value that the statement itself holds."""
    bind = compiled.binds[name]
    assert not bind.expanding, "a list is no single parameter"
    process = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if bind.required or (bind.value is None and bind.callable is None):
        return bind.key, process, None
    value = bind.effective_value
    return None, None, process(value) if process is not None else value
