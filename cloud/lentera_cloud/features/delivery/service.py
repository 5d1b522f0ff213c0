"""Keeping what operators set, and telling it to the gateways."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from lentera_cloud.domain.events import DeliveryChanged, LinkOpened
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.kit.patience import until_available
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import Clock, DeliveryRow, DeliverySettings, Registry
from lentera_model.protocol import CloudMessage, SetDelivery, SetMode


class Links(Protocol):
    """What is used of the links that this process has."""

    def protocol_version(self, gateway_id: str) -> int | None:
        """Return what a gateway's link here speaks; None where it has none."""
        ...

    def send(self, gateway_id: str, message: CloudMessage) -> bool:
        """Queue a message for a gateway."""
        ...

    def follow_up(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that outlives the call."""
        ...


@dataclass(frozen=True, slots=True)
class _Word:
    """What a gateway was told, or is to be told; a watching that is over is none."""

    tenant: str
    settings: DeliverySettings
    watched_until_ms: int


class DeliveryService:
    """Answers the routes, and tells each gateway that has its link here."""

    def __init__(
        self, registry: Registry, clock: Clock, hub: Links, publish: Callable[[object], Awaitable[None]]
    ) -> None:
        """Use these."""
        self._registry = registry
        self._clock = clock
        self._hub = hub
        self._publish = publish
        self._watched: dict[str, int] = {}
        self._told: dict[str, _Word] = {}

    def now_ms(self) -> int:
        """The present."""
        return self._clock.now_ms()

    async def get(self, tenant: str, gateway_id: str) -> DeliveryRow:
        """Return how a gateway delivers.

        Raises:
            Problem: ``unknown_gateway``.
        """
        if await self._registry.gateways.get(tenant, gateway_id) is None:
            raise Problem(
                ProblemCode.UNKNOWN_GATEWAY, f"There is no gateway {gateway_id!r}: GET /v1/gateways lists yours."
            )
        return await self._registry.deliveries.get(tenant, gateway_id)

    async def set(self, tenant: str, gateway_id: str, settings: DeliverySettings) -> DeliveryRow:
        """Keep what an operator sets and tell the gateway, now or when its link opens. Raises as ``get``."""
        await self.get(tenant, gateway_id)
        await self._registry.deliveries.set(tenant, gateway_id, settings)
        await self._publish(DeliveryChanged(tenant, gateway_id))
        return await self.get(tenant, gateway_id)

    async def watch(self, tenant: str, gateway_id: str, seconds: int) -> DeliveryRow:
        """Make a gateway live for so long, from now; asked again it goes on, 0 ends it. Raises as ``get``."""
        await self.get(tenant, gateway_id)
        await self._registry.deliveries.watch(tenant, gateway_id, self._clock.now_ms() + seconds * 1000)
        await self._publish(DeliveryChanged(tenant, gateway_id))
        return await self.get(tenant, gateway_id)

    async def tell(self, event: LinkOpened | DeliveryChanged) -> None:
        """Tell a gateway how to deliver, if it has its link here, and again when the watching ends.

        Of a change and a beat that find the same, the first tells.
        """
        tenant, gateway_id = event.tenant, event.gateway
        version = self._hub.protocol_version(gateway_id)
        if version is None:
            return
        row = await self._registry.deliveries.get(tenant, gateway_id)
        now_ms = self._clock.now_ms()
        if isinstance(event, DeliveryChanged) and self._told.get(gateway_id) == _word(row, now_ms):
            return
        self._told[gateway_id] = _word(row, now_ms)
        left_ms = row.watched_until_ms - now_ms
        if version >= 2:  # SetDelivery also ends what a SetMode asked for
            self._hub.send(gateway_id, SetDelivery(row.mode, row.rate_bytes_s, row.quota_bytes, row.month_day))
        elif left_ms <= 0 and (gateway_id in self._watched or row.mode is not None):
            self._hub.send(gateway_id, SetMode(row.mode or "economy"))
        self._watched.pop(gateway_id, None)
        if left_ms > 0:
            self._watched[gateway_id] = row.watched_until_ms
            self._hub.send(gateway_id, SetMode("live"))
            self._hub.follow_up(self._let_go(tenant, gateway_id, row.watched_until_ms))

    async def make_good(self, replica: str) -> None:
        """Tell what was set or asked at another replica whose signal was lost, to gateways with their link here."""
        now_ms = self._clock.now_ms()
        found = {row.gateway_id: row for row in await self._registry.deliveries.set_at(replica, now_ms)}
        for gateway_id, told in list(self._told.items()):
            if self._hub.protocol_version(gateway_id) is None:
                self._told.pop(gateway_id, None)
            elif _word(found.get(gateway_id, DeliveryRow(told.tenant, gateway_id)), now_ms) != told:
                await self.tell(DeliveryChanged(told.tenant, gateway_id))

    async def _let_go(self, tenant: str, gateway_id: str, until_ms: int) -> None:
        """Wait until the watching ends; one that was prolonged meanwhile has its own end."""
        await asyncio.sleep(max(0, until_ms - self._clock.now_ms()) / 1000)
        if self._watched.get(gateway_id) == until_ms:
            await until_available("registry", lambda: self.tell(DeliveryChanged(tenant, gateway_id)))


def _word(row: DeliveryRow, now_ms: int) -> _Word:
    settings = DeliverySettings(row.mode, row.rate_bytes_s, row.quota_bytes, row.month_day)
    return _Word(row.tenant, settings, row.watched_until_ms if row.watched_until_ms > now_ms else 0)
