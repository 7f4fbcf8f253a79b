"""The firehose: rows of many stations in one commit, by the driver's executemany (ports.Recorder).

House rules:
- One batch is on its way at a time; what comes meanwhile waits for the next, so load makes batches, and quiet makes none wait.
- Of rows with the same key the last one is stored; events are all stored, in order of arrival.
- When a batch fails, its members run singly: one bad row harms nobody else.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Insert, insert

from evhold.adapters.sql import connectors, outbox, station_rows, transactions
from evhold.adapters.sql.storage import SqlStorage
from evhold.adapters.sql.tables import outbox as outbox_table
from evhold.adapters.sql.tx import SqlTx
from evhold.adapters.sql.types import MICROSECOND
from evhold.adapters.sql.upsert import DriverText
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, Event
from evhold.domain.station import Station
from evhold.domain.transaction import Transaction
from evhold.usecases.ports import StorageAway

Parameters = tuple[Any, ...]

MAX_ROWS: Final = 500
#: As sweep_time() has it: a reservation is swept by its station's clock.
_MOVE_SWEEP: Final = (
    "UPDATE reservations SET sweep_at = held_until - ?1"
    " WHERE station_id = ?2 AND sweep_at IS NOT NULL AND sweep_at <> held_until - ?1"
)


class _Entry:
    """One row with its events, and who waits for it."""

    __slots__ = ("clock", "events", "future", "key", "row", "table")

    def __init__(self, table: DriverText, key: tuple[object, ...], row: Parameters, events: list[Parameters]) -> None:
        self.table = table
        self.key = key
        self.row = row
        self.events = events
        self.clock: Parameters | None = None
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class SqlRecorder:
    """ports.Recorder, on the writer thread of this storage."""

    def __init__(self, storage: SqlStorage, *, now: Callable[[], datetime]) -> None:
        self._storage = storage
        self._now = now
        self._pending: list[_Entry] = []
        self._busy = False
        self._connectors = self._text(connectors.put_connector(storage.dialect))
        self._transactions = self._text(transactions.put_transaction(storage.dialect))
        no_secrets = ("password_salt", "password_hash", "removed_at")
        self._stations = self._text(station_rows.record_station(storage.dialect), leave_out=no_secrets)
        self._events = self._text(insert(outbox_table), leave_out=("seq",))

    def connector(self, connector: Connector, event: ConnectorChanged) -> "asyncio.Future[None]":
        """The connector's row and its event, in one commit."""
        key = (connector.station_id, connector.evse_id, connector.connector_id)
        row = self._connectors.parameters(connectors.row_of(connector))
        return self._add(_Entry(self._connectors, key, row, self._told((event,))))

    def transaction(self, transaction: Transaction) -> "asyncio.Future[None]":
        """The transaction's row."""
        row = self._transactions.parameters(transactions.row_of(transaction, stored_at=self._now()))
        return self._add(_Entry(self._transactions, (transaction.station_id, transaction.transaction_id), row, []))

    def station(self, station: Station, events: Iterable[Event]) -> "asyncio.Future[None]":
        """What the station reported, and its events; of what is provisioned nothing, but for a station that is new."""
        row = self._stations.parameters(station_rows.row_of(station))
        entry = _Entry(self._stations, (station.id.casefold(),), row, self._told(events))
        entry.clock = (station.clock_offset // MICROSECOND, station.id)
        return self._add(entry)

    def _text(self, statement: Insert, *, leave_out: tuple[str, ...] = ()) -> DriverText:
        return DriverText(statement, dialect=self._storage.dialect, leave_out=leave_out)

    def _told(self, events: Iterable[Event]) -> list[Parameters]:
        return [self._events.parameters(outbox.row_of(event)) for event in events]

    # Batches

    def _add(self, entry: _Entry) -> "asyncio.Future[None]":
        self._pending.append(entry)
        if not self._busy:
            self._busy = True
            # After this turn of the loop, so that what arrived together is stored together.
            asyncio.get_running_loop().call_soon(self._next)
        return entry.future

    def _next(self) -> None:
        batch, self._pending = self._pending[:MAX_ROWS], self._pending[MAX_ROWS:]
        if not batch:
            self._busy = False
            return
        written = self._write(batch)
        written.add_done_callback(lambda done: self._end(batch, done.exception()))

    def _end(self, batch: list[_Entry], error: BaseException | None) -> None:
        if error is None or len(batch) == 1 or isinstance(error, StorageAway):
            for entry in batch:
                entry.settle(error)
            self._next()
        else:
            self._write_singly(batch)

    def _write_singly(self, batch: list[_Entry]) -> None:
        """Each in a savepoint of its own; the one that is at fault hears of it."""
        written = asyncio.gather(*(self._write([entry]) for entry in batch), return_exceptions=True)

        def end(done: "asyncio.Future[list[BaseException | None]]") -> None:
            for entry, error in zip(batch, done.result(), strict=True):
                entry.settle(error)
            self._next()

        written.add_done_callback(end)

    def _write(self, batch: list[_Entry]) -> "asyncio.Future[None]":
        return self._storage.write(lambda tx: self._run(tx, batch))

    def _run(self, tx: SqlTx, batch: list[_Entry]) -> None:
        """On the writer thread."""
        driver = tx.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        for table in (self._stations, self._connectors, self._transactions):
            rows = {entry.key: entry.row for entry in batch if entry.table is table}
            if rows:
                driver.executemany(table.text, rows.values())
        clocks = [entry.clock for entry in batch if entry.clock is not None]
        if clocks:
            driver.executemany(_MOVE_SWEEP, clocks)
        events = [event for entry in batch for event in entry.events]
        if events:
            driver.executemany(self._events.text, events)
            tx.outbox.told = True
