"""Statements by the driver: the same text, parameters and rows as by SQLAlchemy, and none that reads a whole table."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from sql_examples import NOON, ONLY_SQLITE, STATION, activate, provision, terms
from sqlalchemy import Insert
from sqlalchemy.engine import Dialect

from evhold.adapters import sql
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tokens import _FIND
from evhold.adapters.sql.tx import SqlTx
from evhold.adapters.sql.types import POSTGRESQL
from evhold.domain.values import EvseId

#: Read by a page that shows everything.
WHOLE = {"connectors._OF_ALL"}
BY_NUMBER = {"reservations._GET", "reservations._HISTORY"}
GIVEN = {"wanted": "cs-1", "station": STATION, "before": NOON, "start": NOON, "at": NOON, "last": 0, "most": 10}


def everything(dialect: Dialect) -> dict[str, Prepared]:
    """Every prepared statement of this kind of database, by module and name."""
    found: dict[str, Prepared] = {}
    for one in pkgutil.iter_modules(sql.__path__):
        if one.ispkg:
            continue
        module = importlib.import_module(f"{sql.__name__}.{one.name}")
        found |= {f"{one.name}.{name}": value for name, value in vars(module).items() if isinstance(value, Prepared)}
    if dialect.name != POSTGRESQL:
        # SQLite has no sequences.
        del found["reservation_ids._NEXT_NUMBERS"]
    return found


async def test_both_forms_have_one_text(storage: Database) -> None:
    """What the driver is given is what SQLAlchemy would give it."""
    dialect = storage.dialect
    for name, prepared in everything(dialect).items():
        statement = prepared.statement(dialect)
        if isinstance(statement, Insert):
            statement = statement.inline()
        text = prepared.text(dialect)
        compiled = statement.compile(dialect=dialect, column_keys=list(prepared.columns) or None)
        assert text.text == str(compiled), name


async def test_both_forms_read_the_same_rows(storage: Database) -> None:
    """Every SELECT gives the same values by the driver and by SQLAlchemy, where there is something to read."""
    await provision(storage)
    for number in (1, 2, 3):
        await storage.transact(lambda tx, n=number: activate(tx, terms(evse_id=n)))  # type: ignore[misc]  # a default argument

    def compare(tx: SqlTx) -> int:
        read = 0
        for name, prepared in everything(tx.connection.dialect).items():
            statement: Any = prepared.statement(tx.connection.dialect)
            binds = prepared.given(tx.connection.dialect)
            if not statement.is_select or not binds <= GIVEN.keys() or "_FOR_CHANGE" in name or "_NEXT_NUMBER" in name:
                continue
            values = {bind: GIVEN[bind] for bind in binds}
            if name in BY_NUMBER:
                values["wanted"] = 101
            ours = [tuple(row) for row in prepared.rows(tx.connection, values)]
            assert ours == [tuple(row) for row in tx.connection.execute(statement, values)], name
            read += bool(ours)
        return read

    # Reservations by id, those to remind of, their history, the station, the outbox, and more.
    assert await storage.look(compare) >= 6


@ONLY_SQLITE
async def test_no_statement_reads_a_whole_table(storage: Database) -> None:
    """Each finds its rows by an index, so that it costs the same however much is stored."""

    def plans(tx: SqlTx) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, prepared in everything(tx.connection.dialect).items():
            text = prepared.text(tx.connection.dialect).text
            if text.startswith("INSERT"):
                continue
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (1,) * text.count("?"))
            found[name] = "; ".join(row[3] for row in rows)
        return found

    told = await storage.write(plans)
    scans = {name: plan for name, plan in told.items() if "SCAN" in plan}
    assert set(scans) == WHOLE, scans
    assert len(told) > 20


async def test_a_value_of_the_wrong_kind_is_refused_before_the_driver_sees_it(storage: Database) -> None:
    """A missing parameter is the statement's fault, not NULL."""
    with pytest.raises(KeyError):
        await storage.write(lambda tx: _FIND.first(tx.connection, {"evse": EvseId(1)}))
