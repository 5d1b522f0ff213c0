"""A value that is not good keeps its quality from the wire to the API: a real gateway, a real cloud, either store."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.settings import Settings
from lentera_gateway.link import make_key
from lentera_gateway.link.key import load_key, public_key_text
from lentera_sim.run import RunningStreet, open_street
from lentera_sim.street import StreetPlan
from tests.cloud.support import running_server, settings_in

PLAN = StreetPlan(meters=3, lamps=2, tcp_every_s=0.5, lamp_every_s=2.0)
WITHIN_S = 20
ENERGY = "energy_active_import_t1"


@dataclass
class Site:
    """A street whose gateway reports to a cloud, and a client of its API."""

    street: RunningStreet
    client: httpx.AsyncClient

    async def points(self, device: str, quantity: str, form: str = "json") -> httpx.Response:
        asked = {"device": device, "quantity": quantity, "from": "-10m", "format": form}
        return await self.client.get("/v1/series", params=asked)

    async def until(self, device: str, quantity: str, found: Callable[[dict], bool]) -> dict:
        """Return the first point of a series that is as wanted; waits for it."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                answer = await self.points(device, quantity)
                for point in answer.json()["points"] if answer.status_code == 200 else ():
                    if point["values"][quantity] is not None and found(point):
                        return point
                await asyncio.sleep(0.1)


@pytest.fixture(params=["sqlite", "influxdb"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return settings_in(tmp_path, series="sqlite", series_path=tmp_path / "series")
    info = request.getfixturevalue("influxdb")
    return settings_in(tmp_path, series="influxdb", influx_url=info.url, influx_token=info.token, influx_org=info.org)


@pytest.fixture
async def site(settings: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    folder = tmp_path / "run"
    folder.mkdir()
    make_key(folder / "key.pem")
    token = await create_tenant_and_token(settings, f"city-{os.getpid()}-{settings.series}", "admin", "desk")
    async with (
        running_server(settings) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client,
    ):
        key = public_key_text(load_key(folder / "key.pem"))
        body = {"gateway_id": PLAN.gateway, "name": "", "public_key": key}
        assert (await client.post("/v1/gateways", json=body)).status_code == 201
        link = url.replace("http", "ws", 1) + "/v1/link"
        street = await open_street(PLAN, folder, cloud_url=link, key_file="key.pem")
        with (folder / "gateway.log").open("wb") as log:
            gateway = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lentera_gateway", str(folder / "gateway.yaml"), stdout=log, stderr=log
            )
        try:
            street.energise()
            yield Site(street, client)
        finally:
            gateway.terminate()
            await gateway.wait()
            await street.close()


async def test_each_quality_that_a_street_can_make_arrives_with_its_name(site):
    units = site.street.street.units
    good = await site.until("meter-market", ENERGY, lambda point: point["quality"] == "good")
    assert good["values"][ENERGY] > 0

    market = units["meter-market"]
    market.faults.exchange_meter(market.profile, site.street.street.meters["meter-market"].values(0), start=5.0)
    fallen = await site.until("meter-market", ENERGY, lambda point: point["quality"] == "implausible")
    assert fallen["values"][ENERGY] < good["values"][ENERGY]

    market.faults.exception = 4
    fault = await site.until("meter-market", "device_fault", lambda point: point["values"]["device_fault"] == 1)
    assert fault["quality"] == "device_fault"
    newest = (await site.client.get("/v1/devices/meter-market")).json()
    assert newest["latest"]["device_fault"]["quality"] == "device_fault"
    assert "exception 4" in newest["online_reason"]
    market.faults.exception = None
    over = await site.until("meter-market", "device_fault", lambda point: point["values"]["device_fault"] == 0)
    assert over["quality"] == "good"

    table = (await site.points("meter-market", "device_fault", "csv")).text.splitlines()
    assert table[0] == "at,device_fault [1],quality"
    assert {line.rsplit(",", 1)[1] for line in table[1:]} == {"device_fault", "good"}

    await site.until("lamp-001", "level_percent", lambda point: point["quality"] == "good")
    body = {"target": {"device": "lamp-001"}, "name": "set_level", "args": {"level_percent": 40}}
    assert (await site.client.post("/v1/commands", json=body)).status_code == 202
    # Its echo: what was kept for the gateway while it connected is uncertain too, at the level of before.
    dimmed = await site.until("lamp-001", "level_percent", lambda point: point["values"]["level_percent"] < 50)
    assert dimmed["values"]["level_percent"] == pytest.approx(40, abs=1)
    assert dimmed["quality"] == "suspect"
