"""Nodes with their leases, and which station is whose."""

import sqlalchemy as sa
from alembic import op

from evhold.adapters.sql.types import Text, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables are there."""
    op.create_table(
        "nodes",
        sa.Column("id", Text, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("buried", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
    )
    op.create_table(
        "owners",
        sa.Column("station_id", Text, nullable=False),
        sa.Column("node", Text, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_owners")),
    )
    op.create_index("idx_owners_node", "owners", ["node"], unique=False)
