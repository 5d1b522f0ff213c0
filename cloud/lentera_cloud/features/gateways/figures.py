"""What Prometheus is told of each gateway: its link, its journal, and how far its batches have come."""

from collections.abc import Awaitable, Callable, Mapping

from lentera_cloud.kit.figures import Figure
from lentera_cloud.ports import Clock, Registry

SINCE_MS = 30 * 86_400_000
"""Epochs into which nothing came for so long count no more: what they lack will not come."""


class GatewayFigures:
    """Figures of a tenant's gateways, out of the registry: every replica gives the same."""

    def __init__(
        self, registry: Registry, clock: Clock, present: Callable[[str], Awaitable[Mapping[str, int]]]
    ) -> None:
        """Use these; ``present`` says which gateways of a tenant are connected."""
        self._registry = registry
        self._clock = clock
        self._present = present

    async def figures(self, tenant: str) -> list[Figure]:
        """Return the figures; a gateway that was revoked has none."""
        gateways = [row for row in await self._registry.gateways.of_tenant(tenant) if row.revoked_at_ms is None]
        names = {row.gateway_id for row in gateways}
        present = await self._present(tenant)
        newest: dict[str, int] = {}
        high_water: dict[str, int] = {}
        missing: dict[str, int] = {}
        for one in await self._registry.receipts.summary(tenant, self._clock.now_ms() - SINCE_MS):
            if one.gateway_id not in names:
                continue
            missing[one.gateway_id] = missing.get(one.gateway_id, 0) + one.newest - one.stored
            if one.epoch >= newest.get(one.gateway_id, 0):
                newest[one.gateway_id], high_water[one.gateway_id] = one.epoch, one.high_water
        waiting = {row.gateway_id: row.journal_waiting for row in gateways if row.journal_waiting is not None}
        return [
            _gauge(
                "link_up", "1 while the gateway has a link.", {name: int(name in present) for name in sorted(names)}
            ),
            _gauge("journal_waiting", "Batches that waited on the gateway when it last said.", waiting),
            _gauge("epoch", "Newest boot epoch of which batches are stored.", newest),
            _gauge("high_water", "Up to this number every batch of the newest epoch is stored.", high_water),
            _gauge("missing_batches", "Batches that are not stored though later ones of their epoch are.", missing),
        ]


def _gauge(name: str, meaning: str, values: Mapping[str, int]) -> Figure:
    samples = [({"gateway": gateway}, value) for gateway, value in sorted(values.items())]
    return Figure(f"lentera_gateway_{name}", meaning, samples, "gauge")
