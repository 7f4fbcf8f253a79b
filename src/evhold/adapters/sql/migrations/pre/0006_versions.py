"""Which version each node is, and the newest post revision that it can live with."""

import sqlalchemy as sa
from alembic import op

from evhold.adapters.sql.types import Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The columns are there; nodes that know nothing of them count as older than every post revision."""
    op.add_column("nodes", sa.Column("version", Text, server_default="unknown", nullable=False))
    op.add_column("nodes", sa.Column("post", Text, server_default="0000", nullable=False))
