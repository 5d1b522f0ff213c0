"""Values kept beside the stored ones: the registry's contract on SQLite and PostgreSQL."""

from dataclasses import replace

from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.ports import ConflictCount, ConflictQuery
from lentera_model.batch import BatchKey

NOW = 1_790_000_000_000
ALL = ConflictQuery(0, NOW + 1_000_000)
ONE = Conflict("m1", "voltage_l1", NOW, 230.0, 231.5, BatchKey("gw-1", 3, 9))


async def test_a_value_is_kept_once_as_it_was_noted_first(registry):
    await registry.conflicts.add("stabat", [ONE], NOW + 5)
    await registry.conflicts.add("stabat", [replace(ONE, key=BatchKey("gw-2", 1, 1)), ONE], NOW + 6)
    await registry.conflicts.add("stabat", [], NOW + 7)
    (row,) = await registry.conflicts.find("stabat", ALL)
    assert (row.conflict, row.noted_at_ms) == (ONE, NOW + 5)


async def test_every_bit_of_the_values_is_kept(registry):
    odd = replace(ONE, stored_value=0.1 + 0.2, other_value=5e-324)
    await registry.conflicts.add("stabat", [odd, replace(odd, other_value=0.30000000000000010)], NOW)
    found = {row.conflict.other_value for row in await registry.conflicts.find("stabat", ALL)}
    assert found == {5e-324, 0.30000000000000010}


async def test_a_tenant_sees_its_own(registry):
    await registry.conflicts.add("stabat", [ONE], NOW)
    assert await registry.conflicts.find("binjai", ALL) == []
    assert await registry.conflicts.counts("binjai") == []
    await registry.conflicts.add("binjai", [replace(ONE, stored_value=1.0)], NOW)
    assert [row.conflict.stored_value for row in await registry.conflicts.find("stabat", ALL)] == [230.0]


async def test_more_than_one_transaction_takes_are_counted_and_limited(registry):
    many = [replace(ONE, at_ms=NOW + n, quantity=("frequency", "voltage_l1")[n % 2]) for n in range(12_000)]
    await registry.conflicts.add("stabat", many, NOW)
    assert await registry.conflicts.counts("stabat") == [
        ConflictCount("m1", "frequency", 6_000),
        ConflictCount("m1", "voltage_l1", 6_000),
    ]
    newest = await registry.conflicts.find("stabat", replace(ALL, limit=2))
    assert [row.conflict.at_ms for row in newest] == [NOW + 11_999, NOW + 11_998]
