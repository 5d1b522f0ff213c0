"""Stored spans: the contract on SQLite and PostgreSQL, with replicas, and what an upgrade makes of older data."""

import asyncio
import time
from pathlib import Path

import pytest
from alembic import command as alembic_command
from alembic.config import Config
from sqlalchemy import Connection, text

import lentera_cloud.adapters.sql as package
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.domain.spans import HOLE_MS, SPANS_AN_EPOCH, StoredSpan

NOW = 1_790_000_000_000


def span(from_ms: int, to_ms: int, epoch: int = 1, device: str = "m1") -> StoredSpan:
    return StoredSpan(device, epoch, NOW + from_ms, NOW + to_ms)


@pytest.fixture
async def city(registry: SqlRegistry) -> SqlRegistry:
    """A registry with two tenants."""
    for tenant in ("stabat", "binjai"):
        await registry.tenants.create_tenant(tenant, tenant, NOW)
    return registry


async def test_a_claim_that_meets_nothing_extends_its_epochs_span(city):
    assert await city.spans.claim("stabat", [span(0, 10), span(0, 4, device="m2")], NOW) == {}
    assert await city.spans.claim("stabat", [span(11, 20)], NOW) == {}
    assert await city.spans.claim("stabat", [], NOW) == {}
    assert await city.spans.of_device("stabat", "m1") == [span(0, 20)]
    assert await city.spans.of_device("stabat", "m2") == [span(0, 4, device="m2")]


async def test_a_claim_meets_what_any_epoch_claimed_before(city):
    await city.spans.claim("stabat", [span(0, 10), span(20, 30, epoch=2)], NOW)
    met = await city.spans.claim("stabat", [span(5, 25, epoch=3), span(0, 9, device="m2")], NOW)
    assert met == {"m1": [(NOW + 5, NOW + 10), (NOW + 20, NOW + 25)]}
    assert await city.spans.claim("stabat", [span(0, 10)], NOW) == {"m1": [(NOW, NOW + 10)]}


async def test_spans_of_tenants_and_devices_are_apart(city):
    await city.spans.claim("stabat", [span(0, 10)], NOW)
    assert await city.spans.claim("binjai", [span(0, 10)], NOW) == {}
    assert await city.spans.claim("stabat", [span(0, 10, device="m10")], NOW) == {}
    await city.spans.claim("binjai", [span(50, 60)], NOW)
    assert await city.spans.of_device("stabat", "m1") == [span(0, 10)]


async def test_a_backlog_behind_live_data_joins_up_without_meeting_it(city):
    live = 24 * HOLE_MS
    await city.spans.claim("stabat", [span(0, 10)], NOW)
    await city.spans.claim("stabat", [span(live, live + 10)], NOW)
    assert len(await city.spans.of_device("stabat", "m1")) == 2
    for begin in range(11, live - HOLE_MS, HOLE_MS):
        assert await city.spans.claim("stabat", [span(begin, begin + HOLE_MS - 1)], NOW) == {}
    assert await city.spans.of_device("stabat", "m1") == [span(0, live + 10)]


async def test_spans_of_an_epoch_stay_few_and_cover_everything(city):
    begins = [n * 2 * HOLE_MS for n in range(3 * SPANS_AN_EPOCH)]
    for begin in begins:
        await city.spans.claim("stabat", [span(begin, begin)], NOW)
    assert len(await city.spans.of_device("stabat", "m1")) == SPANS_AN_EPOCH
    met = await city.spans.claim("stabat", [span(begin, begin, epoch=2) for begin in begins], NOW)
    assert met == {"m1": [(NOW + begin, NOW + begin) for begin in begins]}


async def test_more_devices_than_one_statement_takes(city):
    many = [span(0, 1, device=f"lamp-{n}") for n in range(1_200)]
    assert await city.spans.claim("stabat", many, NOW) == {}
    assert len(await city.spans.claim("stabat", many, NOW)) == 1_200


async def test_of_replicas_that_claim_the_same_at_once_one_alone_meets_nothing(city, registry_url):
    replicas = [SqlRegistry(registry_url) for _ in range(4)]
    await asyncio.gather(*(one.start() for one in replicas))
    for round_ in range(10):
        begin = round_ * 10 * HOLE_MS
        answers = await asyncio.gather(*(one.spans.claim("stabat", [span(begin, begin + 5)], NOW) for one in replicas))
        assert sorted(map(len, answers)) == [0, 1, 1, 1]
    await asyncio.gather(*(one.close() for one in replicas))


async def test_epochs_long_silent_are_folded_and_still_met(city):
    for epoch in range(1, 101):
        await city.spans.claim("stabat", [span(epoch * 1_000, epoch * 1_000 + 500, epoch)], NOW)
        await city.spans.claim("binjai", [span(0, 1, epoch=epoch % 3)], NOW)
    await city.spans.claim("stabat", [span(500_000_000, 500_000_001, epoch=101)], NOW + 10)
    assert await city.spans.fold(NOW) == 0
    assert await city.spans.fold(NOW + 5) == 99
    assert await city.spans.of_device("stabat", "m1") == [
        span(1_000, 100_500, epoch=0),
        span(500_000_000, 500_000_001, epoch=101),
    ]
    assert await city.spans.claim("stabat", [span(70_100, 70_100, epoch=102)], NOW) == {"m1": [(NOW + 70_100,) * 2]}
    assert len(await city.spans.of_device("binjai", "m1")) == 3
    assert await city.spans.fold(NOW + 5) == 0


def to_second_schema(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    alembic_command.upgrade(config, "0002")


OLD_ROWS = """
INSERT INTO tenant VALUES ('stabat', 'Stabat', 1);
INSERT INTO gateway (gateway_id, tenant, name, public_key, created_at_ms) VALUES ('gw-1', 'stabat', '', 'k', 1);
INSERT INTO device (tenant, device_id, name, kind, profile, gateway_id, bus, address, declared_at_ms, declared)
VALUES ('stabat', 'm1', '', 'meter', 'p', 'gw-1', 'b', '1', 1, true)
"""


async def test_all_the_past_of_an_older_registrys_devices_may_be_stored(registry_url):
    database = Database(registry_url)
    async with database.engine.connect() as connection:
        await connection.execution_options(lentera_writes=True)
        async with connection.begin():
            await connection.run_sync(to_second_schema)
            for statement in OLD_ROWS.split(";"):
                await connection.execute(text(statement))
    await database.close()
    registry = SqlRegistry(registry_url)
    await registry.start()
    now_ms = time.time_ns() // 1_000_000
    yesterday, tomorrow = now_ms - 86_400_000, now_ms + 86_400_000
    old, new = StoredSpan("m1", 7, yesterday, yesterday + 5), StoredSpan("m1", 7, tomorrow, tomorrow)
    assert await registry.spans.claim("stabat", [old, new], NOW) == {"m1": [(yesterday, yesterday + 5)]}
    assert await registry.spans.claim("stabat", [StoredSpan("m2", 7, yesterday, yesterday)], NOW) == {}
    await registry.close()
