"""Gathers what is known of some devices in some hours: from the store of series, the registry and the links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lentera_cloud.domain.completeness import HOUR_MS, Absence, HourFacts, PaceVersion
from lentera_cloud.domain.tallies import TallyIndex
from lentera_cloud.ports import Backlog, DeviceRow, GatewayRow, HourlyCounts, LatestValue, Registry

SETTLE_MS: Final = 16 * 60_000
"""A batch may be sealed after a quarter of an hour; what is younger may be on its way without any backlog."""
FEW_BATCHES: Final = 64
FEW_FOR_MS: Final = HOUR_MS
"""A gateway does not tell that a small backlog is gone: after so long it is taken to be."""
FORGOTTEN_MS: Final = 7 * 24 * HOUR_MS
"""A quantity that a device has not given for so long while it gave others is not expected of it any more."""

Known = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Mapping[str, LatestValue]]]]
"""The newest values of devices (each with its gateway), by quantity."""
Linked = Callable[[str], Awaitable[Mapping[str, int]]]
"""When each connected gateway of a tenant was last heard."""


class Gap(Protocol):
    """What completeness needs of a known gap."""

    @property
    def reason(self) -> str: ...  # noqa: D102 - the type says it

    @property
    def from_ms(self) -> int: ...  # noqa: D102

    @property
    def to_ms(self) -> int: ...  # noqa: D102

    @property
    def detail_s(self) -> int: ...  # noqa: D102


class GapsOfDevices(Protocol):
    """Where the known gaps are; the registry's `gaps` is one."""

    async def of_devices(
        self, tenant: str, devices: Collection[str], from_ms: int, to_ms: int
    ) -> Mapping[str, Sequence[Gap]]:
        """Return the gaps that touch the range and concern each of these devices."""
        ...


class CountsByHour(Protocol):
    """Where stored values are counted; every series store is one."""

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """Return how many values of each quantity of these devices each hour holds."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the facts come from."""

    registry: Registry
    series: CountsByHour
    known: Known
    linked: Linked
    gaps: GapsOfDevices


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of some devices from `from_ms` to `to_ms`."""

    now_ms: int
    devices: Sequence[DeviceRow]
    counts: HourlyCounts
    quantities: Mapping[str, frozenset[str]]
    versions: Mapping[str, Sequence[PaceVersion]]
    tallies: TallyIndex
    absences: Mapping[str, Sequence[Absence]]
    on_the_way_from_ms: Mapping[str, int]
    newest_ms: Mapping[str, int]

    def of(self, device: DeviceRow, hours: range) -> Iterator[tuple[int, HourFacts]]:
        """Yield (start, facts) of each hour of a device that has begun."""
        name = device.device_id
        received: dict[int, dict[str, int]] = {}
        for quantity, counts in self.counts.get(name, {}).items():
            for hour_ms, count in counts.items():
                received.setdefault(hour_ms, {})[quantity] = count
        versions = self.versions.get(name, ())
        quantities = frozenset(self.quantities.get(name, frozenset()) | self.counts.get(name, {}).keys())
        silent_ms = device.online_changed_at_ms if device.online is False else None
        absences = self.absences.get(name, ())
        on_the_way_ms = self.on_the_way_from_ms.get(device.gateway_id, 0)
        for hour_ms in hours:
            ends_ms = hour_ms + HOUR_MS
            yield (
                hour_ms,
                HourFacts(
                    hour_ms,
                    min(ends_ms, self.now_ms),
                    versions,
                    quantities,
                    received.get(hour_ms, {}),
                    self.tallies.reads(name, hour_ms, versions) if versions else {},
                    [gap for gap in absences if gap.from_ms < ends_ms and gap.to_ms > hour_ms],
                    silent_ms,
                    on_the_way_ms,
                ),
            )


async def gather(sources: Sources, tenant: str, devices: Sequence[DeviceRow], hours: range, now_ms: int) -> Facts:
    """Ask for all that is known of devices in a run of hours.

    Raises:
        StoreUnavailableError: of whichever store cannot be reached.
    """
    registry, names = sources.registry, [row.device_id for row in devices]
    span = hours.start, hours.stop
    counts = await sources.series.hourly_counts(tenant, names, *span)
    versions = await registry.tallies.paces(tenant, names)
    gateways = {version.gateway for told in versions.values() for version in told}
    tallies = await registry.tallies.of_hours(tenant, gateways, *span)
    known = await sources.known(tenant, {row.device_id: row.gateway_id for row in devices})
    gaps = await sources.gaps.of_devices(tenant, names, *span)
    linked = await sources.linked(tenant)
    backlogs = await registry.tallies.backlogs(tenant)
    rows = await registry.gateways.of_tenant(tenant)
    return Facts(
        now_ms,
        devices,
        counts,
        {device: lately_given(values) for device, values in known.items()},
        versions,
        TallyIndex(tallies),
        {device: [_absence(one) for one in of] for device, of in gaps.items()},
        {
            row.gateway_id: on_the_way_from_ms(row, linked.get(row.gateway_id), backlogs.get(row.gateway_id), now_ms)
            for row in rows
        },
        {device: newest_of(values) for device, values in known.items()},
    )


def _absence(gap: Gap) -> Absence:
    return Absence(gap.reason, gap.from_ms, gap.to_ms, gap.detail_s)


def lately_given(values: Mapping[str, LatestValue]) -> frozenset[str]:
    """Return the quantities that a device gave of late, by its own newest value."""
    newest_ms = newest_of(values)
    return frozenset(name for name, value in values.items() if value.at_ms > newest_ms - FORGOTTEN_MS)


def newest_of(values: Mapping[str, LatestValue]) -> int:
    """Return the time of a device's newest value, 0 where it has none."""
    return max((value.at_ms for value in values.values()), default=0)


def on_the_way_from_ms(gateway: GatewayRow, heard_ms: int | None, backlog: Backlog | None, now_ms: int) -> int:
    """Return from when on values of a gateway may still come.

    Args:
        gateway: its row.
        heard_ms: when it was last heard, None while it is not connected.
        backlog: what it last said of its journal.
        now_ms: now.
    """
    last_ms = gateway.last_seen_at_ms or 0 if heard_ms is None else now_ms
    from_ms = last_ms - SETTLE_MS
    if backlog is None or not backlog.waiting:
        return from_ms
    if heard_ms is not None and backlog.waiting <= FEW_BATCHES and backlog.told_at_ms < now_ms - FEW_FOR_MS:
        return from_ms
    return min(from_ms, backlog.oldest_ms or 0)
