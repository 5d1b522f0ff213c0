"""Groups that are written at the same time: never two whose times overlap, and none waits for one that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from lentera_cloud.adapters.memory_series import MemorySeries
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.features.ingest.turns import Turns
from lentera_cloud.features.ingest.writer import LARGE_GROUP_VALUES, MAX_GROUP_VALUES, GroupWriter, Pending, Verdict
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import ConflictQuery
from lentera_model.batch import BatchKey
from lentera_model.readings import Reading
from tests.cloud.series.model import T0

WITHIN_S = 60
NAMES = tuple(f"voltage_l{n}" for n in range(1, 4))


async def test_a_turn_waits_for_the_older_ones_that_it_overlaps_alone():
    turns = Turns()
    first = turns.take({"m1": [(0, 10), (50, 60)], "m2": [(0, 5)]})
    apart = turns.take({"m1": [(11, 49)], "m3": [(0, 60)]})
    shares = turns.take({"m1": [(60, 70)]})
    behind = turns.take({"m1": [(70, 80)]})
    await asyncio.wait_for(asyncio.gather(first.come(), apart.come()), WITHIN_S)
    waiting = [asyncio.create_task(one.come()) for one in (shares, behind)]
    apart.end()
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    first.end()
    await asyncio.wait_for(waiting[0], WITHIN_S)
    assert not waiting[1].done()
    shares.end()
    await asyncio.wait_for(waiting[1], WITHIN_S)
    behind.end()
    assert not turns.under_way


class Held(MemorySeries):
    """A store that keeps each write waiting until it is let through by the device that it brings first."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[str, int]] = []
        self.changed = asyncio.Condition()
        self.let_through: set[str] = set()

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        async with self.changed:
            self.begun.append((readings[0].device, len(readings)))
            self.changed.notify_all()
            await self.changed.wait_for(lambda: readings[0].device in self.let_through)
        await super().write(tenant, readings)

    async def begins(self, writes: int) -> None:
        """Wait until so many writes have begun."""
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(lambda: len(self.begun) >= writes)

    async def let(self, *devices: str) -> None:
        """Let writes of these devices through."""
        async with self.changed:
            self.let_through.update(devices)
            self.changed.notify_all()


class Cloud:
    """A writer over such a store and a registry."""

    def __init__(self, registry: SqlRegistry) -> None:
        self.series = Held()
        self.registry = registry
        self.writer = GroupWriter("stabat", self.series, registry, SystemClock(), self._publish)
        self._sequence = 0

    async def _publish(self, _event) -> None:
        pass

    def bring(self, device: str, rows: int, from_ms: int = T0, value: float = 1.0) -> asyncio.Future[Verdict]:
        """Submit a batch of so many rows, a second apart."""
        self._sequence += 1
        readings = [Reading(device, "", from_ms + 1_000 * n, dict.fromkeys(NAMES, value)) for n in range(rows)]
        key = BatchKey("gw-1", 1, self._sequence)
        pending = Pending(key, readings, (), asyncio.get_running_loop().create_future())
        self.writer.submit(pending)
        return pending.done


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    registry = SqlRegistry(f"sqlite+aiosqlite:///{tmp_path / 'registry.db'}")
    await registry.start()
    await registry.tenants.create_tenant("stabat", "Stabat", 1)
    one = Cloud(registry)
    task = asyncio.create_task(one.writer.run())
    yield one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await registry.close()


LARGE = LARGE_GROUP_VALUES // len(NAMES) + 1


async def test_a_large_group_is_written_beside_one_that_the_store_keeps_waiting(cloud):
    slow = cloud.bring("slow", 1)
    await cloud.series.begins(1)
    quick = cloud.bring("quick", LARGE)
    await cloud.series.let("quick")
    assert (await asyncio.wait_for(quick, WITHIN_S)).code is None
    assert not slow.done()
    await cloud.series.let("slow")
    await asyncio.wait_for(slow, WITHIN_S)
    assert list(await cloud.registry.receipts.stored("stabat", "gw-1", 1)) == [(1, 2)]


async def test_a_group_that_overlaps_one_under_way_waits_and_finds_its_values(cloud):
    first = cloud.bring("m1", 1)
    await cloud.series.begins(1)
    second = cloud.bring("m1", LARGE, value=2.0)  # the same first second
    other = cloud.bring("m2", MAX_GROUP_VALUES // len(NAMES))
    third = cloud.bring("m3", LARGE)
    await cloud.series.let("m3")
    assert (await asyncio.wait_for(third, WITHIN_S)).code is None
    assert len(cloud.series.begun) == 2
    assert not second.done()
    assert not other.done()
    await cloud.series.let("m1")
    await asyncio.wait_for(asyncio.gather(first, second, other), WITHIN_S)
    (point,) = [one async for one in cloud.series.raw("stabat", "m1", T0, T0 + 1)]
    assert point.values == dict.fromkeys(NAMES, 1.0)
    found = await cloud.registry.conflicts.find("stabat", ConflictQuery(0, T0 * 2))
    assert {(row.conflict.quantity, row.conflict.stored_value, row.conflict.other_value) for row in found} == {
        (name, 1.0, 2.0) for name in NAMES
    }


async def test_what_is_little_waits_to_be_written_together(cloud):
    first = cloud.bring("m1", 1)
    await cloud.series.begins(1)
    later = [cloud.bring("m2", 1, T0 + 1_000 * n) for n in range(30)]
    await cloud.series.let("m1", "m2")
    await asyncio.wait_for(asyncio.gather(first, *later), WITHIN_S)
    assert cloud.series.begun == [("m1", 1), ("m2", 30)]
