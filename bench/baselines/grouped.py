"""Baseline (b): the bare server, and the rows of all stations in one commit, written by hand; answered after the commit.

`python -m bench.baselines.grouped DATABASE`: a SQLite file, or a postgresql:// URL.
"""

import sys
from typing import Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench.baselines.bare import run
from bench.baselines.rows import Row, of_status, of_transaction
from bench.baselines.wire import Call, Status, TransactionEvent, answered, read

Waiting = tuple["Grouped", Call]


class Store(Protocol):
    """Commits a batch; ``Grouping.done`` is called on the loop after it."""

    def commit(self, batch: "Batch") -> None:
        """The batch is on its way."""
        ...


class Batch:
    """What is stored together: the last row of each connector and transaction, all events, and who waits."""

    __slots__ = ("connectors", "events", "transactions", "waiting")

    def __init__(self) -> None:
        self.connectors: dict[Row, Row] = {}
        self.transactions: dict[Row, Row] = {}
        self.events: list[Row] = []
        self.waiting: list[Waiting] = []


class Grouping:
    """One batch on its way at a time; what comes meanwhile is the next."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._busy = False
        self._batch = Batch()

    @property
    def batch(self) -> Batch:
        """The one that takes rows now."""
        return self._batch

    def begin(self) -> None:
        """The batch goes out, unless another one is on its way."""
        if not self._busy and self._batch.waiting:
            self._busy = True
            batch, self._batch = self._batch, Batch()
            assert self._store is not None
            self._store.commit(batch)

    def done(self, batch: Batch) -> None:
        """The batch is committed: all who waited are answered."""
        for station, call in batch.waiting:
            station.answer(call)
        self._busy = False
        self.begin()

    def use(self, store: Store) -> None:
        """Where batches go."""
        self._store = store


class Grouped(WSListener):
    """A station's socket."""

    def __init__(self, station_id: str, grouping: Grouping) -> None:
        self.station_id = station_id
        self._grouping = grouping
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Called by the socket."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called by the socket."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        if frame.msg_type != WSMsgType.TEXT:
            return
        call, payload = read(frame.get_payload_as_bytes())
        batch = self._grouping.batch
        if isinstance(payload, Status):
            row, event = of_status(self.station_id, payload)
            batch.connectors[row[:3]] = row
            batch.events.append(event)
        elif isinstance(payload, TransactionEvent):
            row = of_transaction(self.station_id, payload)
            batch.transactions[row[:2]] = row
        else:
            self.answer(call)
            return
        batch.waiting.append((self, call))
        self._grouping.begin()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Called by the socket."""
        self._transport = None

    def answer(self, call: Call) -> None:
        """The CALLRESULT is sent."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, answered(call))


def main(database: str) -> None:
    """Serve on this database."""
    from bench.baselines import grouped_postgresql, grouped_sqlite

    made = grouped_postgresql.open_store if database.startswith("postgresql://") else grouped_sqlite.open_store
    grouping = Grouping()
    run(lambda station_id: Grouped(station_id, grouping), before=lambda: made(database, grouping))


if __name__ == "__main__":
    main(sys.argv[1])
