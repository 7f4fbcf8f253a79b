"""Security events are kept, and a station may have a new password beside the old one."""

import sqlalchemy as sa
from alembic import op

from evhold.adapters.sql.types import Text, UtcDateTime, WideInteger

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table and the columns are there, and empty."""
    op.add_column("stations", sa.Column("next_salt", sa.LargeBinary(), nullable=True))
    op.add_column("stations", sa.Column("next_hash", sa.LargeBinary(), nullable=True))
    op.create_table(
        "security_events",
        sa.Column("number", WideInteger, nullable=False),
        sa.Column("station_id", Text, nullable=False),
        sa.Column("type", Text, nullable=False),
        sa.Column("origin", Text, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=True),
        sa.Column("tech_info", Text, nullable=True),
        sa.Column("remote", Text, nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_security_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("idx_security_events_station", "security_events", ["station_id", "number"], unique=False)
    op.create_index("idx_security_events_at", "security_events", ["at"], unique=False)
