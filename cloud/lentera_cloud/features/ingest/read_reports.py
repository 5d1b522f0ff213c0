"""What a gateway tells of its reads: how often values are due, what became of them by the hour, what still waits."""

from collections.abc import Iterable, Mapping, Sequence

from lentera_cloud.domain.completeness import Pace
from lentera_cloud.domain.tallies import HourTally
from lentera_cloud.ports import Backlog, DeviceRow, GatewayRow, Registry
from lentera_model.protocol import DeviceDeclaration, Hello, Status, Tally


async def note_paces(
    registry: Registry,
    gateway: GatewayRow,
    declared: Sequence[DeviceDeclaration],
    existing: Mapping[str, DeviceRow],
    contested: Iterable[str],
    now_ms: int,
) -> None:
    """Note from when on which values are due of a gateway's devices; of those that it no longer has, none.

    Raises:
        StoreUnavailableError: nothing is noted.
    """
    foreign = frozenset(contested)
    paces: dict[str, list[Pace]] = {
        row.device_id: [] for row in existing.values() if row.gateway_id == gateway.gateway_id
    }
    for one in declared:
        if one.device not in foreign:
            paces[one.device] = [Pace(pace.every_ms, tuple(pace.quantities), pace.heartbeat_ms) for pace in one.paces]
    if paces:
        await registry.tallies.note_paces(gateway.tenant, gateway.gateway_id, paces, now_ms)


async def note_tally(registry: Registry, gateway: GatewayRow, tally: Tally) -> None:
    """Keep an hour's tally; when this returns it is in the registry, and the gateway may forget it.

    Raises:
        StoreUnavailableError: it could not be kept; the gateway has it still.
    """
    kept = HourTally(gateway.gateway_id, tally.epoch, tally.number, tally.hour_ms, tuple(tally.rows))
    await registry.tallies.add(gateway.tenant, kept)


def boot_offset_ms(hello: Hello, now_ms: int) -> int:
    """Return how far our time is ahead of the gateway's monotonic clock, as its Hello arrives."""
    return now_ms - hello.monotonic_ms


async def note_journal(
    registry: Registry, gateway: GatewayRow, status: Status, offset_ms: int, heard_ms: int, now_ms: int
) -> None:
    """Note what waits in a gateway's journal, and since when: that is from when on values may still be on their way.

    Args:
        registry: where.
        gateway: whose.
        status: what it told.
        offset_ms: how far our time is ahead of the gateway's monotonic clock.
        heard_ms: when it was last heard.
        now_ms: now.

    Raises:
        StoreUnavailableError: not all of it is noted; the next Status tells again.
    """
    await registry.gateways.seen(
        gateway.tenant,
        gateway.gateway_id,
        heard_ms,
        journal_waiting=status.journal_waiting,
        journal_bytes=status.journal_bytes,
        mode=status.mode,
    )
    await registry.deliveries.told(gateway.tenant, gateway.gateway_id, status.month_bytes, status.detail_s)
    oldest_ms = None if status.oldest_monotonic_ms is None else status.oldest_monotonic_ms + offset_ms
    await registry.tallies.note_backlog(
        gateway.tenant, gateway.gateway_id, Backlog(status.journal_waiting, oldest_ms, now_ms)
    )
