"""Values that differ from the stored one of the same device, quantity and time, kept beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index by time over all devices of a tenant."""
    op.create_table(
        "conflicting_value",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.String(length=64), nullable=False),
        sa.Column("other_value", sa.Double(), nullable=False),
        sa.Column("stored_value", sa.Double(), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("noted_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "device_id", "at_ms", "quantity", "other_value", name=op.f("pk_conflicting_value")
        ),
    )
    op.create_index("ix_conflicting_value_at", "conflicting_value", ["tenant", "at_ms"], unique=False)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("conflicting_value")
