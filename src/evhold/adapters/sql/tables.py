"""Every table. A change here needs a migration beside it; a test holds both equal."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from evhold.adapters.sql.types import Duration, Text, UtcDateTime, WideInteger

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "idx_%(table_name)s_%(column_0_N_name)s",
    }
)


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


stations: Final = Table(
    "stations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("folded_id", Text, nullable=False, unique=True),
    Column("registration", Text, nullable=False),
    Column("security_profile", Integer),
    Column("serial_number", Text),
    Column("restore_after_boot", Boolean, nullable=False),
    Column("location_name", Text),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("password_salt", LargeBinary),
    Column("password_hash", LargeBinary),
    Column("next_salt", LargeBinary),
    Column("next_hash", LargeBinary),
    Column("vendor_name", Text),
    Column("model", Text),
    Column("firmware_version", Text),
    Column("reported_serial_number", Text),
    Column("ocpp_version", Text),
    Column("boot_status", Text),
    Column("booted_at", UtcDateTime),
    Column("last_seen", UtcDateTime),
    Column("available", Boolean),
    Column("enabled", Boolean),
    Column("non_evse_specific", Boolean),
    Column("ev_connection_timeout", Duration),
    Column("inventory_of", Text),
    Column("clock_offset", Duration, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", UtcDateTime),
    # Removed stations stay as rows: their reservations still refer to them, and their epoch must go on growing.
    Column("removed_at", UtcDateTime),
)

connectors: Final = Table(
    "connectors",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_id", WideInteger, primary_key=True),
    Column("connector_id", WideInteger, primary_key=True),
    Column("status", Text),
    Column("type", Text),
    Column("since", UtcDateTime),
)

#: The guide's 5.1 first, then what else is asked for; the rest of a Reservation is the JSON in ``more``.
reservations: Final = Table(
    "reservations",
    metadata,
    Column("id", WideInteger, primary_key=True),
    Column("reservation_id", Integer, nullable=False, unique=True),
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("evse_id", WideInteger),
    Column("connector_type", Text),
    Column("id_token", Text, nullable=False),
    Column("id_token_type", Text, nullable=False),
    Column("group_id_token", Text),
    Column("group_id_token_type", Text),
    Column("expiry_date_time", UtcDateTime, nullable=False),
    Column("status", Text, nullable=False, server_default="Pending"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("id_token_folded", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ocpp_status", Text),
    Column("cause", Text),
    Column("confirmed", Boolean, nullable=False),
    Column("transaction_id", Text),
    Column("used_evse_id", WideInteger),
    Column("used_at", UtcDateTime),
    Column("cancel_requested_at", UtcDateTime),
    Column("cancel_sent_at", UtcDateTime),
    Column("retry_at", UtcDateTime),
    Column("due", Text),
    Column("due_at", UtcDateTime),
    # The later expiry of both terms, by the station's clock; ``sweep_at`` is the same by ours, None while it is not to be swept.
    Column("held_until", UtcDateTime, nullable=False),
    Column("sweep_at", UtcDateTime),
    # The expiry of the terms in force by our clock, None once it was told that it is near.
    Column("remind_at", UtcDateTime),
    Column("ask_message_id", Text),
    Column("more", Text, nullable=False),
    UniqueConstraint("reservation_id", "station_id"),
    Index("idx_reservations_station", "station_id"),
    Index("idx_reservations_status", "status"),
    Index("idx_reservations_id_token", "id_token"),
    Index("idx_reservations_created", "created_at"),
    Index("idx_reservations_updated", "updated_at"),
    _partial("idx_reservations_expiry", "expiry_date_time", where="status IN ('Pending', 'Unconfirmed', 'Active')"),
    Index("idx_reservations_station_status", "station_id", "status"),
    Index("idx_reservations_id_token_folded", "id_token_folded"),
    _partial("idx_reservations_sweep", "sweep_at", where="sweep_at IS NOT NULL"),
    _partial("idx_reservations_remind", "remind_at", where="remind_at IS NOT NULL"),
    _partial("idx_reservations_due", "station_id", "due_at", where="due IS NOT NULL"),
    _partial("idx_reservations_ask", "station_id", where="ask_message_id IS NOT NULL"),
    _partial("idx_reservations_transaction", "station_id", "transaction_id", where="transaction_id IS NOT NULL"),
)

#: The primary key refuses a double booking.
claims: Final = Table(
    "claims",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_id", WideInteger, primary_key=True),
    Column("reservation_id", Integer, nullable=False, index=True),
)

asks: Final = Table(
    "asks",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("reservation_id", Integer, nullable=False, index=True),
    Column("station_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("terms", Text),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("outcome", Text),
)

history: Final = Table(
    "history",
    metadata,
    Column("seq", WideInteger, primary_key=True),
    Column("reservation_id", Integer, nullable=False, index=True),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("fact", Text, nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("cause", Text),
    Column("caused_by", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("frames", Text, nullable=False),
    Column("anomaly", Boolean, nullable=False),
    Column("status_info", Text),
)

transactions: Final = Table(
    "transactions",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("transaction_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("evse_id", WideInteger),
    Column("connector_id", WideInteger),
    Column("reservation_id", WideInteger),
    Column("id_token", Text),
    Column("id_token_type", Text),
    Column("token_accepted", Boolean, nullable=False),
    Column("ever_charged", Boolean, nullable=False),
    Column("remote_start_id", WideInteger),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("last_stamp", UtcDateTime),
    Column("stopped_reason", Text),
    Column("energy_wh", Float),
    Column("seen", Text, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Index("idx_transactions_stored", "station_id", "stored_at"),
    _partial("idx_transactions_open", "station_id", where="ended_at IS NULL"),
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("key", Text, primary_key=True),
    Column("id_token", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("group_id_token", Text),
    Column("group_id_token_type", Text),
    Column("cache_expiry", UtcDateTime),
    Column("personal_message", Text),
    Column("notify", Text),
)

keys: Final = Table(
    "keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("id_tokens", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    sqlite_autoincrement=True,
)

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("api_key_id", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("begun_at", UtcDateTime, nullable=False, index=True),
    Column("reservation_id", Integer),
    Column("status", Integer),
    Column("body", LargeBinary),
)

#: AUTOINCREMENT: a number is not given again, even when all rows are pruned. PostgreSQL, whose transactions commit in any
#: order, gives provisional numbers, downwards from -1, and true ones after the commit (``pg_outbox``).
outbox: Final = Table(
    "outbox",
    metadata,
    Column("seq", WideInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("station_id", Text),
    Column("reservation_id", Integer),
    Column("at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),
    sqlite_autoincrement=True,
)

audit: Final = Table(
    "audit",
    metadata,
    Column("seq", WideInteger, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("station_id", Text),
    Column("detail", Text, nullable=False),
    Column("address", Text),
    Index("idx_audit_at", "at"),
)

#: ``station_id`` is empty where nobody knows which station it was.
security_events: Final = Table(
    "security_events",
    metadata,
    Column("number", WideInteger, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime),
    Column("tech_info", Text),
    Column("remote", Text),
    Column("count", Integer, nullable=False),
    Index("idx_security_events_station", "station_id", "number"),
    Index("idx_security_events_at", "at"),
    sqlite_autoincrement=True,
)

webhooks: Final = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("station_id", Text),
    Column("id_token", Text),
    Column("id_token_type", Text),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    Column("old_secret_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("after_seq", WideInteger, nullable=False),
    Column("disabled_at", UtcDateTime),
    sqlite_autoincrement=True,
)

#: ``next_at`` is there for the first that is not through of each subject only: the others wait for it.
deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("number", WideInteger, primary_key=True),
    Column("webhook_id", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("last_status", Integer),
    Column("last_error", Text),
    # Set when another one has come to wait behind it: whoever ends it meanwhile collides, and sees that one.
    Column("is_followed", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("webhook_id", "message_id"),
    Index("idx_deliveries_of", "webhook_id", "number"),
    _partial("idx_deliveries_next", "webhook_id", "next_at", where="next_at IS NOT NULL"),
    _partial("idx_deliveries_subject", "subject", "webhook_id", "number", where="state = 'pending'"),
    _partial("idx_deliveries_dead", "webhook_id", "number", where="state = 'dead'"),
    _partial("idx_deliveries_ended", "ended_at", where="ended_at IS NOT NULL"),
    sqlite_autoincrement=True,
)

#: Named positions in the outbox: how far a reader has come, and up to where old events were pruned.
cursors: Final = Table(
    "cursors", metadata, Column("name", Text, primary_key=True), Column("seq", WideInteger, nullable=False)
)

#: The nodes of a cluster. A lease that is not renewed ends the node: it is buried, and its row goes when all is settled.
nodes: Final = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("buried", Boolean, nullable=False),
    # Of the program, and the newest of the ``post`` revisions that it can live with.
    Column("version", Text, nullable=False, server_default="unknown"),
    Column("post", Text, nullable=False, server_default="0000"),
)

#: Which node has a station's socket, and by which of its connections; whoever has no row here writes nothing for it.
owners: Final = Table(
    "owners",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("node", Text, nullable=False, index=True),
    Column("epoch", Integer, nullable=False),
)

#: What the CSMS signs with.
secrets: Final = Table(
    "secrets", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False)
)

#: Numbers that are given once. On PostgreSQL a sequence gives the reservation ids, and its row says that it was begun.
sequences: Final = Table(
    "sequences", metadata, Column("name", Text, primary_key=True), Column("value", Integer, nullable=False)
)


def names_of(table: Table, *, leave_out: str = "") -> tuple[str, ...]:
    """The names of its columns, but for one."""
    return tuple(one.name for one in table.columns if one.name != leave_out)
