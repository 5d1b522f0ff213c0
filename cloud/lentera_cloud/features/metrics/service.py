"""A tenant's figures in Prometheus' text format: every replica gives the same."""

from collections.abc import Sequence

from lentera_cloud.kit.figures import Figure, Figures, text_of
from lentera_cloud.ports import Conflicts, Gaps, Receipts


class MetricsService:
    """Answers `GET /v1/metrics`."""

    def __init__(self, conflicts: Conflicts, receipts: Receipts, gaps: Gaps, more: Sequence[Figures] = ()) -> None:
        """Use these, and the figures that other parts of the cloud give."""
        self._conflicts = conflicts
        self._receipts = receipts
        self._gaps = gaps
        self._more = more

    async def text(self, tenant: str) -> str:
        """Return the tenant's metrics."""
        figures = await self._counted(tenant)
        for source in self._more:
            figures += await source(tenant)
        return "".join(map(text_of, figures))

    async def _counted(self, tenant: str) -> list[Figure]:
        conflicts = [
            ({"device": one.device, "quantity": one.quantity}, one.values)
            for one in await self._conflicts.counts(tenant)
        ]
        refused = [
            ({"gateway": one.gateway_id, "device": one.device_id, "code": one.code}, one.readings)
            for one in await self._receipts.refusals(tenant)
        ]
        gaps = [({"gateway": one.gateway, "reason": one.reason}, one) for one in await self._gaps.counts(tenant)]
        return [
            Figure(
                "lentera_conflicting_values_total",
                "Values that differ from the stored one of the same device, quantity and time.",
                conflicts,
            ),
            Figure("lentera_refused_readings_total", "Readings of batches that were not stored.", refused),
            Figure(
                "lentera_known_gaps_total",
                "Times in which values may be missing, as the gateways told.",
                [(labels, one.number) for labels, one in gaps],
            ),
            Figure(
                "lentera_known_gap_seconds_total",
                "Length of these times together.",
                [(labels, one.length_ms // 1000) for labels, one in gaps],
            ),
        ]
