"""Known gaps: times in which values may be missing, as the gateways told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index by time over all gateways of a tenant."""
    op.create_table(
        "known_gap",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("told_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("devices", sa.Text(), nullable=False),
        sa.Column("detail_s", sa.BigInteger(), nullable=False),
        sa.Column("lost_values", sa.BigInteger(), nullable=False),
        sa.Column("uncertainty_ms", sa.BigInteger(), nullable=False),
        sa.Column("noted_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "gateway_id", "epoch", "number", name=op.f("pk_known_gap")),
    )
    op.create_index("ix_known_gap_to", "known_gap", ["tenant", "to_ms"], unique=False)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("known_gap")
