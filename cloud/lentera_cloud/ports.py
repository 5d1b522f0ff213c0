"""What the cloud needs from the outside world: a store of series, a registry of things and people, and a clock.

Every port here has one contract test which every adapter must pass, on real servers too. Times are integer
milliseconds since the Unix epoch, UTC (``*_ms``). Every method takes the tenant first, except the look-ups that
establish who is speaking (an API token or a gateway's key) and the jobs of the background worker.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lentera_cloud.domain.receipts import IntervalSet
from lentera_cloud.domain.roles import Role
from lentera_model.batch import BatchKey
from lentera_model.commands import Execution
from lentera_model.errors import LenteraError
from lentera_model.readings import Quality, Reading

# --------------------------------------------------------------------------------------------------------- errors


class StoreError(LenteraError):
    """Something a store could not do; see the subclasses."""

    code = "store_error"


class StoreUnavailableError(StoreError):
    """The store cannot be reached or cannot write now (down, disk full, timed out): try the same again later."""

    code = "store_unavailable"


class StoreRefusedError(StoreError):
    """The store is well but refuses this content: the same again will be refused again; the caller bisects."""

    code = "store_refused"


class AlreadyExistsError(StoreError):
    """A row with this identifier exists already."""

    code = "already_exists"


class IdempotencyConflictError(StoreError):
    """The idempotency key was used before with a different body."""

    code = "idempotency_key_reused"


# --------------------------------------------------------------------------------------------------- time series

Aggregate = Literal["mean", "min", "max", "last"]


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The newest stored value of one quantity of one device, in the quantity's SI unit."""

    value: float
    at_ms: int
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A question to a series store about one device.

    ``from_ms`` is included, ``to_ms`` is not. ``quantities`` names what to answer, in that order. With ``every_ms``
    the time is cut into windows that are multiples of ``every_ms`` since the epoch (UTC), each answered by
    ``aggregate`` (``mean`` where it is None); the point carries the window's start. Without it every stored row in
    the range is a point. ``limit`` bounds the points; the result says whether there were more.
    """

    device: str
    quantities: tuple[str, ...]
    from_ms: int
    to_ms: int
    every_ms: int | None = None
    aggregate: Aggregate | None = None
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One moment (or window start): a value for each asked quantity, None where none is stored; the worst quality."""

    at_ms: int
    values: dict[str, float | None]
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The points in time order; ``truncated`` when the limit cut some off (the newest ones)."""

    points: list[SeriesPoint]
    truncated: bool = False


class TimeSeries(Protocol):
    """A store of readings. A series belongs to (tenant, device, quantity); the gateway is no part of it.

    Every method raises :class:`StoreUnavailableError` when the store cannot be reached.
    """

    async def start(self) -> None:
        """Connect and prepare (create files, schema, buckets). May be called again after it failed."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of every file, thread and socket; may be called twice."""
        ...

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        """Store all readings or none, and return only when they are durable.

        Idempotent: the same (device, quantity, at_ms) again leaves one value. Raises
        :class:`StoreUnavailableError` (retry the same later) or :class:`StoreRefusedError` (content; bisect).
        """
        ...

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """Return the newest value of each quantity of each device; a device without any is absent."""
        ...

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """Answer one question about one device."""
        ...

    async def count(self, tenant: str, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
        """Return how many values of each quantity are stored from ``from_ms`` (included) to ``to_ms`` (not)."""
        ...

    def raw(self, tenant: str, device: str, from_ms: int, to_ms: int) -> AsyncIterator[Reading]:
        """Yield every stored row of a device in time order (exports and the ledger check use it).

        The profile of a yielded reading may be empty where a store does not keep it.
        """
        ...

    async def maintain(self, now_ms: int) -> None:
        """Do the store's housekeeping for the time up to ``now_ms`` (SQLite compacts closed hours)."""
        ...


# ------------------------------------------------------------------------------------------------------ registry


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
class RefusalCount:
    """How many readings of a device a gateway sent that were refused for one reason, and when last."""

    gateway_id: str
    device_id: str
    code: str
    text: str
    readings: int
    last_at_ms: int


class Tenants(Protocol):
    """Tenants and the tokens of their people."""

    async def create_tenant(self, tenant: str, name: str, now_ms: int) -> bool:
        """Create a tenant; False when it exists already (nothing is changed then)."""
        ...

    async def add_token(self, token: ApiToken) -> None:
        """Store a token. Raises :class:`AlreadyExistsError` when its id is taken."""
        ...

    async def token_by_id(self, token_id: str) -> ApiToken | None:
        """Identity look-up: the token of that id whatever its tenant, revoked and expired ones included."""
        ...

    async def list_tokens(self, tenant: str) -> list[ApiToken]:
        """Every token of a tenant, oldest first."""
        ...

    async def revoke_token(self, tenant: str, token_id: str, now_ms: int) -> bool:
        """Make a token useless from now on; False when the tenant has no such token."""
        ...


class Gateways(Protocol):
    """Gateways and what they last told of themselves."""

    async def add(self, gateway: GatewayRow) -> None:
        """Register a gateway. Raises :class:`AlreadyExistsError` when the id is taken, by whichever tenant."""
        ...

    async def by_id(self, gateway_id: str) -> GatewayRow | None:
        """Identity look-up: the gateway of that id whatever its tenant, revoked ones included."""
        ...

    async def get(self, tenant: str, gateway_id: str) -> GatewayRow | None:
        """The tenant's gateway of that id."""
        ...

    async def of_tenant(self, tenant: str) -> list[GatewayRow]:
        """Every gateway of the tenant in order of id."""
        ...

    async def revoke(self, tenant: str, gateway_id: str, now_ms: int) -> bool:
        """Refuse this gateway from now on; False when the tenant has no such gateway."""
        ...

    async def seen(
        self,
        tenant: str,
        gateway_id: str,
        now_ms: int,
        *,
        agent_version: str | None = None,
        journal_waiting: int | None = None,
        journal_bytes: int | None = None,
        mode: str | None = None,
    ) -> None:
        """Note that the gateway spoke now; what is None stays as it was."""
        ...


class Devices(Protocol):
    """Devices as their gateways declare them."""

    async def get(self, tenant: str, device_id: str) -> DeviceRow | None:
        """The tenant's device of that id."""
        ...

    async def get_many(self, tenant: str, device_ids: Iterable[str]) -> dict[str, DeviceRow]:
        """Those of the named devices which the tenant has."""
        ...

    async def of_tenant(self, tenant: str, kind: str | None = None, gateway_id: str | None = None) -> list[DeviceRow]:
        """The tenant's devices in order of id, of one kind or one gateway where asked."""
        ...

    async def upsert(self, tenant: str, rows: Sequence[DeviceRow]) -> None:
        """Write what a gateway declares of devices (name, kind, profile, path, flags), in one transaction.

        The device's state (online, commanded level) is not touched where the row exists.
        """
        ...

    async def set_status(self, tenant: str, device_id: str, online: bool, reason: str, now_ms: int) -> bool:
        """Note whether the device answers its gateway; False when the tenant has no such device."""
        ...

    async def move(self, tenant: str, device_id: str, gateway_id: str) -> bool:
        """Give a device to another gateway by a person's decision and clear the flag; False when unknown."""
        ...


class Commands(Protocol):
    """Commands and their executions."""

    async def create(
        self, tenant: str, command: CommandRow, executions: Sequence[Execution], keep_key_ms: int
    ) -> CommandRecord:
        """Store a command with its executions in one transaction; each gets its device's next sequence number.

        The level that a ``set_level`` asks for becomes the device's commanded level.

        With an idempotency key used in the last ``keep_key_ms``: the same body gives back the earlier command
        (``replayed``), another body raises :class:`IdempotencyConflictError`.
        """
        ...

    async def get(self, tenant: str, command_id: str) -> CommandRecord | None:
        """The tenant's command of that id."""
        ...

    async def newest(self, tenant: str, limit: int) -> list[CommandRecord]:
        """The newest commands of the tenant, newest first."""
        ...

    async def execution(self, tenant: str, execution_id: str) -> Execution | None:
        """The tenant's execution of that id."""
        ...

    async def save(self, tenant: str, before: Execution, after: Execution) -> bool:
        """Replace ``before`` by ``after``; False when somebody changed it meanwhile (read again and step again)."""
        ...

    async def live_of_gateway(self, tenant: str, gateway_id: str) -> list[Execution]:
        """Every execution of the gateway's devices that is not final, in order of sequence."""
        ...

    async def due(self, now_ms: int, limit: int) -> list[Execution]:
        """Worker: executions of any tenant whose expiry or step deadline has passed, the longest overdue first."""
        ...


class Receipts(Protocol):
    """Which batches are stored, and which readings were refused."""

    async def stored(self, tenant: str, gateway_id: str, epoch: int) -> IntervalSet:
        """The sequence numbers of that boot epoch which are stored."""
        ...

    async def add(self, tenant: str, keys: Iterable[BatchKey], now_ms: int) -> None:
        """Note in one transaction that these batches are stored; neighbours are merged. Repeats are no error."""
        ...

    async def note_refusals(self, tenant: str, refusals: Sequence[RefusalCount]) -> None:
        """Add to the counts of refused readings."""
        ...

    async def refusals(self, tenant: str, gateway_id: str | None = None) -> list[RefusalCount]:
        """The counts of refused readings, the newest first."""
        ...

    async def tidy(self, older_than_ms: int) -> int:
        """Worker: forget epochs without a new receipt since then; return how many ranges went."""
        ...


class Jobs(Protocol):
    """Leases, so that one of several workers does a background job."""

    async def acquire(self, job: str, holder: str, now_ms: int, lease_ms: int) -> bool:
        """Take or renew the lease of a job; False while somebody else holds it."""
        ...

    async def release(self, job: str, holder: str) -> None:
        """Give the lease back if it is ours."""
        ...


class Registry(Protocol):
    """The registry: small repositories on one database.

    Every method of every repository raises :class:`StoreUnavailableError` when the database cannot be reached.
    """

    @property
    def tenants(self) -> Tenants: ...  # noqa: D102 - the type says it

    @property
    def gateways(self) -> Gateways: ...  # noqa: D102

    @property
    def devices(self) -> Devices: ...  # noqa: D102

    @property
    def commands(self) -> Commands: ...  # noqa: D102

    @property
    def receipts(self) -> Receipts: ...  # noqa: D102

    @property
    def jobs(self) -> Jobs: ...  # noqa: D102

    async def start(self) -> None:
        """Connect and bring the schema up to date. May be called again after it failed."""
        ...

    async def close(self) -> None:
        """Let go of every connection; may be called twice."""
        ...

    async def ping(self) -> None:
        """Raise :class:`StoreUnavailableError` when the database does not answer."""
        ...


# --------------------------------------------------------------------------------------------------------- clock


class Clock(Protocol):
    """Where "now" comes from."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        ...
