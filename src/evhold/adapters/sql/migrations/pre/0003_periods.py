"""What was made, and what was changed, in a period is found by an index."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Reservations by the time of their making and of their last change."""
    op.create_index("idx_reservations_created", "reservations", ["created_at"], unique=False)
    op.create_index("idx_reservations_updated", "reservations", ["updated_at"], unique=False)
