"""Gateways that return from an outage at once, old ones among them: nothing is refused for good, nothing is lost."""

import asyncio

import pytest

from bench.returning import BATCHES, come_back, is_old, register
from bench.sealed import gateway_name
from bench.sim_gateway import Told
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from tests.cloud.support import running_server, settings_in

GATEWAYS = range(60)
TENANT = "stabat"
WITHIN_S = 240


@pytest.fixture
async def told(tmp_path) -> Told:
    """What the gateways were told by a cloud that they all came back to."""
    settings = settings_in(tmp_path, series="sqlite", series_path=tmp_path / "series")
    await register(settings.registry_url, TENANT, GATEWAYS)
    async with running_server(settings) as url:
        address = url.replace("http", "ws", 1) + "/v1/link"
        return await asyncio.wait_for(come_back(address, GATEWAYS, BATCHES), WITHIN_S)


async def test_every_backlog_is_stored_once_whatever_version_brings_it(tmp_path, told):
    assert {is_old(number) for number in GATEWAYS} == {True, False}
    assert told.refused == {}
    assert told.acked == len(GATEWAYS) * BATCHES
    registry = SqlRegistry(settings_in(tmp_path).registry_url)
    await registry.start()
    series = SqliteSeries(tmp_path / "series")
    await series.start()
    try:
        for number in GATEWAYS:
            stored = await registry.receipts.stored(TENANT, gateway_name(number), 3)
            assert list(stored) == [(1, BATCHES)], gateway_name(number)
            counts = await series.count(TENANT, f"lamp-3-{number:04}-00", 0, 1 << 42)
            assert set(counts.values()) == {4 * BATCHES}
            assert len(counts) == 6
        assert await registry.conflicts.counts(TENANT) == []
    finally:
        await series.close()
        await registry.close()
