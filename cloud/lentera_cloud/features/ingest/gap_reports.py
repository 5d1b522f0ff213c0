"""What a gateway tells of values that are missing, kept in the registry."""

from lentera_cloud.domain.gaps import KnownGap
from lentera_cloud.ports import GatewayRow, Registry
from lentera_model.protocol import GapReport


async def note_gap(registry: Registry, gateway: GatewayRow, report: GapReport, now_ms: int) -> None:
    """Keep a gap; when this returns it is in the registry, and the gateway may forget it.

    Raises:
        StoreUnavailableError: it could not be kept; the gateway has it still.
    """
    await registry.gaps.add(gateway.tenant, gap_of(gateway.gateway_id, report), now_ms)


def gap_of(gateway_id: str, report: GapReport) -> KnownGap:
    """Return the gap of a report; one whose ends are swapped (a clock went back) covers the same time."""
    from_ms, to_ms = sorted((report.from_ms, report.to_ms))
    return KnownGap(
        gateway_id,
        report.epoch,
        report.number,
        report.reason,
        from_ms,
        to_ms,
        from_ms,
        tuple(sorted(set(report.devices))),
        report.detail_s,
        report.values,
        report.uncertainty_ms,
    )
