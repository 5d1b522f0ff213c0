"""A store that is away and many links that push: the cloud's memory stays within a bound, and nothing is lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest

from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.features.ingest.budget import COST_A_VALUE
from lentera_cloud.settings import Settings
from lentera_model.protocol import Ack, BatchFrame, DeviceDeclaration
from tests.cloud.support import Board, now_ms, open_link
from tests.faults.network.rig import TENANT, CloudProcess

Sender = tuple[Board, str, list[bytes]]
"""A gateway's key, its meter and what it has to send."""

LINKS = 12
BATCHES = 24
ROWS = 900
QUANTITIES = 20
BUDGET_BYTES = 8 << 20
A_LINK_BYTES = 512 << 10
"""What a link may keep of what it was sent and not asked for: frames read ahead, and buffers of the connection."""
BOUND_BYTES = 4 * BUDGET_BYTES + LINKS * A_LINK_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def batches(board: Board, meter: str, dice: random.Random) -> list[bytes]:
    """Sealed batches that do not compress well, some 100 KB each."""
    began = now_ms() - 86_400_000
    return [
        board.sealed(
            *(
                (meter, began + 1_000 * (number * ROWS + row), {f"noise_{n}": dice.random() for n in range(QUANTITIES)})
                for row in range(ROWS)
            )
        )
        for number in range(BATCHES)
    ]


async def push(url: str, one: Sender, said: list[int], wanted: int) -> None:
    """Send everything as fast as the cloud takes it, without regard to any window, until so many are stored."""
    board, meter, sealed = one
    async with open_link(url, board) as link:
        await link.hello(DeviceDeclaration(meter, "meter", "p", "", "b", "1"), within_s=60)

        async def say() -> None:
            for batch in sealed:
                await link.say(BatchFrame(batch))
                said.append(len(batch))

        saying = asyncio.create_task(say())
        heard: set[int] = set()
        while len(heard) < wanted:
            message = await link.next()
            if isinstance(message, Ack):
                heard.add(message.sequence)
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)


async def settled(size, quiet_s: float = 3.0) -> int:
    """Wait until a size has stopped changing; return it."""
    last, since = size(), 0.0
    while since < quiet_s:
        await asyncio.sleep(0.25)
        since = since + 0.25 if size() == last else 0.0
        last = size()
    return last


@asynccontextmanager
async def fleet_of(cloud: CloudProcess) -> AsyncIterator[list[Sender]]:
    """Start the cloud and register gateways, each with what it has to send."""
    settings = Settings.model_validate({key[8:].lower(): value for key, value in cloud.environ.items()})
    token = await create_tenant_and_token(settings, TENANT, "admin", "faults")
    await cloud.start()
    url, dice, fleet = f"http://127.0.0.1:{cloud.port}", random.Random(1), []
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            for number in range(LINKS):
                board, meter = Board(f"gw-{number}"), f"meter-{number}"
                body = {"gateway_id": board.gateway_id, "name": "", "public_key": board.public_key}
                assert (await client.post("/v1/gateways", json=body)).status_code == 201
                fleet.append((board, meter, await asyncio.to_thread(batches, board, meter, dice)))
        yield fleet
    finally:
        await cloud.close()


async def test_memory_is_bounded_while_the_store_is_away(tmp_path, own_influxdb, capsys):
    cloud = CloudProcess(tmp_path, own_influxdb.info)
    cloud.environ |= {"LENTERA_INGEST_BUDGET_BYTES": str(BUDGET_BYTES)}
    url, said = f"http://127.0.0.1:{cloud.port}", list[int]()
    async with fleet_of(cloud) as fleet:
        assert cloud.process is not None
        memory = psutil.Process(cloud.process.pid).memory_info
        a_batch = sum(len(one) for _, _, sealed in fleet for one in sealed) // (LINKS * BATCHES)
        await push(url, fleet.pop(), [], 3)  # what is loaded once is loaded
        before = memory().rss
        await asyncio.to_thread(own_influxdb.stop)
        pushing = [asyncio.create_task(push(url, one, said, 2)) for one in fleet]
        async with asyncio.timeout(120):
            while sum(said) < LINKS * A_LINK_BYTES / 2:
                await asyncio.sleep(0.1)
        await settled(lambda: sum(said))
        grown, taken = memory().rss - before, sum(said)
        unpacked = taken // a_batch * ROWS * QUANTITIES * COST_A_VALUE
        assert unpacked > 4 * BOUND_BYTES, "too little was said to prove anything"
        assert grown < BOUND_BYTES, f"{grown >> 20} MiB more for {taken >> 20} MiB said"
        await asyncio.to_thread(own_influxdb.start)
        await asyncio.gather(*pushing)
    with capsys.disabled():
        print(
            f"\nmemory: {LINKS} links said {taken >> 20} MiB while the store was away (most of it in the sockets; "
            f"{unpacked >> 20} MiB unpacked): {grown >> 20} MiB more memory"
        )
