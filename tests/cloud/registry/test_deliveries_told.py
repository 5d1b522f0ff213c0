"""What a gateway is told of its delivery by a change, by a beat, and by both at once; on SQLite and on PostgreSQL."""

import asyncio

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.domain.events import DeliveryChanged, LinkOpened
from lentera_cloud.features.delivery.service import DeliveryService
from lentera_cloud.ports import DeliverySettings, LinkRow
from lentera_model.protocol import SetDelivery, SetMode
from tests.cloud.registry.test_contract import NOW, gateway

CHANGED = DeliveryChanged("stabat", "gw-1")


class Here:
    """The links of a replica: one, which keeps what it is told; and a clock that is moved."""

    def __init__(self):
        self.told, self.connected, self.ms = [], True, NOW

    def now_ms(self):
        return self.ms

    def protocol_version(self, gateway_id):
        return 2 if self.connected else None

    def send(self, gateway_id, message):
        self.told.append(message)
        return True

    def follow_up(self, work):
        work.close()

    def heard(self):
        heard, self.told = self.told, []
        return heard


async def nobody(_event) -> None: ...


async def opened(registry: SqlRegistry) -> tuple[Here, DeliveryService]:
    await registry.tenants.create_tenant("stabat", "stabat", NOW)
    await registry.gateways.add(gateway("gw-1", "stabat"))
    await registry.links.take(LinkRow("stabat", "gw-1", "a", "c1", NOW, NOW))
    here = Here()
    service = DeliveryService(registry, here, here, nobody)
    await service.tell(LinkOpened("stabat", "gw-1"))
    assert here.heard() == [SetDelivery(None)]
    return here, service


async def test_a_change_and_a_beat_that_find_the_same_tell_it_once(registry):
    here, service = await opened(registry)
    for rate in range(1, 6):
        await registry.deliveries.set("stabat", "gw-1", DeliverySettings(rate_bytes_s=rate))
        await asyncio.gather(service.make_good("a"), service.tell(CHANGED), service.make_good("a"))
        assert here.heard() == [SetDelivery(None, rate)]
    await service.tell(LinkOpened("stabat", "gw-1"))
    assert here.heard() == [SetDelivery(None, 5)], "at each opening"


async def test_a_beat_ends_a_watching_that_is_over_and_forgets_a_link_that_is_gone(registry):
    here, service = await opened(registry)
    await registry.deliveries.watch("stabat", "gw-1", NOW + 1_000)
    await service.make_good("a")
    assert here.heard() == [SetDelivery(None), SetMode("live")]
    here.ms += 1_000
    await service.make_good("a")
    await service.make_good("a")
    assert here.heard() == [SetDelivery(None)]
    here.connected = False
    await registry.deliveries.set("stabat", "gw-1", DeliverySettings("live"))
    await service.make_good("a")
    here.connected = True
    await service.make_good("a")
    assert here.heard() == [], "what opens is told then"
