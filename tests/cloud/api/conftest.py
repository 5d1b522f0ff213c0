"""A running cloud for each test: in this process, or as a real server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.settings import Settings
from tests.cloud.support import Api, Board, running_app, running_server, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh cloud."""
    return settings_in(tmp_path)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """A running application with tokens."""
    async with running_app(settings) as one:
        yield one


@dataclass
class Site:
    """A real server, an administrator's client, and a registered gateway's key."""

    url: str
    client: httpx.AsyncClient
    board: Board

    async def latest(self, device_id: str) -> dict[str, float]:
        """Newest values of a device."""
        answer = await self.client.get(f"/v1/devices/{device_id}")
        return {name: one["value"] for name, one in answer.json()["latest"].items()}

    async def register(self, board: Board) -> None:
        """Register another gateway."""
        body = {"gateway_id": board.gateway_id, "name": "", "public_key": board.public_key}
        assert (await self.client.post("/v1/gateways", json=body)).status_code == 201


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    """A real server with one registered gateway."""
    token = await create_tenant_and_token(settings, "stabat", "admin", "desk")
    async with (
        running_server(settings) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=40) as client,
    ):
        one = Site(url, client, Board())
        await one.register(one.board)
        yield one
