"""Two replicas of the cloud on one PostgreSQL and one store of readings, as real servers of this event loop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from lentera_cloud import serve
from lentera_cloud.adapters.local_signals import LocalSignals
from lentera_cloud.adapters.memory_series import MemorySeries
from lentera_cloud.app import open_signals
from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.ports import Signals
from lentera_cloud.settings import Settings
from tests.cloud.support import Board, running_server, settings_in


@dataclass
class Replica:
    """One of the two: its address and an administrator's client of it."""

    url: str
    client: httpx.AsyncClient

    async def ask(self, path: str) -> Any:
        """Ask its API."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Pair:
    """Both replicas, what they share, and a registered gateway's key."""

    a: Replica
    b: Replica
    series: MemorySeries
    board: Board

    async def register(self, board: Board) -> None:
        """Register another gateway."""
        body = {"gateway_id": board.gateway_id, "name": "", "public_key": board.public_key}
        assert (await self.a.client.post("/v1/gateways", json=body)).status_code == 201


@pytest.fixture(params=["signals", "no signals"])
def signals(request: pytest.FixtureRequest) -> str:
    """Whether what one replica tells reaches the other; if not, its beat must find out."""
    return request.param


@pytest.fixture
def settings(tmp_path, postgres_database) -> Settings:
    """The settings of both, with the shortest lease."""
    return settings_in(tmp_path, registry_url=postgres_database.url, replica_lease_s=3)


@pytest.fixture
async def pair(settings: Settings, signals: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """Two running replicas."""
    series, create = MemorySeries(), serve.create_app

    def way(settings: Settings, replica: str) -> Signals:
        return open_signals(settings, replica) if signals == "signals" else LocalSignals()

    monkeypatch.setattr("lentera_cloud.app.open_signals", way)
    monkeypatch.setattr(serve, "create_app", lambda settings: create(settings, series=series))
    token = await create_tenant_and_token(settings, "stabat", "admin", "desk")
    async with AsyncExitStack() as stack:
        replicas = []
        for _ in range(2):
            url = await stack.enter_async_context(running_server(settings))
            client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
            replicas.append(Replica(url, await stack.enter_async_context(client)))
        one = Pair(replicas[0], replicas[1], series, Board())
        await one.register(one.board)
        yield one
