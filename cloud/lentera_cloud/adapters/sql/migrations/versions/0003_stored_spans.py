"""The times of each device that may hold readings already, so that a second value for one of them is noticed."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AHEAD_MS = 300_000  # how far ahead of the clock readings are taken, unless the settings say otherwise
_EARLIER = """
INSERT INTO stored_span (tenant, device_id, epoch, from_ms, to_ms, changed_at_ms)
SELECT tenant, device_id, 0, 0, :until, :now FROM device
"""


def upgrade() -> None:
    """Add the table; of the devices that are there all the past counts as stored, for nobody noted what is."""
    op.create_table(
        "stored_span",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "device_id", "epoch", "from_ms", name=op.f("pk_stored_span")),
    )
    now_ms = time.time_ns() // 1_000_000
    op.get_bind().execute(sa.text(_EARLIER), {"until": now_ms + _AHEAD_MS, "now": now_ms})


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("stored_span")
