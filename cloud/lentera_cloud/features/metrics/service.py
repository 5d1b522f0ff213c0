"""A tenant's figures in Prometheus' text format, out of the registry: every replica gives the same."""

from collections.abc import Iterable, Mapping

from lentera_cloud.ports import Conflicts, Gaps, Receipts

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class MetricsService:
    """Answers `GET /v1/metrics`."""

    def __init__(self, conflicts: Conflicts, receipts: Receipts, gaps: Gaps) -> None:
        """Use these."""
        self._conflicts = conflicts
        self._receipts = receipts
        self._gaps = gaps

    async def text(self, tenant: str) -> str:
        """Return the tenant's metrics."""
        conflicts = [
            ({"device": one.device, "quantity": one.quantity}, one.values)
            for one in await self._conflicts.counts(tenant)
        ]
        refused = [
            ({"gateway": one.gateway_id, "device": one.device_id, "code": one.code}, one.readings)
            for one in await self._receipts.refusals(tenant)
        ]
        gaps = [({"gateway": one.gateway, "reason": one.reason}, one) for one in await self._gaps.counts(tenant)]
        return "".join(
            [
                _metric(
                    "lentera_conflicting_values_total",
                    "Values that differ from the stored one of the same device, quantity and time.",
                    conflicts,
                ),
                _metric("lentera_refused_readings_total", "Readings of batches that were not stored.", refused),
                _metric(
                    "lentera_known_gaps_total",
                    "Times in which values may be missing, as the gateways told.",
                    [(labels, one.number) for labels, one in gaps],
                ),
                _metric(
                    "lentera_known_gap_seconds_total",
                    "Length of these times together.",
                    [(labels, one.length_ms // 1000) for labels, one in gaps],
                ),
            ]
        )


def _metric(name: str, meaning: str, samples: Iterable[tuple[Mapping[str, str], int]]) -> str:
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} counter"]
    for labels, value in samples:
        written = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
        lines.append(f"{name}{{{written}}} {value}")
    return "\n".join(lines) + "\n"
