"""What the registry keeps, as the cloud speaks of it. Times are milliseconds since the Unix epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.domain.gaps import KnownGap
from lentera_cloud.domain.roles import Role
from lentera_model.commands import Execution


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A person's or a program's token; only the SHA-256 of its secret is kept."""

    token_id: str
    tenant: str
    role: Role
    label: str
    secret_sha256: bytes
    created_at_ms: int
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A registered gateway; ``public_key`` is the raw 32 bytes of its Ed25519 key.

    Gateway ids are unique over all tenants, because a link is opened with nothing but the id and a signature.
    """

    tenant: str
    gateway_id: str
    name: str
    public_key: bytes
    created_at_ms: int
    revoked_at_ms: int | None = None
    last_seen_at_ms: int | None = None
    agent_version: str | None = None
    journal_waiting: int | None = None
    journal_bytes: int | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device a gateway has declared. ``gateway_id`` is the path to it, not part of its identity.

    ``contested_by`` names another gateway that declared the same device since; a person has to decide.
    ``declared`` is False once its gateway no longer lists it (its history stays).
    """

    tenant: str
    device_id: str
    name: str
    kind: str
    profile: str
    gateway_id: str
    bus: str
    address: str
    declared_at_ms: int
    declared: bool = True
    contested_by: str | None = None
    online: bool | None = None
    online_reason: str | None = None
    online_changed_at_ms: int | None = None
    commanded_percent: float | None = None
    commanded_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CommandRow:
    """What was asked: the executions carry what became of it, one a device."""

    tenant: str
    command_id: str
    name: str
    args: Mapping[str, float]
    created_at_ms: int
    created_by: str
    idempotency_key: str | None = None
    body_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command with its executions in device order; ``replayed`` when an idempotency key found an earlier one."""

    command: CommandRow
    executions: tuple[Execution, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class LinkRow:
    """The link of a gateway: which replica of the cloud holds it. ``claim`` tells it from every other link."""

    tenant: str
    gateway_id: str
    replica: str
    claim: str
    opened_at_ms: int
    heard_at_ms: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a replica learns when it renews its lease.

    ``lost`` are the claims that another link of the same gateway has taken the place of; ``alone`` says that no other
    replica holds a lease.
    """

    lost: frozenset[str]
    alone: bool


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """How many readings of a device a gateway sent that were refused for one reason, and when last."""

    gateway_id: str
    device_id: str
    code: str
    text: str
    readings: int
    last_at_ms: int


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A value that differed from the stored one, and when it came (the first time, if it came again)."""

    conflict: Conflict
    noted_at_ms: int


@dataclass(frozen=True, slots=True)
class ConflictQuery:
    """Which conflicts: ``from_ms`` is included, ``to_ms`` is not; None asks for all devices or quantities."""

    from_ms: int
    to_ms: int
    device: str | None = None
    quantity: str | None = None
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class GapRow:
    """A known gap, and when it was noted."""

    gap: KnownGap
    noted_at_ms: int


@dataclass(frozen=True, slots=True)
class GapQuery:
    """Which gaps: those that end at or after ``from_ms`` and begin before ``to_ms``; None asks for all gateways."""

    from_ms: int
    to_ms: int
    gateway: str | None = None
    limit: int = 500
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GapCount:
    """How many gaps a gateway has had for a reason, and how long they are together."""

    gateway: str
    reason: str
    number: int
    length_ms: int


@dataclass(frozen=True, slots=True)
class ConflictCount:
    """How many different values are kept beside the stored ones of a device's quantity."""

    device: str
    quantity: str
    values: int


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How an operator wants a gateway to deliver; None and 0 leave it to the gateway's own file."""

    mode: Literal["live", "economy"] | None = None
    rate_bytes_s: int = 0
    quota_bytes: int = 0
    month_day: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """How a gateway delivers: what is set, until when somebody watches it, and what it last told of its month."""

    tenant: str
    gateway_id: str
    mode: Literal["live", "economy"] | None = None
    rate_bytes_s: int = 0
    quota_bytes: int = 0
    month_day: int = 0
    watched_until_ms: int = 0
    month_bytes: int = 0
    detail_s: int = 0
