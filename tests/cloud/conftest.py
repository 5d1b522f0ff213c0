"""Fixtures of the cloud's tests: fresh registries on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lentera_cloud.adapters.sql import SqlRegistry


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a fresh database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'registry.db'}"
    return request.getfixturevalue("postgres_database").url


@pytest.fixture
async def registry(registry_url: str) -> AsyncIterator[SqlRegistry]:
    """Give a started, empty registry."""
    one = SqlRegistry(registry_url)
    await one.start()
    yield one
    await one.close()
