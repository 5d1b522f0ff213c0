"""A lamp's commanded level follows from the executions that may have reached it, no longer from what was asked for."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_REACHED = """
UPDATE execution SET reached = :yes
WHERE state IN ('accepted', 'running', 'succeeded', 'unproved') OR (state = 'failed' AND reason NOT IN
('device_offline', 'device_unknown', 'invalid_arguments', 'not_supported', 'superseded'))
"""
_LAST = """
SELECT tenant, device, args, created_at_ms FROM execution AS one WHERE reached AND name = 'set_level' AND sequence =
(SELECT max(sequence) FROM execution AS other WHERE other.tenant = one.tenant AND other.device = one.device
AND other.reached AND other.name = 'set_level')
"""
_SET = """
UPDATE device SET commanded_percent = :level, commanded_at_ms = :at WHERE tenant = :tenant AND device_id = :device
"""


def upgrade() -> None:
    """Add the mark and its index, then work the levels out again from the executions that are there."""
    op.add_column("execution", sa.Column("reached", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_execution_of_device", "execution", ["tenant", "device", "sequence"], unique=False)
    connection = op.get_bind()
    connection.execute(sa.text(_REACHED), {"yes": True})
    connection.execute(sa.text("UPDATE device SET commanded_percent = NULL, commanded_at_ms = NULL"))
    for row in connection.execute(sa.text(_LAST)).all():
        level = json.loads(row.args)["level_percent"]
        new = {"level": level, "at": row.created_at_ms, "tenant": row.tenant, "device": row.device}
        connection.execute(sa.text(_SET), new)


def downgrade() -> None:
    """Drop the mark; the levels stay as they are."""
    op.drop_index("ix_execution_of_device", table_name="execution")
    op.drop_column("execution", "reached")
