"""Live data through a slow link while a backlog drains: none is older than 5 s when it arrives, and nothing is lost."""

import asyncio
import random

from lentera_gateway.clock import monotonic_ms
from lentera_gateway.link import LinkTiming
from lentera_model.batch import decode
from tests.faults.network.scenarios import MOBILE_DOWN, MOBILE_UP
from tests.faults.network.wire import open_wire
from tests.gateway.line import line
from tests.gateway.test_link_liveness import give_noise

LIVE_WITHIN_S = 5.0
BATCHES = 40


async def test_live_data_do_not_wait_behind_the_backlog(tmp_path):
    async with (
        line(tmp_path, LinkTiming(), start=False, versions=(1, 2)) as it,
        open_wire(it.cloud.port, random.Random(7)) as wire,
    ):
        await give_noise(it, batches=BATCHES, samples=200)
        backlog = (await it.journal.status()).waiting_batches
        wire.shapes = {"up": MOBILE_UP, "down": MOBILE_DOWN}
        it.client.url = f"ws://127.0.0.1:{wire.port}/v1/link"
        await it.cloud.start()
        await it.cloud.until(lambda: it.client.state.up, 60)
        ages, lives = [], 0
        while backlog_left(it) and lives < 200:
            lives += 1
            begun_ms = monotonic_ms()
            await it.give(1_000.0 + lives)
            await it.cloud.until(lambda number=1_000.0 + lives: number in live_values(it), 60)
            ages.append((monotonic_ms() - begun_ms) / 1000)
            await asyncio.sleep(0.2)
        async with asyncio.timeout(120):
            while (await it.journal.status()).waiting_batches:
                await asyncio.sleep(0.1)
        assert backlog == BATCHES
        assert len(ages) >= 3, "the backlog was long enough to be beside live data"
        assert max(ages) < LIVE_WITHIN_S, ages
        assert len(it.cloud.batches) == backlog + lives


def backlog_left(it) -> bool:
    return len(it.cloud.batches) - len(live_values(it)) < BATCHES


def live_values(it) -> set[float]:
    """The values of batches with one sample."""
    alone = (decode(sealed).samples for sealed in list(it.cloud.batches.values()))
    return {found[0].values["voltage_l1"] for found in alone if len(found) == 1}
