"""One contract for every series store: a second, different value never replaces the first; it is kept beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.features.ingest.writer import GroupWriter, Pending, Verdict
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import ConflictCount, ConflictQuery, LatestValue, SeriesQuery, TimeSeries
from lentera_model.batch import BatchKey
from lentera_model.readings import Quality, Reading
from tests.cloud.series.model import HOUR_MS, T0, reading

ALL = (0, T0 + 1000 * HOUR_MS)
EVERYTHING = ConflictQuery(*ALL)


class Cloud:
    """A writer of one tenant over a store and a registry, and what it left behind."""

    def __init__(self, series: TimeSeries, registry: SqlRegistry, tenant: str) -> None:
        self.series = series
        self.registry = registry
        self.tenant = tenant
        self.shown: list[Reading] = []
        self.writer = GroupWriter(tenant, series, registry, SystemClock(), self._publish)

    async def _publish(self, event) -> None:
        self.shown.extend(event.readings)

    async def bring(self, sequence: int, *readings: Reading, epoch: int = 1) -> Verdict:
        """Bring one batch and wait for what became of it."""
        return (await self.bring_together([(epoch, sequence, readings)]))[0]

    async def bring_together(self, batches: Sequence[tuple[int, int, Sequence[Reading]]]) -> list[Verdict]:
        """Bring batches that wait for the writer at the same time, so that they are written as one group."""
        waiting = [
            Pending(BatchKey("gw-1", epoch, sequence), readings, (), asyncio.get_running_loop().create_future())
            for epoch, sequence, readings in batches
        ]
        for one in waiting:
            self.writer.submit(one)
        return list(await asyncio.gather(*(one.done for one in waiting)))

    async def stored(self, device: str = "m1") -> list[Reading]:
        return [one async for one in self.series.raw(self.tenant, device, *ALL)]

    async def conflicts(self, q: ConflictQuery = EVERYTHING) -> list[tuple[str, int, float, float, int, int]]:
        """What is kept beside: (quantity, time since T0, stored, other, epoch, sequence), the newest time first."""
        found = [row.conflict for row in await self.registry.conflicts.find(self.tenant, q)]
        return [(c.quantity, c.at_ms - T0, c.stored_value, c.other_value, c.key.epoch, c.key.sequence) for c in found]


@asynccontextmanager
async def running(series: TimeSeries, url: str, tenant: str) -> AsyncIterator[Cloud]:
    """A replica of the cloud, as far as this contract goes."""
    registry = SqlRegistry(url)
    await registry.start()
    await registry.tenants.create_tenant(tenant, tenant, 1)
    one = Cloud(series, registry, tenant)
    task = asyncio.create_task(one.writer.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await registry.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Address of a registry of its own."""
    return f"sqlite+aiosqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture
async def cloud(series: TimeSeries, url: str, tenant: str) -> AsyncIterator[Cloud]:
    """A cloud over each kind of store."""
    async with running(series, url, tenant) as one:
        yield one


async def test_the_first_value_stays_and_the_second_is_kept_beside_it(cloud):
    await cloud.bring(1, reading(T0, voltage_l1=230, energy_active_import=5))
    verdict = await cloud.bring(7, reading(T0, voltage_l1=231, energy_active_import=5), epoch=2)
    assert (verdict.code, verdict.refused) == (None, ())
    assert await cloud.stored() == [reading(T0, voltage_l1=230, energy_active_import=5)]
    assert await cloud.conflicts() == [("voltage_l1", 0, 230.0, 231.0, 2, 7)]
    assert await cloud.series.latest(cloud.tenant, ["m1"]) == {
        "m1": {"voltage_l1": LatestValue(230.0, T0), "energy_active_import": LatestValue(5.0, T0)}
    }
    for q in (SeriesQuery("m1", ("voltage_l1",), *ALL), SeriesQuery("m1", ("voltage_l1",), *ALL, HOUR_MS, "max")):
        assert [point.values for point in (await cloud.series.query(cloud.tenant, q)).points] == [{"voltage_l1": 230.0}]
    assert [one.values for one in cloud.shown] == [{"voltage_l1": 230.0, "energy_active_import": 5.0}]
    assert list(await cloud.registry.receipts.stored(cloud.tenant, "gw-1", 2)) == [(7, 7)]


async def test_the_same_values_again_are_no_conflict_whatever_batch_brings_them(cloud):
    third = Reading("m1", "p", T0, {"power_active_total": 1 / 3, "energy_active_import": 0.1 + 0.2, "voltage_l1": -0.0})
    await cloud.bring(1, third, reading(T0 + 1, voltage_l1=2))
    before = await cloud.stored()
    rounded = reading(T0, power_active_total=1 / 3, energy_active_import=0.1 + 0.2, voltage_l1=0.0)
    for sequence, epoch in ((1, 1), (2, 1), (1, 2)):
        await cloud.bring(sequence, third, rounded, reading(T0 + 1, voltage_l1=2), epoch=epoch)
    assert await cloud.stored() == before
    assert await cloud.series.count(cloud.tenant, "m1", *ALL) == {
        "power_active_total": 1,
        "energy_active_import": 1,
        "voltage_l1": 2,
    }
    assert await cloud.conflicts() == []
    assert len(cloud.shown) == 2


async def test_a_counters_last_digit_is_a_conflict(cloud):
    await cloud.bring(1, reading(T0, energy_active_import=1_000_000_000.1))
    await cloud.bring(2, reading(T0, energy_active_import=1_000_000_000.2))
    assert await cloud.conflicts() == [("energy_active_import", 0, 1_000_000_000.1, 1_000_000_000.2, 1, 2)]


async def test_what_is_new_at_an_instant_joins_it_and_what_differs_does_not(cloud):
    """Of column sets too: the older set of a device must not win over the value that came first."""
    await cloud.bring(1, reading(T0 - 5, voltage_l1=1, power_active_total=1))
    await cloud.bring(2, reading(T0, voltage_l1=230))
    await cloud.bring(3, reading(T0, quality=Quality.SUSPECT, voltage_l1=99, power_active_total=700))
    await cloud.bring(4, reading(T0, power_active_total=701, frequency=50))
    assert (await cloud.stored())[1:] == [
        reading(T0, quality=Quality.SUSPECT, voltage_l1=230, power_active_total=700, frequency=50)
    ]
    assert await cloud.conflicts() == [
        ("power_active_total", 0, 700.0, 701.0, 1, 4),
        ("voltage_l1", 0, 230.0, 99.0, 1, 3),
    ]


async def test_two_values_in_one_batch_and_in_one_group_are_seen_too(cloud):
    await cloud.bring(1, reading(T0, voltage_l1=1), reading(T0, voltage_l1=2, frequency=50))
    await cloud.bring_together(
        [
            (1, 2, [reading(T0 + 10, voltage_l1=3), reading(T0 + 20, voltage_l1=4)]),
            (1, 3, [reading(T0 + 15, voltage_l1=5), reading(T0 + 20, voltage_l1=6)]),
            (2, 1, [reading(T0 + 10, voltage_l1=3)]),
        ]
    )
    assert [(one.at_ms - T0, dict(one.values)) for one in await cloud.stored()] == [
        (0, {"voltage_l1": 1.0, "frequency": 50.0}),
        (10, {"voltage_l1": 3.0}),
        (15, {"voltage_l1": 5.0}),
        (20, {"voltage_l1": 4.0}),
    ]
    assert await cloud.conflicts() == [("voltage_l1", 20, 4.0, 6.0, 1, 3), ("voltage_l1", 0, 1.0, 2.0, 1, 1)]


async def test_every_different_value_is_kept_once(cloud):
    await cloud.bring(1, reading(T0, voltage_l1=1))
    for sequence, value in enumerate((2, 3, 2, 1, 3), 2):
        await cloud.bring(sequence, reading(T0, voltage_l1=value))
    assert await cloud.conflicts() == [("voltage_l1", 0, 1.0, 2.0, 1, 2), ("voltage_l1", 0, 1.0, 3.0, 1, 3)]
    assert await cloud.registry.conflicts.counts(cloud.tenant) == [ConflictCount("m1", "voltage_l1", 2)]


async def test_a_late_reading_between_stored_ones_is_stored(cloud):
    await cloud.bring(1, reading(T0, voltage_l1=1), reading(T0 + 60_000, voltage_l1=2))
    await cloud.bring(2, reading(T0 + 30_000, voltage_l1=3), reading(T0 + 60_000, voltage_l1=2))
    assert [one.values["voltage_l1"] for one in await cloud.stored()] == [1, 3, 2]
    assert await cloud.conflicts() == []


async def test_it_is_seen_after_compaction_and_by_the_next_process(cloud, url):
    await cloud.bring(1, *(reading(T0 + n * 10_000, voltage_l1=n) for n in range(1_000)))
    await cloud.series.maintain(T0 + 10 * HOUR_MS)
    async with running(cloud.series, url, cloud.tenant) as other:
        await other.bring(1, *(reading(T0 + n * 10_000, voltage_l1=n + (n % 500 == 0)) for n in range(1_000)), epoch=2)
        assert await other.conflicts() == [
            ("voltage_l1", 5_000_000, 500.0, 501.0, 2, 1),
            ("voltage_l1", 0, 0.0, 1.0, 2, 1),
        ]
    assert [one.values["voltage_l1"] for one in await cloud.stored()] == list(range(1_000))


async def test_replicas_by_turns_see_each_others_values(cloud, url):
    async with running(cloud.series, url, cloud.tenant) as other:
        await cloud.bring(1, reading(T0, voltage_l1=1))
        await other.bring(2, reading(T0 + 10, voltage_l1=2))
        await cloud.bring(3, reading(T0 + 10, voltage_l1=3), reading(T0 + 20, voltage_l1=4))
        await other.bring(4, reading(T0 + 20, voltage_l1=5))
    assert [one.values["voltage_l1"] for one in await cloud.stored()] == [1, 2, 4]
    assert await cloud.conflicts() == [("voltage_l1", 20, 4.0, 5.0, 1, 4), ("voltage_l1", 10, 2.0, 3.0, 1, 3)]


async def test_devices_and_tenants_do_not_contradict_each_other(cloud, url, new_tenant):
    await cloud.bring(1, reading(T0, "m1", voltage_l1=1), reading(T0, "m2", voltage_l1=2))
    async with running(cloud.series, url, new_tenant()) as theirs:
        await theirs.bring(1, reading(T0, "m1", voltage_l1=3))
        await theirs.bring(2, reading(T0, "m1", voltage_l1=4))
        assert await theirs.conflicts() == [("voltage_l1", 0, 3.0, 4.0, 1, 2)]
    assert await cloud.conflicts() == []
    assert await cloud.stored("m2") == [reading(T0, "m2", voltage_l1=2)]


async def test_conflicts_are_found_by_device_quantity_and_time(cloud):
    for sequence, value in ((1, 1), (2, 2)):
        rows = [reading(T0 + n, f"m{n % 2}", voltage_l1=value, frequency=49 + value) for n in range(4)]
        await cloud.bring(sequence, *rows)
    assert len(await cloud.conflicts()) == 8
    assert [one[1] for one in await cloud.conflicts(ConflictQuery(*ALL, limit=3))] == [3, 3, 2]
    mine = ConflictQuery(T0 + 1, T0 + 3, "m1", "frequency")
    assert await cloud.conflicts(mine) == [("frequency", 1, 50.0, 51.0, 1, 2)]
    assert await cloud.registry.conflicts.counts(cloud.tenant) == [
        ConflictCount(device, name, 2) for device in ("m0", "m1") for name in ("frequency", "voltage_l1")
    ]


async def test_what_no_store_may_hold_is_still_refused_where_a_value_is_stored(cloud):
    await cloud.bring(1, reading(T0, voltage_l1=1))
    bad = Reading("m1", "", T0, {"voltage_l1": float("nan")})
    verdict = await cloud.bring(2, bad, reading(T0 + 1, "m2", voltage_l1=2))
    assert [(one.device, one.code) for one in verdict.refused] == [("m1", "store_refused")]
    assert await cloud.stored("m2") == [reading(T0 + 1, "m2", voltage_l1=2)]
    assert await cloud.conflicts() == []


async def test_a_repeat_of_what_the_store_refuses_is_not_lost_with_it(cloud):
    bad = Reading("m1", "", T0, {"voltage_l1": 1.0, "frequency": float("inf")})
    first, second, third = await cloud.bring_together(
        [(1, 1, [bad]), (1, 2, [reading(T0, voltage_l1=1)]), (1, 3, [reading(T0, voltage_l1=2)])]
    )
    assert (first.code, second.code, third.code) == ("store_refused", None, None)
    assert await cloud.stored() == [reading(T0, voltage_l1=1)]
    assert [one.values for one in cloud.shown] == [{"voltage_l1": 1.0}]
    assert await cloud.conflicts() == [("voltage_l1", 0, 1.0, 2.0, 1, 3)]


async def test_where_nothing_overlaps_the_store_is_not_read(cloud, monkeypatch):
    asked: list[tuple[int, int]] = []
    real = cloud.series.raw

    def raw(tenant, device, from_ms, to_ms):
        asked.append((from_ms - T0, to_ms - T0))
        return real(tenant, device, from_ms, to_ms)

    monkeypatch.setattr(cloud.series, "raw", raw)
    for n in range(20):
        await cloud.bring(n + 1, reading(T0 + 1_000 * n, voltage_l1=n), reading(T0 + 1_000 * n + 500, voltage_l1=n))
    assert asked == []
    await cloud.bring(21, reading(T0 + 5_000, voltage_l1=5), reading(T0 + 20_000, voltage_l1=20))
    assert asked == [(5_000, 5_001)]
