"""What the registry tells of stored batches, on both databases."""

from lentera_cloud.domain.progress import EpochSummary, ReceiptRange
from lentera_model.batch import BatchKey
from tests.cloud.registry.test_contract import NOW, gateway


async def test_ranges_and_sums_of_what_is_stored(registry):
    for tenant, names in (("stabat", ("gw-1", "gw-2")), ("binjai", ("gw-3",))):
        await registry.tenants.create_tenant(tenant, tenant, NOW)
        for name in names:
            await registry.gateways.add(gateway(name, tenant))

    async def store(tenant: str, name: str, epoch: int, numbers: list[int], at_ms: int) -> None:
        await registry.receipts.add(tenant, [BatchKey(name, epoch, number) for number in numbers], at_ms)

    await store("stabat", "gw-1", 1, [1, 2, 3], NOW)
    await store("stabat", "gw-1", 2, [2, 3, 7], NOW + 1)
    await store("stabat", "gw-1", 3, [1, 2, 4], NOW + 2)
    await store("stabat", "gw-2", 9, [1], NOW + 3)
    await store("binjai", "gw-3", 1, [5], NOW + 4)
    receipts = registry.receipts
    assert await receipts.ranges("stabat", "gw-1", 2) == [
        ReceiptRange(3, 1, 2, NOW + 2),
        ReceiptRange(3, 4, 4, NOW + 2),
        ReceiptRange(2, 2, 3, NOW + 1),
        ReceiptRange(2, 7, 7, NOW + 1),
    ]
    assert await receipts.ranges("binjai", "gw-1", 2) == []
    assert await receipts.summary("stabat", NOW + 1) == [
        EpochSummary("gw-1", 2, 0, 7, 3, NOW + 1),
        EpochSummary("gw-1", 3, 2, 4, 3, NOW + 2),
        EpochSummary("gw-2", 9, 1, 1, 1, NOW + 3),
    ]
