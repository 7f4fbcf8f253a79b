"""Charging transactions, one row each (ports.Transactions)."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Insert, bindparam, select
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import names_of, transactions
from evhold.adapters.sql.upsert import upsert
from evhold.domain.transaction import Transaction
from evhold.domain.values import IdToken, StationId, TransactionId

_SAME_NAME: Final = (
    "station_id",
    "transaction_id",
    "state",
    "evse_id",
    "connector_id",
    "reservation_id",
    "token_accepted",
    "ever_charged",
    "remote_start_id",
    "started_at",
    "ended_at",
    "last_stamp",
    "stopped_reason",
    "energy_wh",
)
_same: Final = attrgetter(*_SAME_NAME)
_encode: Final = msgspec.json.Encoder().encode
_seen: Final = msgspec.json.Decoder(tuple[tuple[int, int], ...])

t = transactions.c
_FIND: Final = Prepared(
    select(transactions).where(t.station_id == bindparam("station"), t.transaction_id == bindparam("wanted"))
)
_OPEN: Final = Prepared(
    select(transactions)
    .where(t.station_id == bindparam("station"), t.ended_at.is_(None))
    .order_by(t.started_at, t.transaction_id)
)
_SINCE: Final = Prepared(
    select(t.transaction_id).where(t.station_id == bindparam("station"), t.stored_at >= bindparam("start")).limit(1)
)


def put_transaction(dialect: Dialect) -> Insert:
    """The upsert."""
    return upsert(transactions, dialect=dialect)


_PUT: Final = Prepared(put_transaction, names_of(transactions))


def row_of(transaction: Transaction, *, stored_at: datetime) -> dict[str, Any]:
    """All columns. ``stored_at``: our clock."""
    token = transaction.id_token
    row: dict[str, Any] = dict(zip(_SAME_NAME, _same(transaction), strict=True))
    row["id_token"] = token.id_token if token else None
    row["id_token_type"] = token.type if token else None
    row["seen"] = _encode(transaction.seen).decode()
    row["stored_at"] = stored_at
    return row


class TransactionStore:
    """ports.Transactions."""

    def __init__(self, connection: Connection, *, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._now = now

    def find(self, station_id: StationId, transaction_id: TransactionId) -> Transaction | None:
        """As last stored."""
        row = _FIND.first(self._connection, {"station": station_id, "wanted": transaction_id})
        return None if row is None else transaction_of(row)

    def put(self, transaction: Transaction) -> None:
        """Stored whole."""
        _PUT.run(self._connection, row_of(transaction, stored_at=self._now()))

    def open_at(self, station_id: StationId) -> list[Transaction]:
        """Not ended, oldest first."""
        return [transaction_of(row) for row in _OPEN.rows(self._connection, {"station": station_id})]

    def since(self, station_id: StationId, at: datetime) -> bool:
        """Whether any was stored since, by our clock."""
        return _SINCE.first(self._connection, {"station": station_id, "start": at}) is not None


def transaction_of(row: Any) -> Transaction:
    """The very transaction that was stored."""
    token = row.id_token
    return Transaction(
        id_token=None if token is None else IdToken(token, row.id_token_type),
        seen=_seen.decode(row.seen),
        **{name: getattr(row, name) for name in _SAME_NAME},
    )
