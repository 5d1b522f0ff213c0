"""The registry's tables. Times are BIGINT milliseconds since the epoch; a row of a tenant's begins with its name."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

ID_LENGTH = 64

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, String(ID_LENGTH), primary_key=primary_key, nullable=nullable)


tenant = Table(
    "tenant",
    metadata,
    _id("tenant", primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

api_token = Table(
    "api_token",
    metadata,
    _id("token_id", primary_key=True),
    _id("tenant"),
    Column("role", String(16), nullable=False),
    Column("label", Text, nullable=False),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
    ForeignKeyConstraint(["tenant"], ["tenant.tenant"]),
)

gateway = Table(
    "gateway",
    metadata,
    _id("gateway_id", primary_key=True),
    _id("tenant"),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("last_seen_at_ms", BigInteger),
    Column("agent_version", Text),
    Column("journal_waiting", BigInteger),
    Column("journal_bytes", BigInteger),
    Column("mode", String(16)),
    ForeignKeyConstraint(["tenant"], ["tenant.tenant"]),
    Index(None, "tenant", "gateway_id"),
)

device = Table(
    "device",
    metadata,
    _id("tenant", primary_key=True),
    _id("device_id", primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("profile", String(ID_LENGTH), nullable=False),
    _id("gateway_id"),
    Column("bus", String(ID_LENGTH), nullable=False),
    Column("address", Text, nullable=False),
    Column("declared_at_ms", BigInteger, nullable=False),
    Column("declared", Boolean, nullable=False),
    _id("contested_by", nullable=True),
    Column("online", Boolean),
    Column("online_reason", Text),
    Column("online_changed_at_ms", BigInteger),
    Column("commanded_percent", Float),
    Column("commanded_at_ms", BigInteger),
    Column("last_sequence", BigInteger, nullable=False, server_default="0"),
    ForeignKeyConstraint(["gateway_id"], ["gateway.gateway_id"]),
    Index(None, "gateway_id"),
)

command = Table(
    "command",
    metadata,
    _id("tenant", primary_key=True),
    _id("command_id", primary_key=True),
    Column("name", String(ID_LENGTH), nullable=False),
    Column("args", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("idempotency_key", String(255)),
    Column("body_sha256", LargeBinary(32)),
    Index("uq_command_idempotency_key", "tenant", "idempotency_key", unique=True),
)

execution = Table(
    "execution",
    metadata,
    _id("tenant", primary_key=True),
    _id("execution_id", primary_key=True),
    _id("command_id"),
    _id("gateway"),
    _id("device"),
    Column("name", String(ID_LENGTH), nullable=False),
    Column("args", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("timeout_ms", BigInteger, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("step_deadline_ms", BigInteger),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("reason", String(32)),
    Column("reason_text", Text),
    Column("confirmed_by", String(16)),
    Column("result", Text),
    # What the worker looks for: the earliest time at which something must happen; NULL once final.
    Column("due_at_ms", BigInteger),
    # Whether it may have changed its lamp; the newest such tells the lamp's commanded level.
    Column("reached", Boolean, nullable=False, server_default=false()),
    ForeignKeyConstraint(["tenant", "command_id"], ["command.tenant", "command.command_id"]),
    ForeignKeyConstraint(["tenant", "device"], ["device.tenant", "device.device_id"]),
    Index(None, "tenant", "command_id"),
    Index("ix_execution_live", "tenant", "gateway", "sequence", postgresql_where=text("due_at_ms IS NOT NULL")),
    Index("ix_execution_due", "due_at_ms"),
    Index("ix_execution_of_device", "tenant", "device", "sequence"),
)

receipt_range = Table(
    "receipt_range",
    metadata,
    _id("tenant", primary_key=True),
    _id("gateway_id", primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    # Of the newest reading stored of these batches; NULL where only an older version noted any.
    Column("newest_ms", BigInteger),
)

stored_span = Table(
    "stored_span",
    metadata,
    _id("tenant", primary_key=True),
    _id("device_id", primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("from_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
)

conflicting_value = Table(
    "conflicting_value",
    metadata,
    _id("tenant", primary_key=True),
    _id("device_id", primary_key=True),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    _id("quantity", primary_key=True),
    Column("other_value", Double, primary_key=True),
    Column("stored_value", Double, nullable=False),
    _id("gateway_id"),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("noted_at_ms", BigInteger, nullable=False),
    Index("ix_conflicting_value_at", "tenant", "at_ms"),
)

known_gap = Table(
    "known_gap",
    metadata,
    _id("tenant", primary_key=True),
    _id("gateway_id", primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _id("reason"),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("told_from_ms", BigInteger, nullable=False),
    Column("devices", Text, nullable=False),
    Column("detail_s", BigInteger, nullable=False),
    Column("lost_values", BigInteger, nullable=False),
    Column("uncertainty_ms", BigInteger, nullable=False),
    Column("noted_at_ms", BigInteger, nullable=False),
    Index("ix_known_gap_to", "tenant", "to_ms"),
)

device_pace = Table(
    "device_pace",
    metadata,
    _id("tenant", primary_key=True),
    _id("device_id", primary_key=True),
    Column("valid_from_ms", BigInteger, primary_key=True, autoincrement=False),
    _id("gateway_id"),
    Column("paces", Text, nullable=False),
)

read_tally = Table(
    "read_tally",
    metadata,
    _id("tenant", primary_key=True),
    _id("gateway_id", primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("counts", LargeBinary, nullable=False),
)

gateway_backlog = Table(
    "gateway_backlog",
    metadata,
    _id("tenant", primary_key=True),
    _id("gateway_id", primary_key=True),
    Column("waiting", BigInteger, nullable=False),
    Column("oldest_ms", BigInteger),
    Column("told_at_ms", BigInteger, nullable=False),
)

refusal = Table(
    "refusal",
    metadata,
    _id("tenant", primary_key=True),
    _id("gateway_id", primary_key=True),
    Column("device_id", String(ID_LENGTH), primary_key=True),
    Column("code", String(32), primary_key=True),
    Column("text", Text, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("last_at_ms", BigInteger, nullable=False),
)

replica = Table(
    "replica",
    metadata,
    Column("replica", String(ID_LENGTH), primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
)

gateway_link = Table(
    "gateway_link",
    metadata,
    _id("gateway_id", primary_key=True),
    _id("tenant"),
    Column("replica", String(ID_LENGTH), nullable=False),
    Column("claim", String(ID_LENGTH), nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("heard_at_ms", BigInteger, nullable=False),
    Index(None, "tenant"),
    Index(None, "replica"),
)

gateway_delivery = Table(
    "gateway_delivery",
    metadata,
    _id("tenant", primary_key=True),
    _id("gateway_id", primary_key=True),
    Column("mode", String(16)),
    Column("rate_bytes_s", BigInteger, nullable=False),
    Column("quota_bytes", BigInteger, nullable=False),
    Column("month_day", BigInteger, nullable=False),
    Column("watched_until_ms", BigInteger, nullable=False),
    Column("month_bytes", BigInteger, nullable=False),
    Column("detail_s", BigInteger, nullable=False),
)

job_lease = Table(
    "job_lease",
    metadata,
    Column("job", String(ID_LENGTH), primary_key=True),
    Column("holder", String(ID_LENGTH), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)
