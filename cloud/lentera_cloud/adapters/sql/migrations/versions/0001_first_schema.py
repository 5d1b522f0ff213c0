"""The registry's first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "command",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("command_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("body_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "command_id", name=op.f("pk_command")),
    )
    op.create_index("uq_command_idempotency_key", "command", ["tenant", "idempotency_key"], unique=True)
    op.create_table(
        "job_lease",
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_job_lease")),
    )
    op.create_table(
        "receipt_range",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "gateway_id", "epoch", "first", name=op.f("pk_receipt_range")),
    )
    op.create_table(
        "refusal",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "gateway_id", "device_id", "code", name=op.f("pk_refusal")),
    )
    op.create_table(
        "tenant",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tenant")),
    )
    op.create_table(
        "api_token",
        sa.Column("token_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.tenant"], name=op.f("fk_api_token_tenant")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_api_token")),
    )
    op.create_table(
        "gateway",
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("agent_version", sa.Text(), nullable=True),
        sa.Column("journal_waiting", sa.BigInteger(), nullable=True),
        sa.Column("journal_bytes", sa.BigInteger(), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.tenant"], name=op.f("fk_gateway_tenant")),
        sa.PrimaryKeyConstraint("gateway_id", name=op.f("pk_gateway")),
    )
    op.create_index(op.f("ix_gateway_tenant_gateway_gateway_id"), "gateway", ["tenant", "gateway_id"], unique=False)
    op.create_table(
        "device",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("bus", sa.String(length=64), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("declared_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("contested_by", sa.String(length=64), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=True),
        sa.Column("online_reason", sa.Text(), nullable=True),
        sa.Column("online_changed_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("commanded_percent", sa.Float(), nullable=True),
        sa.Column("commanded_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.gateway_id"], name=op.f("fk_device_gateway_id")),
        sa.PrimaryKeyConstraint("tenant", "device_id", name=op.f("pk_device")),
    )
    op.create_index(op.f("ix_device_gateway_id"), "device", ["gateway_id"], unique=False)
    op.create_table(
        "execution",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("execution_id", sa.String(length=64), nullable=False),
        sa.Column("command_id", sa.String(length=64), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("timeout_ms", sa.BigInteger(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step_deadline_ms", sa.BigInteger(), nullable=True),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("reason_text", sa.Text(), nullable=True),
        sa.Column("confirmed_by", sa.String(length=16), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant", "command_id"],
            ["command.tenant", "command.command_id"],
            name=op.f("fk_execution_tenant_command_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "device"], ["device.tenant", "device.device_id"], name=op.f("fk_execution_tenant_device")
        ),
        sa.PrimaryKeyConstraint("tenant", "execution_id", name=op.f("pk_execution")),
    )
    op.create_index("ix_execution_due", "execution", ["due_at_ms"], unique=False)
    op.create_index(
        "ix_execution_live",
        "execution",
        ["tenant", "gateway", "sequence"],
        unique=False,
        postgresql_where=sa.text("due_at_ms IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_execution_tenant_execution_command_id"), "execution", ["tenant", "command_id"], unique=False
    )


def downgrade() -> None:
    """Drop every table, the dependent ones first."""
    for table in (
        "execution",
        "device",
        "gateway",
        "api_token",
        "tenant",
        "refusal",
        "receipt_range",
        "job_lease",
        "command",
    ):
        op.drop_table(table)
