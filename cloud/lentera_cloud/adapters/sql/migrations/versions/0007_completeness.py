"""Paces with their history, the gateways' hourly tallies, and what waits in their journals."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "device_pace",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("paces", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "device_id", "valid_from_ms", name=op.f("pk_device_pace")),
    )
    op.create_table(
        "read_tally",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "gateway_id", "hour_ms", "epoch", "number", name=op.f("pk_read_tally")),
    )
    op.create_table(
        "gateway_backlog",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("oldest_ms", sa.BigInteger(), nullable=True),
        sa.Column("told_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "gateway_id", name=op.f("pk_gateway_backlog")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("gateway_backlog")
    op.drop_table("read_tally")
    op.drop_table("device_pace")
