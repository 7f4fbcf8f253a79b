"""Many rows in one call of the driver itself, within the transaction of a connection."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from evhold.adapters.sql.pg_driver import ask_asyncpg, put_off
from evhold.adapters.sql.types import MICROSECOND, POSTGRESQL
from evhold.adapters.sql.upsert import DriverText

Parameters = tuple[Any, ...]

#: How many rows go in one statement on SQLite, as long as there are so many.
AT_ONCE: Final = (64, 8, 1)
#: As sweep_time() and remind_time() have it: what a reservation waits for goes by its station's clock.
_MOVE: Final = (
    "UPDATE reservations SET sweep_at = CASE WHEN sweep_at IS NOT NULL THEN held_until - {by} END,"
    " remind_at = CASE WHEN remind_at IS NOT NULL THEN expiry_date_time - {by} END{given}"
    " WHERE station_id = {station} AND (sweep_at <> held_until - {by} OR remind_at <> expiry_date_time - {by})"
)
_MOVE_ONE: Final = _MOVE.format(by="?1", station="?2", given="")
_MOVE_MANY: Final = _MOVE.format(
    by="moved.by",
    station="moved.station",
    given=" FROM unnest(CAST($1 AS interval[]), CAST($2 AS text[])) AS moved (by, station)",
)


def run_many(connection: Connection, statement: str, rows: Collection[Parameters]) -> None:
    """The statement is done for every row: on SQLite with a question mark, on PostgreSQL with an array a column."""
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.executemany(statement, rows)
    else:
        ask_asyncpg(connection, statement, list(zip(*rows, strict=True)))


def insert_many(connection: Connection, text: DriverText, rows: Sequence[Parameters]) -> None:
    """The statement is done for every row.

    SQLite takes many rows in one statement: between two statements, and between the steps of ``executemany``, this thread
    hands Python's lock to the loop's and has to wait for it again.
    """
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        run_many(connection, text.text, rows)
        return
    at = 0
    for size in AT_ONCE:
        while len(rows) - at >= size:
            driver.execute(text.of_many(size), [value for row in rows[at : at + size] for value in row])
            at += size


def insert_many_later(connection: Connection, text: DriverText, rows: Sequence[Parameters], *, table: str) -> None:
    """As ``insert_many``, at the latest before the commit (prepared.Prepared.later)."""
    if connection.dialect.name == POSTGRESQL:
        put_off(connection, text.text, list(zip(*rows, strict=True)), table=table)
    else:
        insert_many(connection, text, rows)


def move_sweeps(connection: Connection, clocks: Collection[tuple[timedelta, str]]) -> None:
    """The reservations of these stations are swept, and told of, by these clock offsets."""
    if connection.dialect.name == POSTGRESQL:
        # One each, the last one: an UPDATE takes any of several.
        run_many(connection, _MOVE_MANY, [(by, station) for station, by in {s: by for by, s in clocks}.items()])
    else:
        run_many(connection, _MOVE_ONE, [(by // MICROSECOND, station) for by, station in clocks])
