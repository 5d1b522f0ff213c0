"""Replicas of the cloud with their leases, and which of them holds which gateway's link."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "replica",
        sa.Column("replica", sa.String(length=64), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("replica", name=op.f("pk_replica")),
    )
    op.create_table(
        "gateway_link",
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("replica", sa.String(length=64), nullable=False),
        sa.Column("claim", sa.String(length=64), nullable=False),
        sa.Column("opened_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("heard_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", name=op.f("pk_gateway_link")),
    )
    op.create_index(op.f("ix_gateway_link_tenant"), "gateway_link", ["tenant"], unique=False)
    op.create_index(op.f("ix_gateway_link_replica"), "gateway_link", ["replica"], unique=False)


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("gateway_link")
    op.drop_table("replica")
