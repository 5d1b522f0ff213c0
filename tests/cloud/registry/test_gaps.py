"""Known gaps: the registry's contract on SQLite and PostgreSQL, and what stored readings prove of a power cut."""

from dataclasses import replace

import pytest

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.domain.gaps import KnownGap, sharpened
from lentera_cloud.domain.spans import StoredSpan
from lentera_cloud.ports import DeviceRow, GapCount, GapQuery, GatewayRow
from lentera_model.batch import BatchKey

NOW = 1_790_000_000_000
ALL = GapQuery(0, NOW + 10_000_000)
ONE = KnownGap("gw-1", 7, 1, "killed", NOW, NOW + 2_500, NOW, values=3, uncertainty_ms=12)
HOUR = 3_600_000
CUT = KnownGap("gw-1", 7, 2, "power_cut", NOW - HOUR, NOW + 9_000, NOW - HOUR, uncertainty_ms=70_000)


@pytest.fixture
async def city(registry: SqlRegistry) -> SqlRegistry:
    """A registry with two gateways of one tenant, and their devices."""
    await registry.tenants.create_tenant("stabat", "Stabat", NOW)
    await registry.tenants.create_tenant("binjai", "Binjai", NOW)
    for name in ("gw-1", "gw-2"):
        await registry.gateways.add(GatewayRow("stabat", name, "", name.encode().ljust(32), NOW))
    rows = [
        DeviceRow("stabat", name, name, "meter", "p", gateway, "b", "1", NOW)
        for name, gateway in (("m1", "gw-1"), ("m2", "gw-1"), ("m3", "gw-2"))
    ]
    await registry.devices.upsert("stabat", rows)
    return registry


async def stored(
    city: SqlRegistry, epoch: int, *sequences: int, newest_ms: int, device: str = "m1", gateway: str = "gw-1"
) -> None:
    """Store some batches of an epoch; the last has the newest reading."""
    keys = [BatchKey(gateway, epoch, number) for number in sequences]
    await city.spans.claim("stabat", [StoredSpan(device, epoch, newest_ms - 60_000, newest_ms)], NOW)
    newest = {key: newest_ms - 1000 * behind for behind, key in enumerate(reversed(keys))}
    await city.receipts.add("stabat", keys, NOW, newest)


async def test_a_gap_told_twice_is_one_as_it_was_noted_first(city):
    await city.gaps.add("stabat", ONE, NOW + 5)
    await city.gaps.add("stabat", replace(ONE, reason="stopped"), NOW + 6)
    (row,) = await city.gaps.find("stabat", ALL)
    assert (row.gap, row.noted_at_ms) == (ONE, NOW + 5)
    for other in (replace(ONE, epoch=8), replace(ONE, number=9), replace(ONE, gateway="gw-2")):
        await city.gaps.add("stabat", other, NOW)
    assert len(await city.gaps.find("stabat", ALL)) == 4


async def test_every_field_is_kept(city):
    full = KnownGap("gw-1", 1, 1, "journal_thinned", 5, 6, 5, ("m1", "m2"), 900, 1 << 40, 77)
    await city.gaps.add("stabat", full, NOW)
    assert [row.gap for row in await city.gaps.find("stabat", ALL)] == [full]


async def test_gaps_are_asked_for_by_time_gateway_and_page(city):
    gaps = [replace(ONE, number=n, from_ms=NOW + n * 10, to_ms=NOW + n * 10 + 5) for n in range(1, 6)]
    for gap in (*gaps, replace(ONE, gateway="gw-2")):
        await city.gaps.add("stabat", gap, NOW)

    async def numbers(**asked):
        return [row.gap.number for row in await city.gaps.find("stabat", GapQuery(**asked, gateway="gw-1"))]

    assert await numbers(from_ms=0, to_ms=NOW + 100) == [5, 4, 3, 2, 1]
    assert await numbers(from_ms=NOW + 25, to_ms=NOW + 40) == [3, 2], "from is included, to is not"
    assert await numbers(from_ms=NOW + 26, to_ms=NOW + 41) == [4, 3]
    assert await numbers(from_ms=0, to_ms=NOW + 100, limit=2) == [5, 4]
    assert await numbers(from_ms=0, to_ms=NOW + 100, limit=2, offset=4) == [1]
    assert len(await city.gaps.find("stabat", ALL)) == 6
    assert await city.gaps.find("binjai", ALL) == []


async def test_devices_have_the_gaps_that_name_them_and_those_of_their_gateway(city):
    mine, named = replace(ONE, number=1), replace(ONE, number=2, devices=("m2",), from_ms=NOW - 50)
    for gap in (mine, named, replace(ONE, gateway="gw-2"), replace(ONE, number=3, from_ms=1, to_ms=2)):
        await city.gaps.add("stabat", gap, NOW)
    found = await city.gaps.of_devices("stabat", ["m1", "m2", "ghost"], NOW - 100, NOW + 1)
    assert found == {"m1": [mine], "m2": [named, mine], "ghost": []}
    assert await city.gaps.of_devices("binjai", ["m1"], NOW - 100, NOW + 1) == {"m1": []}
    assert await city.gaps.of_devices("stabat", [], NOW - 100, NOW + 1) == {}


async def test_they_are_counted_by_gateway_and_reason(city):
    assert await city.gaps.counts("stabat") == []
    for gap in (ONE, replace(ONE, number=2), CUT, replace(ONE, gateway="gw-2")):
        await city.gaps.add("stabat", replace(gap, number=gap.number + (gap is CUT) * 9), NOW)
    assert await city.gaps.counts("stabat") == [
        GapCount("gw-1", "killed", 2, 5_000),
        GapCount("gw-1", "power_cut", 1, HOUR + 9_000),
        GapCount("gw-2", "killed", 1, 2_500),
    ]


async def test_the_newest_stored_reading_sharpens_a_power_cut(city):
    await stored(city, 6, 1, 2, 3, newest_ms=NOW - 1_000)
    await stored(city, 6, 1, newest_ms=NOW - 5_000, device="m2")
    await stored(city, 7, 1, newest_ms=NOW + 8_000, device="m2")  # by the process that tells of the cut
    await city.spans.claim("stabat", [StoredSpan("m3", 6, NOW, NOW + 500)], NOW)  # another gateway's
    await city.gaps.add("stabat", CUT, NOW)
    (row,) = await city.gaps.find("stabat", ALL)
    assert row.gap == replace(CUT, from_ms=NOW - 71_000)


async def test_batches_that_come_one_by_one_keep_the_newest(city):
    await stored(city, 6, 1, newest_ms=NOW - 9_000)
    await stored(city, 6, 3, newest_ms=NOW - 1_000)
    await stored(city, 6, 2, newest_ms=NOW - 5_000)
    await stored(city, 6, 1, newest_ms=NOW - 30_000)
    await city.gaps.add("stabat", CUT, NOW)
    (row,) = await city.gaps.find("stabat", ALL)
    assert row.gap.from_ms == NOW - 71_000


async def test_what_another_gateway_brought_of_a_device_that_moved_in_proves_nothing(city):
    await stored(city, 6, 1, newest_ms=NOW - 50 * 60_000)
    await stored(city, 3, 1, newest_ms=NOW - 1_000, device="m3", gateway="gw-2")
    moved = DeviceRow("stabat", "m3", "m3", "meter", "p", "gw-1", "b", "1", NOW)
    await city.devices.upsert("stabat", [moved])
    await city.gaps.add("stabat", CUT, NOW)
    (row,) = await city.gaps.find("stabat", ALL)
    assert row.gap.from_ms == NOW - 50 * 60_000 - 70_000


async def test_what_is_claimed_and_has_no_receipt_proves_nothing(city):
    await stored(city, 6, 1, newest_ms=NOW - 50 * 60_000)
    await city.spans.claim("stabat", [StoredSpan("m1", 6, NOW - 60_000, NOW - 1_000)], NOW)
    await city.gaps.add("stabat", CUT, NOW)
    (row,) = await city.gaps.find("stabat", ALL)
    assert row.gap.from_ms == NOW - 50 * 60_000 - 70_000


async def test_receipts_of_an_older_version_narrow_nothing(city):
    await city.receipts.add("stabat", [BatchKey("gw-1", 6, 1)], NOW)
    await city.spans.claim("stabat", [StoredSpan("m1", 6, NOW - 60_000, NOW - 1_000)], NOW)
    await city.gaps.add("stabat", CUT, NOW)
    (row,) = await city.gaps.find("stabat", ALL)
    assert row.gap == CUT


async def test_where_older_batches_are_missing_nothing_is_sharpened(city):
    await stored(city, 6, 1, 2, 4, newest_ms=NOW - 1_000)
    await city.gaps.add("stabat", CUT, NOW)
    await stored(city, 9, 2, newest_ms=NOW - 1_000)
    await city.gaps.add("stabat", replace(CUT, epoch=10), NOW)
    assert [row.gap.from_ms for row in await city.gaps.find("stabat", ALL)] == [CUT.from_ms] * 2


async def test_only_a_power_cut_is_sharpened(city):
    await stored(city, 6, 1, newest_ms=NOW + 2_000)
    await city.gaps.add("stabat", ONE, NOW)
    assert [row.gap for row in await city.gaps.find("stabat", ALL)] == [ONE]


def test_sharpening_only_ever_narrows():
    for newest_ms in (None, 0, CUT.from_ms, NOW - 100_000, NOW, CUT.to_ms, CUT.to_ms + 10**9):
        gap = sharpened(CUT, newest_ms)
        assert CUT.from_ms <= gap.from_ms <= gap.to_ms == CUT.to_ms
        assert gap.told_from_ms == CUT.from_ms
