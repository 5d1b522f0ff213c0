"""A started series store of each kind, and tenants that no other test uses."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lentera_cloud.adapters.influx_series import InfluxSeries
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.ports import TimeSeries
from tests.cloud.series.model import KINDS

_numbers = itertools.count()


@pytest.fixture
def new_tenant() -> Callable[[], str]:
    """A function that gives a fresh tenant each time: the InfluxDB server is shared by the run."""
    return lambda: f"t{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def tenant(new_tenant: Callable[[], str]) -> str:
    """A tenant that has nothing stored."""
    return new_tenant()


@pytest.fixture(params=KINDS)
async def series(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TimeSeries]:
    """A started, empty store: every test that takes it runs once on each kind."""
    if request.param == "memory":
        from lentera_cloud.adapters.memory_series import MemorySeries

        store: TimeSeries = MemorySeries()
    elif request.param == "sqlite":
        store = SqliteSeries(tmp_path / "series")
    else:
        info = request.getfixturevalue("influxdb")
        store = InfluxSeries(info.url, info.token, info.org)
    await store.start()
    yield store
    await store.close()
