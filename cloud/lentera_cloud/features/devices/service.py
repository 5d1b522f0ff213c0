"""Devices as people see them: the declared row, the newest readings, and what is known of their being reachable."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from lentera_cloud.domain.events import DeviceMoved
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.reachability import Reachability, reachability
from lentera_cloud.features.devices.latest import LatestValues, Values
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import Clock, DeviceRow, Registry


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device with what is known of it now."""

    row: DeviceRow
    latest: Values
    reachable: Reachability

    @property
    def last_reading_ms(self) -> int | None:
        """When the newest value was read."""
        return max((value.at_ms for value in self.latest.values()), default=None)


class DevicesService:
    """Answers what devices there are, and lets a person move one to another gateway."""

    def __init__(
        self,
        registry: Registry,
        latest: LatestValues,
        clock: Clock,
        present: Callable[[str], Awaitable[Collection[str]]],
        publish: Callable[[object], Awaitable[None]],
    ) -> None:
        """Use these; ``present`` says which gateways of a tenant have a link."""
        self._registry = registry
        self._latest = latest
        self._clock = clock
        self._present = present
        self._publish = publish

    async def of_tenant(self, tenant: str, kind: str | None, gateway_id: str | None) -> list[DeviceView]:
        """Return the tenant's devices in order of id, of one kind or one gateway where asked.

        Raises:
            Problem: ``unknown_gateway``.
        """
        if gateway_id is not None and await self._registry.gateways.get(tenant, gateway_id) is None:
            raise Problem(
                ProblemCode.UNKNOWN_GATEWAY, f"There is no gateway {gateway_id!r}: GET /v1/gateways lists yours."
            )
        rows = await self._registry.devices.of_tenant(tenant, kind, gateway_id)
        return await self._views(tenant, rows)

    async def get(self, tenant: str, device_id: str) -> DeviceView:
        """Return one device.

        Raises:
            Problem: ``unknown_device``.
        """
        row = await self._registry.devices.get(tenant, device_id)
        if row is None:
            raise Problem(ProblemCode.UNKNOWN_DEVICE, f"There is no device {device_id!r}: GET /v1/devices lists yours.")
        return (await self._views(tenant, [row]))[0]

    async def move(self, tenant: str, device_id: str, gateway_id: str) -> DeviceView:
        """Give a device to another gateway of the tenant.

        Raises:
            Problem: ``unknown_device`` or ``unknown_gateway``.
        """
        await self.get(tenant, device_id)
        if await self._registry.gateways.get(tenant, gateway_id) is None:
            raise Problem(ProblemCode.UNKNOWN_GATEWAY, f"There is no gateway {gateway_id!r}: register it first.")
        await self._registry.devices.move(tenant, device_id, gateway_id)
        await self._publish(DeviceMoved(tenant, device_id, gateway_id))
        return await self.get(tenant, device_id)

    async def _views(self, tenant: str, rows: list[DeviceRow]) -> list[DeviceView]:
        latest = await self._latest.of(tenant, {row.device_id: row.gateway_id for row in rows})
        present = await self._present(tenant)
        now_ms = self._clock.now_ms()
        views: list[DeviceView] = []
        for row in rows:
            values = latest.get(row.device_id, {})
            read_ms = max((value.at_ms for value in values.values()), default=None)
            reachable = reachability(
                row.online, row.online_reason, row.declared, row.gateway_id in present, read_ms, now_ms
            )
            views.append(DeviceView(row, values, reachable))
        return views
