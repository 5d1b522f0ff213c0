"""Registering, listing and revoking gateways."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from lentera_cloud.domain.events import GatewayRevoked
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.progress import EpochProgress, progress_of
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import AlreadyExistsError, Clock, GatewayRow, RefusalCount, Registry


@dataclass(frozen=True, slots=True)
class GatewayView:
    """A gateway with what is known of its link and of what was refused."""

    row: GatewayRow
    online: bool
    last_seen_ms: int | None
    refused_readings: dict[str, int]


class GatewaysService:
    """The tenant's gateways."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        present: Callable[[str], Awaitable[Mapping[str, int]]],
        publish: Callable[[object], Awaitable[None]],
    ) -> None:
        """Use these; ``present`` says of a tenant's connected gateways when each was last heard."""
        self._registry = registry
        self._clock = clock
        self._present = present
        self._publish = publish

    async def register(self, tenant: str, gateway_id: str, name: str, public_key: bytes) -> GatewayView:
        """Register a gateway by its key.

        Raises:
            Problem: ``already_exists``, also when another tenant has the id.
        """
        row = GatewayRow(tenant, gateway_id, name, public_key, self._clock.now_ms())
        try:
            await self._registry.gateways.add(row)
        except AlreadyExistsError as error:
            detail = f"The gateway id {gateway_id!r} is taken: ids are unique over the whole service; choose another."
            raise Problem(ProblemCode.ALREADY_EXISTS, detail) from error
        return self._view(row, [], {})

    async def of_tenant(self, tenant: str) -> list[GatewayView]:
        """Return the tenant's gateways in order of id."""
        refusals = await self._registry.receipts.refusals(tenant)
        heard = await self._present(tenant)
        return [self._view(row, refusals, heard) for row in await self._registry.gateways.of_tenant(tenant)]

    async def revoke(self, tenant: str, gateway_id: str) -> GatewayView:
        """Refuse a gateway from now on and close its link; its devices and their history stay.

        Raises:
            Problem: ``unknown_gateway``.
        """
        if not await self._registry.gateways.revoke(tenant, gateway_id, self._clock.now_ms()):
            raise self._unknown(gateway_id)
        await self._publish(GatewayRevoked(tenant, gateway_id))
        return await self.get(tenant, gateway_id)

    async def get(self, tenant: str, gateway_id: str) -> GatewayView:
        """Return one gateway.

        Raises:
            Problem: ``unknown_gateway``.
        """
        row = await self._registry.gateways.get(tenant, gateway_id)
        if row is None:
            raise self._unknown(gateway_id)
        refusals = await self._registry.receipts.refusals(tenant, gateway_id)
        return self._view(row, refusals, await self._present(tenant))

    async def refusals(self, tenant: str, gateway_id: str) -> list[RefusalCount]:
        """Return what was refused of a gateway's readings, the newest first.

        Raises:
            Problem: ``unknown_gateway``.
        """
        await self.get(tenant, gateway_id)
        return await self._registry.receipts.refusals(tenant, gateway_id)

    async def progress(self, tenant: str, gateway_id: str, epochs: int) -> list[EpochProgress]:
        """Return how far the batches of a gateway's newest boot epochs have come, the newest first.

        Raises:
            Problem: ``unknown_gateway``.
        """
        if await self._registry.gateways.get(tenant, gateway_id) is None:
            raise self._unknown(gateway_id)
        return progress_of(await self._registry.receipts.ranges(tenant, gateway_id, epochs))

    @staticmethod
    def _unknown(gateway_id: str) -> Problem:
        return Problem(
            ProblemCode.UNKNOWN_GATEWAY, f"There is no gateway {gateway_id!r}: GET /v1/gateways lists yours."
        )

    @staticmethod
    def _view(row: GatewayRow, refusals: list[RefusalCount], heard: Mapping[str, int]) -> GatewayView:
        heard_ms = heard.get(row.gateway_id)
        refused = Counter[str]()
        for one in refusals:
            if one.gateway_id == row.gateway_id:
                refused[one.code] += one.readings
        return GatewayView(row, heard_ms is not None, heard_ms or row.last_seen_at_ms, dict(refused))
