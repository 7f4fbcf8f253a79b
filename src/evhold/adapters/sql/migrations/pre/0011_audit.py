"""The audit tells from which address somebody called, and is found by time."""

import sqlalchemy as sa
from alembic import op

from evhold.adapters.sql.types import Text

revision = "0011"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Older rows have no address."""
    op.add_column("audit", sa.Column("address", Text, nullable=True))
    op.create_index("idx_audit_at", "audit", ["at"], unique=False)
