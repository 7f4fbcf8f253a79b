"""Many rows in one call of the driver itself, within the transaction of a connection."""

import sqlite3
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from evhold.adapters.sql.pg_driver import ask_asyncpg, put_off
from evhold.adapters.sql.types import MICROSECOND, POSTGRESQL

Parameters = tuple[Any, ...]

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
    """The statement of a DriverText is done for every row."""
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.executemany(statement, rows)
    else:
        ask_asyncpg(connection, statement, list(zip(*rows, strict=True)))


def run_many_later(connection: Connection, statement: str, rows: Collection[Parameters], *, table: str) -> None:
    """As ``run_many``, at the latest before the commit (prepared.Prepared.later)."""
    if connection.dialect.name == POSTGRESQL:
        put_off(connection, statement, list(zip(*rows, strict=True)), table=table)
    else:
        run_many(connection, statement, rows)


def move_sweeps(connection: Connection, clocks: Collection[tuple[timedelta, str]]) -> None:
    """The reservations of these stations are swept, and told of, by these clock offsets."""
    if connection.dialect.name == POSTGRESQL:
        # One each, the last one: an UPDATE takes any of several.
        run_many(connection, _MOVE_MANY, [(by, station) for station, by in {s: by for by, s in clocks}.items()])
    else:
        run_many(connection, _MOVE_ONE, [(by // MICROSECOND, station) for by, station in clocks])
