"""What goes wrong on a street shows in its completeness with the right reason: a real gateway and a real cloud."""

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.settings import Settings
from lentera_gateway.link import make_key
from lentera_gateway.link.key import load_key, public_key_text
from lentera_sim.ledger import read_ledger
from lentera_sim.run import RunningStreet, open_street
from lentera_sim.street import StreetPlan
from tests.cloud.support import running_server, settings_in

PLAN = StreetPlan(meters=3, lamps=2, tcp_every_s=0.5, serial_every_s=1.0, lamp_every_s=1.0, reports={})
METER, ENERGY = "meter-market", "energy_active_import_t1"
WITHIN_S = 60


@dataclass
class Site:
    """A street, its gateway as a process, and a client of the cloud's API."""

    street: RunningStreet
    client: httpx.AsyncClient
    folder: Path
    gateway: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        with (self.folder / "gateway.log").open("ab") as log:
            self.gateway = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lentera_gateway", str(self.folder / "gateway.yaml"), stdout=log, stderr=log
            )

    async def stop(self) -> None:
        if self.gateway is not None and self.gateway.returncode is None:
            self.gateway.terminate()
            await self.gateway.wait()

    async def device(self) -> dict:
        return (await self.client.get(f"/v1/devices/{METER}")).json()

    async def completeness(self) -> dict[tuple[str, str], dict]:
        """(device, quantity) -> numbers of this hour and the last."""
        asked = {"from": "-1h", "by": "quantity", "limit": 1000}
        answer = await self.client.get("/v1/completeness", params=asked)
        return {(item["device_id"], item["quantity"]): item for item in answer.json().get("items", ())}

    async def until(self, found: Callable[[], Awaitable[object]], what: str) -> None:
        """Wait until a question (awaited) has a true answer."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not await found():
                    await asyncio.sleep(0.2)
        except TimeoutError:
            numbers = {place: one["reasons"] for place, one in (await self.completeness()).items()}
            raise AssertionError(f"waited in vain: {what}; {numbers}\n{self.log()}") from None

    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()[-3000:]

    async def reads(self) -> None:
        """Wait for a reading that is newer than now."""
        before = (await self.device()).get("last_reading_at")

        async def newer() -> bool:
            return (await self.device()).get("last_reading_at") != before

        await self.until(newer, "a new reading")

    async def offline(self) -> None:
        async def is_offline() -> bool:
            return (await self.device()).get("online") is False

        await self.until(is_offline, "the meter to be offline")

    def produced(self) -> Counter[tuple[str, str]]:
        """What the devices have answered: (device, quantity) -> values."""
        entries = read_ledger(self.folder / "ledger.jsonl")
        return Counter((entry.device, quantity) for entry in entries for quantity in entry.values)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@asynccontextmanager
async def a_site(settings: Settings, folder: Path) -> AsyncIterator[Site]:
    """A street whose gateway will find its cloud where the settings put it."""
    folder.mkdir()
    make_key(folder / "key.pem")
    token = await create_tenant_and_token(settings, "stabat", "admin", "desk")
    url = f"http://127.0.0.1:{settings.port}"
    street = await open_street(PLAN, folder, cloud_url=f"ws://127.0.0.1:{settings.port}/v1/link", key_file="key.pem")
    try:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            site = Site(street, client, folder)
            try:
                yield site
            finally:
                await site.stop()
    finally:
        await street.close()


async def register(site: Site) -> None:
    key = public_key_text(load_key(site.folder / "key.pem"))
    body = {"gateway_id": PLAN.gateway, "name": "", "public_key": key}
    assert (await site.client.post("/v1/gateways", json=body)).status_code == 201


async def trouble(site: Site) -> None:
    """A meter that is dead for a while, and then its cable."""
    unit, host = site.street.street.units[METER], site.street.wires.hosts[METER]
    await site.reads()
    unit.faults.dead = True
    await site.offline()
    unit.faults.dead = False
    await site.reads()
    await host.unplug()
    await site.offline()
    await host.plug()
    await site.reads()


async def test_each_trouble_of_a_street_has_its_reason_and_a_backlog_makes_it_complete(tmp_path):
    settings = settings_in(tmp_path, series="sqlite", series_path=tmp_path / "series", port=free_port())
    async with a_site(settings, tmp_path / "run") as site:
        async with running_server(settings):
            await register(site)
            site.street.energise()
            await site.start()
            await trouble(site)
        before = site.produced()
        await asyncio.sleep(3)  # the cloud is away, and the gateway reads on
        assert site.produced()[METER, ENERGY] > before[METER, ENERGY]
        async with running_server(settings):
            await site.reads()  # the backlog comes, whichever was newest before
            await site.street.quieten()
            await site.stop()
            await site.start()  # tells what the end before has cost, and what it had counted
            await judge(site)


async def judge(site: Site) -> None:
    """Every value that a device gave is there, and every read that it did not answer has its reason."""

    async def told() -> bool:
        meter = (await site.completeness()).get((METER, ENERGY), {}).get("reasons", {})
        return {"bus_down", "stopped"} <= meter.keys() and bool({"silent", "resting"} & meter.keys())

    await site.until(told, "the gateway's tally of the hour and its known gap")
    await site.stop()

    async def complete() -> bool:
        """The street writes its ledger a moment after it has answered."""
        meter = (await site.completeness())[METER, ENERGY]
        return meter["received"] + meter["extra"] == site.produced()[METER, ENERGY]

    await site.until(complete, "all that the meter has answered, and no more, to be stored")
    found = await site.completeness()
    for (device, quantity), one in found.items():
        assert one["expected"] == one["received"] + one["unchanged"] + one["estimated"] + one["missing"], (device, one)
        assert sum(one["reasons"].values()) == one["missing"]
        assert "unknown" not in one["reasons"], (device, quantity, one)
        if device != METER and device.startswith("meter"):  # on a busy machine it may be silent, but its line is there
            assert "bus_down" not in one["reasons"], (device, quantity, one)
