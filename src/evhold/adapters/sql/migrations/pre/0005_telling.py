"""Those who wait are told: webhooks, their deliveries, addresses of drivers, and that an expiry is near."""

import sqlalchemy as sa
from alembic import op

from evhold.adapters.sql.types import Text, UtcDateTime, WideInteger

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tables, columns and indexes are there; what is live already will be told of, too."""
    op.add_column("tokens", sa.Column("notify", Text, nullable=True))
    op.add_column("reservations", sa.Column("remind_at", UtcDateTime(), nullable=True))
    _partial("idx_reservations_remind", "reservations", ["remind_at"], where="remind_at IS NOT NULL")
    op.execute("UPDATE reservations SET remind_at = expiry_date_time WHERE status = 'Active'")
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("url", Text, nullable=False),
        sa.Column("events", Text, nullable=False),
        sa.Column("station_id", Text, nullable=True),
        sa.Column("id_token", Text, nullable=True),
        sa.Column("id_token_type", Text, nullable=True),
        sa.Column("secret", Text, nullable=False),
        sa.Column("old_secret", Text, nullable=True),
        sa.Column("old_secret_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("after_seq", WideInteger, nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("number", WideInteger, nullable=False),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("message_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("subject", Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", Text, nullable=True),
        sa.Column("is_followed", sa.Boolean(), nullable=False),
        sa.Column("body", Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("webhook_id", "message_id", name=op.f("uq_deliveries_webhook_id_message_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("idx_deliveries_of", "deliveries", ["webhook_id", "number"], unique=False)
    _partial("idx_deliveries_next", "deliveries", ["webhook_id", "next_at"], where="next_at IS NOT NULL")
    _partial("idx_deliveries_subject", "deliveries", ["subject", "webhook_id", "number"], where="state = 'pending'")
    _partial("idx_deliveries_dead", "deliveries", ["webhook_id", "number"], where="state = 'dead'")
    _partial("idx_deliveries_ended", "deliveries", ["ended_at"], where="ended_at IS NOT NULL")


def _partial(name: str, table: str, columns: list[str], *, where: str) -> None:
    rule = sa.text(where)
    op.create_index(name, table, columns, unique=False, sqlite_where=rule, postgresql_where=rule)
