"""Up to when a gateway has itself brought readings: a power cut of another one is not narrowed by them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was noted before says nothing."""
    op.add_column("receipt_range", sa.Column("newest_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("receipt_range", "newest_ms")
