"""How operators want each gateway to deliver, who watches it, and what its month has used."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "gateway_delivery",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=True),
        sa.Column("rate_bytes_s", sa.BigInteger(), nullable=False),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=False),
        sa.Column("month_day", sa.BigInteger(), nullable=False),
        sa.Column("watched_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("month_bytes", sa.BigInteger(), nullable=False),
        sa.Column("detail_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "gateway_id", name=op.f("pk_gateway_delivery")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("gateway_delivery")
