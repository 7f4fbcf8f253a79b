"""The first schema."""

import sqlalchemy as sa
from alembic import op

from evhold.adapters.sql.types import POSTGRESQL, Duration, Text, UtcDateTime, WideInteger

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """All tables are there."""
    op.create_table(
        "asks",
        sa.Column("message_id", Text, nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=False),
        sa.Column("station_id", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("terms", Text, nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", Text, nullable=True),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_asks")),
    )
    op.create_index(op.f("idx_asks_reservation_id"), "asks", ["reservation_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("seq", WideInteger, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("who", Text, nullable=False),
        sa.Column("what", Text, nullable=False),
        sa.Column("station_id", Text, nullable=True),
        sa.Column("detail", Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "claims",
        sa.Column("station_id", Text, nullable=False),
        sa.Column("evse_id", WideInteger, nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "evse_id", name=op.f("pk_claims")),
    )
    op.create_index(op.f("idx_claims_reservation_id"), "claims", ["reservation_id"], unique=False)
    op.create_table(
        "connectors",
        sa.Column("station_id", Text, nullable=False),
        sa.Column("evse_id", WideInteger, nullable=False),
        sa.Column("connector_id", WideInteger, nullable=False),
        sa.Column("status", Text, nullable=True),
        sa.Column("type", Text, nullable=True),
        sa.Column("since", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("station_id", "evse_id", "connector_id", name=op.f("pk_connectors")),
    )
    op.create_table(
        "cursors",
        sa.Column("name", Text, nullable=False),
        sa.Column("seq", WideInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "history",
        sa.Column("seq", WideInteger, nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=False),
        sa.Column("from_state", Text, nullable=True),
        sa.Column("to_state", Text, nullable=False),
        sa.Column("fact", Text, nullable=False),
        sa.Column("row_number", sa.Integer(), nullable=False),
        sa.Column("cause", Text, nullable=True),
        sa.Column("caused_by", Text, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("frames", Text, nullable=False),
        sa.Column("anomaly", sa.Boolean(), nullable=False),
        sa.Column("status_info", Text, nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_history")),
    )
    op.create_index(op.f("idx_history_reservation_id"), "history", ["reservation_id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("api_key_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("api_key_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("idx_idempotency_begun_at"), "idempotency", ["begun_at"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("role", Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id_tokens", Text, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_keys_key_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        sa.Column("seq", WideInteger, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("station_id", Text, nullable=True),
        sa.Column("reservation_id", sa.Integer(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("body", Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sequences",
        sa.Column("name", Text, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequences")),
    )
    op.create_table(
        "stations",
        sa.Column("id", Text, nullable=False),
        sa.Column("folded_id", Text, nullable=False),
        sa.Column("registration", Text, nullable=False),
        sa.Column("security_profile", sa.Integer(), nullable=True),
        sa.Column("serial_number", Text, nullable=True),
        sa.Column("restore_after_boot", sa.Boolean(), nullable=False),
        sa.Column("location_name", Text, nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("password_salt", sa.LargeBinary(), nullable=True),
        sa.Column("password_hash", sa.LargeBinary(), nullable=True),
        sa.Column("vendor_name", Text, nullable=True),
        sa.Column("model", Text, nullable=True),
        sa.Column("firmware_version", Text, nullable=True),
        sa.Column("reported_serial_number", Text, nullable=True),
        sa.Column("ocpp_version", Text, nullable=True),
        sa.Column("boot_status", Text, nullable=True),
        sa.Column("booted_at", UtcDateTime(), nullable=True),
        sa.Column("last_seen", UtcDateTime(), nullable=True),
        sa.Column("available", sa.Boolean(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("non_evse_specific", sa.Boolean(), nullable=True),
        sa.Column("ev_connection_timeout", Duration(), nullable=True),
        sa.Column("inventory_of", Text, nullable=True),
        sa.Column("clock_offset", Duration(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stations")),
        sa.UniqueConstraint("folded_id", name=op.f("uq_stations_folded_id")),
    )
    op.create_table(
        "tokens",
        sa.Column("key", Text, nullable=False),
        sa.Column("id_token", Text, nullable=False),
        sa.Column("type", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("group_id_token", Text, nullable=True),
        sa.Column("group_id_token_type", Text, nullable=True),
        sa.Column("cache_expiry", UtcDateTime(), nullable=True),
        sa.Column("personal_message", Text, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_tokens")),
    )
    op.create_table(
        "transactions",
        sa.Column("station_id", Text, nullable=False),
        sa.Column("transaction_id", Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("evse_id", WideInteger, nullable=True),
        sa.Column("connector_id", WideInteger, nullable=True),
        sa.Column("reservation_id", WideInteger, nullable=True),
        sa.Column("id_token", Text, nullable=True),
        sa.Column("id_token_type", Text, nullable=True),
        sa.Column("token_accepted", sa.Boolean(), nullable=False),
        sa.Column("ever_charged", sa.Boolean(), nullable=False),
        sa.Column("remote_start_id", WideInteger, nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("last_stamp", UtcDateTime(), nullable=True),
        sa.Column("stopped_reason", Text, nullable=True),
        sa.Column("energy_wh", sa.Float(), nullable=True),
        sa.Column("seen", Text, nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "transaction_id", name=op.f("pk_transactions")),
    )
    op.create_index(
        "idx_transactions_open",
        "transactions",
        ["station_id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("idx_transactions_stored", "transactions", ["station_id", "stored_at"], unique=False)
    op.create_table(
        "reservations",
        sa.Column("id", WideInteger, nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=False),
        sa.Column("station_id", Text, nullable=False),
        sa.Column("evse_id", WideInteger, nullable=True),
        sa.Column("connector_type", Text, nullable=True),
        sa.Column("id_token", Text, nullable=False),
        sa.Column("id_token_type", Text, nullable=False),
        sa.Column("group_id_token", Text, nullable=True),
        sa.Column("group_id_token_type", Text, nullable=True),
        sa.Column("expiry_date_time", UtcDateTime(), nullable=False),
        sa.Column("status", Text, server_default="Pending", nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("id_token_folded", Text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ocpp_status", Text, nullable=True),
        sa.Column("cause", Text, nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("transaction_id", Text, nullable=True),
        sa.Column("used_evse_id", WideInteger, nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("cancel_requested_at", UtcDateTime(), nullable=True),
        sa.Column("cancel_sent_at", UtcDateTime(), nullable=True),
        sa.Column("retry_at", UtcDateTime(), nullable=True),
        sa.Column("due", Text, nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("held_until", UtcDateTime(), nullable=False),
        sa.Column("sweep_at", UtcDateTime(), nullable=True),
        sa.Column("ask_message_id", Text, nullable=True),
        sa.Column("more", Text, nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_reservations_station_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sa.UniqueConstraint("reservation_id", "station_id", name=op.f("uq_reservations_reservation_id_station_id")),
        sa.UniqueConstraint("reservation_id", name=op.f("uq_reservations_reservation_id")),
    )
    op.create_index(
        "idx_reservations_ask",
        "reservations",
        ["station_id"],
        unique=False,
        sqlite_where=sa.text("ask_message_id IS NOT NULL"),
        postgresql_where=sa.text("ask_message_id IS NOT NULL"),
    )
    op.create_index(
        "idx_reservations_due",
        "reservations",
        ["station_id", "due_at"],
        unique=False,
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_index(
        "idx_reservations_expiry",
        "reservations",
        ["expiry_date_time"],
        unique=False,
        sqlite_where=sa.text("status IN ('Pending', 'Unconfirmed', 'Active')"),
        postgresql_where=sa.text("status IN ('Pending', 'Unconfirmed', 'Active')"),
    )
    op.create_index("idx_reservations_id_token", "reservations", ["id_token"], unique=False)
    op.create_index("idx_reservations_id_token_folded", "reservations", ["id_token_folded"], unique=False)
    op.create_index("idx_reservations_station", "reservations", ["station_id"], unique=False)
    op.create_index("idx_reservations_station_status", "reservations", ["station_id", "status"], unique=False)
    op.create_index("idx_reservations_status", "reservations", ["status"], unique=False)
    op.create_index(
        "idx_reservations_sweep",
        "reservations",
        ["sweep_at"],
        unique=False,
        sqlite_where=sa.text("sweep_at IS NOT NULL"),
        postgresql_where=sa.text("sweep_at IS NOT NULL"),
    )
    op.create_index(
        "idx_reservations_transaction",
        "reservations",
        ["station_id", "transaction_id"],
        unique=False,
        sqlite_where=sa.text("transaction_id IS NOT NULL"),
        postgresql_where=sa.text("transaction_id IS NOT NULL"),
    )
    if op.get_bind().dialect.name == POSTGRESQL:
        # SQLite has one writer, and counts in its tables.
        op.execute("CREATE SEQUENCE reservation_ids AS integer MAXVALUE 2147483647 NO CYCLE")
        # An event's first number is provisional, downwards from -1; its true one is drawn after the commit.
        op.execute(
            "ALTER SEQUENCE outbox_seq_seq INCREMENT -1 MINVALUE -9223372036854775807 MAXVALUE -1 START -1 RESTART"
        )
        op.execute("CREATE SEQUENCE outbox_numbers AS bigint")
