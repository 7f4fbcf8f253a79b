"""The stores of one transaction."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from evhold.adapters.sql.audit import AuditStore
from evhold.adapters.sql.connectors import ConnectorStore
from evhold.adapters.sql.figures import FigureStore
from evhold.adapters.sql.idempotency import IdempotencyStore
from evhold.adapters.sql.keys import KeyStore
from evhold.adapters.sql.nodes import NodeStore
from evhold.adapters.sql.outbox import OutboxStore
from evhold.adapters.sql.reservations import ReservationStore
from evhold.adapters.sql.retention import RetentionStore
from evhold.adapters.sql.secrets import SecretStore
from evhold.adapters.sql.security_events import SecurityEventStore
from evhold.adapters.sql.stations import StationStore
from evhold.adapters.sql.timeline import TimelineStore
from evhold.adapters.sql.tokens import TokenStore
from evhold.adapters.sql.transactions import TransactionStore
from evhold.adapters.sql.webhooks import WebhookStore


class SqlTx:
    """One transaction's stores; each is made when it is first asked for."""

    def __init__(self, connection: Connection, *, now: Callable[[], datetime], reading: bool = False) -> None:
        self.connection = connection
        self.outbox = OutboxStore(connection)
        self._now = now
        self._reading = reading

    @cached_property
    def reservations(self) -> ReservationStore:
        """Reservations, with claims, asks, history."""
        return ReservationStore(self.connection, outbox=self.outbox, reading=self._reading)

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
    def secrets(self) -> SecretStore:
        """Secrets of our own."""
        return SecretStore(self.connection)

    @cached_property
    def idempotency(self) -> IdempotencyStore:
        """Idempotency-Keys."""
        return IdempotencyStore(self.connection)

    @cached_property
    def audit(self) -> AuditStore:
        """Who did what."""
        return AuditStore(self.connection)

    @cached_property
    def security_events(self) -> SecurityEventStore:
        """What was told and noted of security."""
        return SecurityEventStore(self.connection)

    @cached_property
    def nodes(self) -> NodeStore:
        """Nodes, and which stations are theirs."""
        return NodeStore(self.connection, now=self._now)

    @cached_property
    def figures(self) -> FigureStore:
        """Reservations, to be counted."""
        return FigureStore(self.connection)

    @cached_property
    def webhooks(self) -> WebhookStore:
        """Webhooks and their deliveries."""
        return WebhookStore(self.connection)

    @cached_property
    def timeline(self) -> TimelineStore:
        """What happened at stations."""
        return TimelineStore(self.connection)

    @cached_property
    def retention(self) -> RetentionStore:
        """What is not to be kept."""
        return RetentionStore(self.connection)
