"""The firehose: rows of many stations in one commit, by the driver's own calls for many rows (ports.Recorder).

House rules:
- One batch is on its way at a time; what comes meanwhile waits for the next, so load makes batches, and quiet makes none wait.
- Of rows with the same key the last one is stored; events are all stored, in order of arrival.
- When a batch fails, its members run singly, or in ever smaller parts: one bad row harms nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Insert, insert

from evhold.adapters.sql import connectors, outbox, station_rows, transactions
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.driver import insert_many, insert_many_later, move_sweeps
from evhold.adapters.sql.entry import Entry
from evhold.adapters.sql.tables import outbox as outbox_table
from evhold.adapters.sql.tx import SqlTx
from evhold.adapters.sql.upsert import DriverText
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, Event
from evhold.domain.station import Station
from evhold.domain.transaction import Transaction
from evhold.usecases.ports import Overtaken, StorageAway

MAX_ROWS: Final = 500


class SqlRecorder:
    """ports.Recorder, by the transactions of this storage."""

    def __init__(self, storage: Database, *, now: Callable[[], datetime]) -> None:
        self._storage = storage
        self._now = now
        #: Told of a row that could not be stored because the database is away: it is ended there, after ``again``.
        self.on_away: Callable[[Entry, StorageAway], None] | None = None
        self._pending: list[Entry] = []
        self._busy = False
        self._connectors = self._text(connectors.put_connector(storage.dialect))
        self._transactions = self._text(transactions.put_transaction(storage.dialect))
        no_secrets = (*station_rows.SECRETS, "removed_at")
        self._stations = self._text(station_rows.record_station(storage.dialect), leave_out=no_secrets)
        self._events = self._text(insert(outbox_table), leave_out=("seq",))

    def connector(self, connector: Connector, event: ConnectorChanged, *, epoch: int | None = None) -> Entry:
        """The connector's row and its event, in one commit."""
        key = (connector.station_id, connector.evse_id, connector.connector_id)
        row = self._connectors.parameters(connectors.row_of(connector))
        entry = Entry(self._connectors, key, row, (event,))
        if epoch is not None:
            entry.fence = (connector.station_id, epoch)
        return self._add(entry)

    def transaction(self, transaction: Transaction, *, epoch: int | None = None) -> Entry:
        """The transaction's row."""
        row = self._transactions.parameters(transactions.row_of(transaction, stored_at=self._now()))
        entry = Entry(self._transactions, (transaction.station_id, transaction.transaction_id), row)
        if epoch is not None:
            entry.fence = (transaction.station_id, epoch)
        return self._add(entry)

    def station(self, station: Station, events: Iterable[Event]) -> Entry:
        """What the station reported, and its events; of what is provisioned nothing, but for a station that is new."""
        row = self._stations.parameters(station_rows.row_of(station))
        entry = Entry(self._stations, (station.id.casefold(),), row, tuple(events))
        entry.clock = (station.clock_offset, station.id)
        return self._add(entry)

    def again(self, kept: Entry) -> Entry:
        """What ``on_away`` was told of is on its way once more; fails this time where the database is still away."""
        return self._add(kept.again())

    def _text(self, statement: Insert, *, leave_out: tuple[str, ...] = ()) -> DriverText:
        return DriverText(statement, dialect=self._storage.dialect, leave_out=leave_out)

    # Batches

    def _add(self, entry: Entry) -> Entry:
        self._pending.append(entry)
        if not self._busy:
            self._busy = True
            # After this turn of the loop, so that what arrived together is stored together.
            asyncio.get_running_loop().call_soon(self._next)
        return entry

    def _next(self) -> None:
        batch, self._pending = self._pending[:MAX_ROWS], self._pending[MAX_ROWS:]
        if not batch:
            self._busy = False
            return
        written = self._write(batch)
        written.add_done_callback(lambda done: self._end(batch, done.exception()))

    def _end(self, batch: list[Entry], error: BaseException | None) -> None:
        if error is None or len(batch) == 1 or isinstance(error, StorageAway):
            self._settle(batch, error)
            self._next()
        elif self._storage.in_order:
            self._write_singly(batch)
        else:
            self._write_parts(deque(_halves(batch)))

    def _write_parts(self, parts: "deque[list[Entry]]") -> None:
        """Where transactions run side by side, one part after the other; one that fails is halved until it is one row."""
        if not parts:
            self._next()
            return
        part = parts.popleft()

        def end(done: "asyncio.Future[None]") -> None:
            error = done.exception()
            if error is None or len(part) == 1 or isinstance(error, StorageAway):
                self._settle(part, error)
            else:
                parts.extendleft(reversed(_halves(part)))
            self._write_parts(parts)

        self._write(part).add_done_callback(end)

    def _write_singly(self, batch: list[Entry]) -> None:
        """Each in a savepoint of its own; the one that is at fault hears of it."""
        written = asyncio.gather(*(self._write([entry]) for entry in batch), return_exceptions=True)

        def end(done: "asyncio.Future[list[BaseException | None]]") -> None:
            for entry, error in zip(batch, done.result(), strict=True):
                self._settle([entry], error)
            self._next()

        written.add_done_callback(end)

    def _settle(self, batch: list[Entry], error: BaseException | None) -> None:
        for entry in batch:
            if isinstance(error, StorageAway) and self.on_away is not None and not entry.is_again:
                self.on_away(entry, error)
            else:
                entry.end(error)

    def _write(self, batch: list[Entry]) -> "asyncio.Future[None]":
        return self._storage.write(lambda tx: self._run(tx, batch))

    def _run(self, tx: SqlTx, batch: list[Entry]) -> None:
        """Within the transaction."""
        fences = {entry.fence for entry in batch if entry.fence is not None}
        # Of two connections of a station one at least is overtaken: dict() keeps either, and the other is found out.
        if fences and len(tx.nodes.holds(dict(fences))) < len(fences):
            raise Overtaken("a connection does not count any more")
        for table in (self._stations, self._connectors, self._transactions):
            rows = {entry.key: entry.row for entry in batch if entry.table is table}
            if rows:
                # By their keys: batches of two nodes then wait for each other, and do not get stuck.
                insert_many(tx.connection, table, [rows[key] for key in sorted(rows)])
        clocks = [entry.clock for entry in batch if entry.clock is not None]
        if clocks:
            move_sweeps(tx.connection, clocks)
        events = [event for entry in batch for event in entry.events]
        if events:
            told = [self._events.parameters(outbox.row_of(event)) for event in events]
            insert_many_later(tx.connection, self._events, told, table=outbox_table.name)
            tx.outbox.added(events)


def _halves(batch: list[Entry]) -> list[list[Entry]]:
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]
