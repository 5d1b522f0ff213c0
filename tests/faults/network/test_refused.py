"""What the cloud or its store will not take costs nobody else a value, and is kept where it came from.

Two gateways claim the same devices; a store refuses the readings of some devices of a batch. Each on a chain of real
processes that ends in the ledger check. LENTERA_FAULTS_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from lentera_cloud.adapters.influx_series.store import bucket_of
from lentera_gateway.link import load_key, make_key, public_key_text
from lentera_model.batch import decode
from lentera_model.quantities import stored_precision
from lentera_sim.ledger import LedgerEntry, read_ledger
from tests.faults.network.rig import PLAN, TENANT, Rig, StreetProcess, assert_whole, open_rig
from tests.faults.network.test_network import SEED
from tests.gateway.board import GatewayProcess
from tests.services.process import missing
from tests.services.servers import Influx, Mosquitto

IMPOSTOR = "gw-impostor"
SET_ASIDE_ENOUGH = 5
METERS = {**PLAN, "lamps": 0}
"""Meters alone: a lamp's word that waits in the broker while its gateway is stopped is stamped when it comes."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def broker() -> None:
    if Mosquitto.program() is None:
        missing("Mosquitto", "apt-get install mosquitto")


def set_aside(run_dir: Path) -> list[Path]:
    """The batches in a gateway's quarantine."""
    return list((run_dir / "journal" / "card" / "quarantine").glob("*.batch"))


@asynccontextmanager
async def second_gateway(rig: Rig, run_dir: Path) -> AsyncIterator[GatewayProcess]:
    """Another street whose devices bear the same names, behind another gateway of the same tenant."""
    run_dir.mkdir()
    make_key(run_dir / "key.pem")
    await rig.cloud.register(IMPOSTOR, public_key_text(load_key(run_dir / "key.pem")))
    street = StreetProcess(run_dir, {**METERS, "gateway": IMPOSTOR})
    gateway = GatewayProcess(run_dir=run_dir)
    try:
        await street.start(rig.seed + 1, f"ws://127.0.0.1:{rig.cloud.port}/v1/link")
        await gateway.start()
        street.energise()
        yield gateway
    finally:
        if gateway.process is not None:
            await gateway.kill()
        await street.close()


@pytest.mark.asyncio
async def test_two_gateways_that_claim_the_same_devices(tmp_path: Path) -> None:
    """The first that declared them keeps them; nothing of the other's is mixed in, lost or in anybody's way."""
    async with open_rig(tmp_path / "run", SEED, asyncio.Lock(), plan=METERS) as rig:
        async with second_gateway(rig, tmp_path / "other") as other:
            await other.until(lambda: len(set_aside(other.run_dir)) >= SET_ASIDE_ENOUGH, 90)
            await rig.gateway.stop()  # while the owner is away, the other gets no further
            before = len(set_aside(other.run_dir))
            await other.until(lambda: len(set_aside(other.run_dir)) >= before + SET_ASIDE_ENOUGH, 90)
            await rig.gateway.start()
            await rig.until_up()
            assert other.status()["journal"]["waiting_batches"] < SET_ASIDE_ENOUGH
            refused = await rig.cloud.text("/v1/metrics")
            assert re.search(rf'lentera_refused_readings_total{{gateway="{IMPOSTOR}".*code="foreign_device"', refused)
            assert 'code="foreign_device"' not in "".join(line for line in refused.splitlines() if IMPOSTOR not in line)
            conflicts = await rig.cloud.ask("/v1/conflicts")
            await other.stop()
        result = await rig.settle()
        assert not conflicts["items"]
        assert_whole(result, rig)


def refuse_levels(influx: Influx) -> None:
    """Let InfluxDB know `level_percent` as text: from then on it takes no reading that has a number there."""
    info = influx.info
    with InfluxDBClient(url=info.url, token=info.token, org=info.org) as client:
        client.buckets_api().create_bucket(bucket_name=bucket_of(TENANT), org=info.org)
        client.write_api(write_options=SYNCHRONOUS).write(
            bucket_of(TENANT), info.org, 'reading,device=nobody level_percent="dim"'
        )


def lamps_words(run_dir: Path) -> dict[tuple[str, str], set[float]]:
    """(lamp, quantity) -> the values that lie in the gateway's quarantine."""
    found: dict[tuple[str, str], set[float]] = {}
    for path in set_aside(run_dir):
        for reading in decode(path.read_bytes()).readings():
            for name, value in reading.values.items():
                found.setdefault((reading.device, name), set()).add(stored_precision(name, value))
    return found


def refused_by_the_store(entry: LedgerEntry) -> bool:
    return entry.device.startswith("lamp")


@pytest.mark.asyncio
async def test_a_store_that_refuses_part_of_a_batch(tmp_path: Path) -> None:
    """The meters' readings of the same batches are stored, every one; the lamps' are set aside with the reason."""
    if Influx.program() is None:
        missing("InfluxDB 2", "tests/services/build-influxd builds it")
    influx = Influx()
    await asyncio.to_thread(influx.start)
    try:
        await asyncio.to_thread(refuse_levels, influx)
        async with open_rig(tmp_path / "run", SEED, asyncio.Lock(), influx) as rig:
            await rig.gateway.until(lambda: len(set_aside(rig.gateway.run_dir)) >= SET_ASIDE_ENOUGH, 90)
            metrics = await rig.cloud.text("/v1/metrics")
            assert re.search(r'lentera_refused_readings_total{.*device="lamp-001",code="store_refused"', metrics)
            result = await rig.settle(judged=lambda entry: not refused_by_the_store(entry))
            assert_whole(result, rig)
            kept = lamps_words(rig.gateway.run_dir)
            said = [entry for entry in read_ledger(rig.gateway.run_dir / "ledger.jsonl") if refused_by_the_store(entry)]
            answered = [entry for entry in said if entry.kind == "answered"]
            assert answered
            for entry in answered:
                for name, value in entry.values.items():
                    assert stored_precision(name, value) in kept[entry.device, name], entry
    finally:
        await asyncio.to_thread(influx.close)
