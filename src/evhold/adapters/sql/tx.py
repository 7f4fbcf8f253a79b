"""The stores of one transaction."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from evhold.adapters.sql.audit import AuditStore
from evhold.adapters.sql.connectors import ConnectorStore
from evhold.adapters.sql.idempotency import IdempotencyStore
from evhold.adapters.sql.keys import KeyStore
from evhold.adapters.sql.outbox import OutboxStore
from evhold.adapters.sql.reservations import ReservationStore
from evhold.adapters.sql.stations import StationStore
from evhold.adapters.sql.tokens import TokenStore
from evhold.adapters.sql.transactions import TransactionStore


class SqlTx:
    """One transaction's stores; each is made when it is first asked for."""

    def __init__(self, connection: Connection, *, now: Callable[[], datetime]) -> None:
        self.connection = connection
        self.outbox = OutboxStore(connection)
        self._now = now

    @cached_property
    def reservations(self) -> ReservationStore:
        """Reservations, with claims, asks, history."""
        return ReservationStore(self.connection, outbox=self.outbox)

    @cached_property
    def stations(self) -> StationStore:
        """Charging Stations."""
        return StationStore(self.connection, now=self._now)

    @cached_property
    def connectors(self) -> ConnectorStore:
        """Connectors."""
        return ConnectorStore(self.connection)

    @cached_property
    def transactions(self) -> TransactionStore:
        """Charging transactions."""
        return TransactionStore(self.connection, now=self._now)

    @cached_property
    def tokens(self) -> TokenStore:
        """Tokens."""
        return TokenStore(self.connection)

    @cached_property
    def keys(self) -> KeyStore:
        """API keys."""
        return KeyStore(self.connection)

    @cached_property
    def idempotency(self) -> IdempotencyStore:
        """Idempotency-Keys."""
        return IdempotencyStore(self.connection)

    @cached_property
    def audit(self) -> AuditStore:
        """Who did what."""
        return AuditStore(self.connection)
