"""The port to the registry: small repositories on one database.

Every method takes the tenant first, except the look-ups that establish who is speaking and those of the background
worker. Every one raises :class:`lentera_cloud.ports.StoreUnavailableError` when the database cannot be reached.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.domain.gaps import KnownGap
from lentera_cloud.domain.progress import EpochSummary, ReceiptRange
from lentera_cloud.domain.receipts import IntervalSet
from lentera_cloud.domain.spans import Range, StoredSpan
from lentera_cloud.ports.rows import (
    ApiToken,
    CommandRecord,
    CommandRow,
    ConflictCount,
    ConflictQuery,
    ConflictRow,
    DeliveryRow,
    DeliverySettings,
    DeviceRow,
    GapCount,
    GapQuery,
    GapRow,
    GatewayRow,
    LinkRow,
    RefusalCount,
    Renewal,
)
from lentera_cloud.ports.tallies import Tallies
from lentera_model.batch import BatchKey
from lentera_model.commands import Execution


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
        """Replace ``before`` by ``after``; False when somebody changed it meanwhile (read again and step again).

        In the same transaction the device's commanded level becomes that of its newest ``set_level`` (by sequence)
        which may have reached the lamp (:func:`lentera_cloud.domain.commanded.may_have_reached`).
        """
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

    async def add(
        self, tenant: str, keys: Iterable[BatchKey], now_ms: int, newest: Mapping[BatchKey, int] | None = None
    ) -> None:
        """Note that these batches are stored, and of each its newest reading's time. Repeats are no error."""
        ...

    async def ranges(self, tenant: str, gateway_id: str, epochs: int) -> list[ReceiptRange]:
        """What is stored of a gateway's newest ``epochs`` boot epochs."""
        ...

    async def summary(self, tenant: str, since_ms: int) -> list[EpochSummary]:
        """How far every gateway's batches have come, for each epoch into which something came since then."""
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


class Spans(Protocol):
    """Which times of each device may hold readings already."""

    async def claim(self, tenant: str, spans: Sequence[StoredSpan], now_ms: int) -> dict[str, list[Range]]:
        """Note in one transaction that readings of these spans are about to be stored, before they are.

        Returns the ranges (both ends included) of them that were claimed earlier, by any replica, in any epoch: there
        alone the store may hold values already. A device that meets nothing is absent. Claiming again is no error.
        """
        ...

    async def of_device(self, tenant: str, device_id: str) -> list[StoredSpan]:
        """The spans of a device, the oldest first; each may cover somewhat more than is stored."""
        ...

    async def fold(self, older_than_ms: int) -> int:
        """Worker: of devices with many spans, join those that have not grown since then; return how many rows went."""
        ...


class Conflicts(Protocol):
    """Values that differ from what is stored for the same device, quantity and time."""

    async def add(self, tenant: str, conflicts: Sequence[Conflict], now_ms: int) -> None:
        """Keep these values; one that is kept already stays as it was noted first."""
        ...

    async def find(self, tenant: str, q: ConflictQuery) -> list[ConflictRow]:
        """The tenant's conflicts in the range, those of the newest readings first."""
        ...

    async def counts(self, tenant: str) -> list[ConflictCount]:
        """How many are kept, by device and quantity, in that order."""
        ...


class Links(Protocol):
    """Which replica of the cloud holds which gateway's link, as long as that replica's lease runs."""

    async def take(self, link: LinkRow) -> None:
        """Note that this is the gateway's link now; an older one's row is replaced."""
        ...

    async def release(self, tenant: str, gateway_id: str, claim: str) -> bool:
        """Forget a link that ended; False when another one had taken its place."""
        ...

    async def holder(self, tenant: str, gateway_id: str) -> LinkRow | None:
        """The gateway's link, whether or not its replica's lease still runs."""
        ...

    async def of_tenant(self, tenant: str, now_ms: int) -> list[LinkRow]:
        """The links of the tenant's gateways at replicas whose lease runs."""
        ...

    async def renew(self, replica: str, links: Sequence[LinkRow], now_ms: int, lease_ms: int) -> Renewal:
        """Renew a replica's lease and note when its links were last heard.

        A link without a row (its replica was taken for dead) gets one again, unless its gateway has another by now.
        """
        ...

    async def waiting(self, replica: str) -> list[Execution]:
        """Every queued execution whose gateway's link is at the replica."""
        ...

    async def revoked(self, replica: str) -> list[str]:
        """Ids of revoked gateways that still have a link at the replica."""
        ...

    async def bury(self, before_ms: int) -> list[LinkRow]:
        """Forget replicas whose lease ended before then; return their links, which are gone, to one caller alone."""
        ...

    async def leave(self, replica: str) -> None:
        """Forget a replica that stops in order, and its links."""
        ...


class Gaps(Protocol):
    """Times in which values may be or are missing, as the gateways told."""

    async def add(self, tenant: str, gap: KnownGap, now_ms: int) -> None:
        """Keep a gap; one of the same gateway, epoch and number stays as it was kept first.

        A power cut begins no earlier than what is stored of the gateway proves
        (:func:`lentera_cloud.domain.gaps.sharpened`).
        """
        ...

    async def find(self, tenant: str, q: GapQuery) -> list[GapRow]:
        """The tenant's gaps that touch the range, those that ended last first."""
        ...

    async def of_devices(
        self, tenant: str, devices: Collection[str], from_ms: int, to_ms: int
    ) -> dict[str, list[KnownGap]]:
        """The gaps in the range, of each of these devices, by beginning; one that names none is all its gateway's."""
        ...

    async def counts(self, tenant: str) -> list[GapCount]:
        """How many gaps there are and how long they are together, by gateway and reason, in that order."""
        ...


class Jobs(Protocol):
    """Leases, so that one of several workers does a background job."""

    async def acquire(self, job: str, holder: str, now_ms: int, lease_ms: int) -> bool:
        """Take or renew the lease of a job; False while somebody else holds it."""
        ...

    async def release(self, job: str, holder: str) -> None:
        """Give the lease back if it is ours."""
        ...


class Deliveries(Protocol):
    """How operators want gateways to deliver, and what gateways tell of it."""

    async def get(self, tenant: str, gateway_id: str) -> DeliveryRow:
        """How a gateway delivers; nothing set where nothing was ever said."""
        ...

    async def set(self, tenant: str, gateway_id: str, settings: DeliverySettings) -> None:
        """Keep what an operator set."""
        ...

    async def watch(self, tenant: str, gateway_id: str, until_ms: int) -> None:
        """Note until when somebody watches."""
        ...

    async def set_at(self, replica: str, now_ms: int) -> list[DeliveryRow]:
        """Those of gateways with their link at the replica of which anything is set, or that somebody watches."""
        ...

    async def told(self, tenant: str, gateway_id: str, month_bytes: int, detail_s: int) -> None:
        """Note what the gateway told of its month."""
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
    def spans(self) -> Spans: ...  # noqa: D102

    @property
    def conflicts(self) -> Conflicts: ...  # noqa: D102

    @property
    def links(self) -> Links: ...  # noqa: D102

    @property
    def gaps(self) -> Gaps: ...  # noqa: D102

    @property
    def deliveries(self) -> Deliveries: ...  # noqa: D102

    @property
    def tallies(self) -> Tallies: ...  # noqa: D102

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
