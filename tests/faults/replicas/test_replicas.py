"""Two real replicas behind one address, one of them killed again and again: nothing is lost, nothing twice.

PostgreSQL and InfluxDB are real. The gateways keep what is not acknowledged; the judge compares what they measured with
what lies in the store, value by value. LENTERA_FAULTS=long kills more often, with another seed each run.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.settings import Settings
from tests.cloud.replicas.forwarder import Forwarder, open_forwarder
from tests.cloud.support import now_ms
from tests.faults.network.rig import TENANT, CloudProcess
from tests.faults.replicas.fleet import SimGateway, until

LONG = os.environ.get("LENTERA_FAULTS") == "long"
SEED = int(os.environ.get("LENTERA_FAULTS_SEED") or (random.SystemRandom().randrange(1 << 32) if LONG else 20_261_129))
GATEWAYS = 30 if LONG else 8
KILLS = 20 if LONG else 2
LEASE_S = 3
WITHIN_S = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800 if LONG else 600)]


@dataclass
class Pair:
    """Both replicas, the address before them, the gateways and a client of each replica."""

    dice: random.Random
    replicas: list[CloudProcess]
    forwarder: Forwarder
    fleet: list[SimGateway] = field(default_factory=list)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def logs(self) -> str:
        """The end of what both said."""
        return "\n---\n".join(one.log()[-2_000:] for one in self.replicas)

    async def ask(self, replica: int, path: str) -> dict:
        """Ask a replica."""
        answer = await self.clients[replica].get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def dim(self, replica: int, gateway: SimGateway) -> None:
        """Command a lamp through a replica and see that its gateway carried it out, once."""
        body = {"target": {"device": gateway.lamp}, "name": "set_level", "args": {"level_percent": 40}, "ttl_s": 120}
        answer = await self.clients[replica].post("/v1/commands", json=body)
        assert answer.status_code == 202, answer.text
        made = answer.json()
        async with asyncio.timeout(WITHIN_S):
            while (found := await self.ask(replica, f"/v1/commands/{made['command_id']}?wait_s=20"))[
                "status"
            ] == "running":
                continue
        assert found["status"] == "succeeded", found
        assert gateway.done.count(made["executions"][0]["execution_id"]) == 1

    async def online(self, replica: int) -> set[str]:
        """Which gateways a replica says are connected."""
        return {one["gateway_id"] for one in (await self.ask(replica, "/v1/gateways"))["items"] if one["online"]}

    async def until_online(self, replica: int, wanted: set[str]) -> None:
        """Wait until a replica says exactly that."""
        async with asyncio.timeout(WITHIN_S):
            while await self.online(replica) != wanted:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def open_pair(folder: Path, registry_url: str, influx) -> AsyncIterator[Pair]:
    """Start both replicas and the fleet."""
    async with AsyncExitStack() as stack:
        replicas = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            one = CloudProcess(folder / name, influx)
            one.environ |= {
                "LENTERA_REGISTRY_URL": registry_url,
                "LENTERA_SECRET_FILE": str(folder / "secret"),
                "LENTERA_REPLICA_LEASE_S": str(LEASE_S),
            }
            stack.push_async_callback(one.close)
            replicas.append(one)
        settings = Settings.model_validate({key[8:].lower(): value for key, value in replicas[0].environ.items()})
        token = await create_tenant_and_token(settings, TENANT, "admin", "faults")
        await asyncio.gather(*(one.start() for one in replicas))
        forwarder = await stack.enter_async_context(open_forwarder([one.port for one in replicas]))
        pair = Pair(random.Random(SEED), replicas, forwarder)
        for one in replicas:
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{one.port}", headers=headers, timeout=60, trust_env=False
            )
            pair.clients.append(await stack.enter_async_context(client))
        begin_ms = now_ms() - 3_600_000
        for number in range(GATEWAYS):
            gateway = SimGateway(number, pair.dice, begin_ms)
            body = {"gateway_id": gateway.board.gateway_id, "name": "", "public_key": gateway.board.public_key}
            assert (await pair.clients[number % 2].post("/v1/gateways", json=body)).status_code == 201
            pair.fleet.append(gateway)
        url = f"http://127.0.0.1:{forwarder.port}"
        tasks = [asyncio.create_task(gateway.run(url)) for gateway in pair.fleet]
        stack.push_async_callback(_end, tasks)
        yield pair


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def measuring(pair: Pair) -> None:
    """Let every gateway measure on and on."""
    while True:
        for gateway in pair.fleet:
            gateway.measure(pair.dice.randrange(1, 6))
        await asyncio.sleep(0.25)


async def judge(pair: Pair) -> int:
    """Compare the store with what was measured; return how many values there are."""
    series = pair.replicas[0].open_series()
    await series.start()
    values = 0
    try:
        for gateway in pair.fleet:
            assert gateway.refused == []
            stored: dict[tuple[str, int], dict[str, float]] = {}
            for device in (gateway.meter, gateway.lamp):
                async for row in series.raw(TENANT, device, 0, now_ms() + 86_400_000):
                    assert (device, row.at_ms) not in stored, f"{device} at {row.at_ms} came out twice"
                    stored[device, row.at_ms] = dict(row.values)
            assert stored.keys() == gateway.ledger.keys(), f"seed {SEED}: {gateway.board.gateway_id}\n{pair.logs()}"
            for key, measured in gateway.ledger.items():
                assert stored[key] == pytest.approx(measured, rel=1e-6), key
                values += len(measured)
    finally:
        await series.close()
    return values


async def test_replicas_that_are_killed_lose_nothing_and_double_nothing(tmp_path, postgres_database, influxdb, capsys):
    async with open_pair(tmp_path, postgres_database.url, influxdb) as pair:
        everybody = {gateway.board.gateway_id for gateway in pair.fleet}
        for replica in (0, 1):
            await pair.until_online(replica, everybody)
        assert all(pair.forwarder.carried.values())
        working = asyncio.create_task(measuring(pair))
        for replica in (0, 1):
            await asyncio.gather(*(pair.dim(replica, gateway) for gateway in pair.fleet))
        for kill in range(KILLS):
            victim = kill % 2
            await asyncio.sleep(pair.dice.uniform(0.5, 2.5))
            await pair.replicas[victim].end(signal.SIGKILL)
            await asyncio.gather(*(pair.dim(1 - victim, gateway) for gateway in pair.fleet))
            await pair.until_online(1 - victim, everybody)
            await pair.replicas[victim].start()
            await asyncio.gather(*(pair.dim(victim, gateway) for gateway in pair.fleet))
        working.cancel()
        await until(lambda: not any(one.journal for one in pair.fleet), WITHIN_S, "everything acknowledged")
        for replica in (0, 1):
            assert (await pair.ask(replica, "/v1/conflicts?from=-1d&to=now"))["items"] == []
            found = await pair.ask(replica, f"/v1/devices/{pair.fleet[0].meter}")
            newest = max(at_ms for device, at_ms in pair.fleet[0].ledger if device == pair.fleet[0].meter)
            measured = pair.fleet[0].ledger[pair.fleet[0].meter, newest]["frequency"]
            assert found["latest"]["frequency"]["value"] == pytest.approx(measured, rel=1e-6)
        values = await judge(pair)
        again = sum(gateway.connections for gateway in pair.fleet)
        with capsys.disabled():
            print(f"\nreplicas: seed {SEED}, {KILLS} kills, {again} links, {values} values, 0 missing, 0 doubled")


async def test_a_killed_replicas_links_are_gone_with_its_lease(tmp_path, postgres_database, influxdb):
    async with open_pair(tmp_path, postgres_database.url, influxdb) as pair:
        everybody = {gateway.board.gateway_id for gateway in pair.fleet}
        for replica in (0, 1):
            await pair.until_online(replica, everybody)
        lost = pair.fleet[0]
        lost.away = True  # it will not come back once its link is cut
        await pair.replicas[0].end(signal.SIGKILL)
        await pair.replicas[1].end(signal.SIGKILL)
        await pair.replicas[1].start()
        await pair.until_online(1, everybody - {lost.board.gateway_id})
        found = await pair.ask(1, f"/v1/gateways/{lost.board.gateway_id}")
        assert found["last_seen_at"] is not None
        body = {"target": {"device": lost.lamp}, "name": "set_level", "args": {"level_percent": 40}}
        answer = await pair.clients[1].post("/v1/commands", json=body)
        assert answer.json()["executions"][0]["state"] == "queued"
        lost.away = False
        command = await pair.ask(1, f"/v1/commands/{answer.json()['command_id']}?wait_s=30")
        assert command["status"] == "succeeded"
