"""Nothing lost and nothing twice through a wire that goes wrong: every scenario ends in the ledger check.

Short by default; LENTERA_FAULTS=long tells each story several times with another seed each run. LENTERA_FAULTS_SEED
repeats one. Most scenarios wait for the product's own times, so a few of them run beside each other.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.network import names
from tests.faults.network.names import NAME
from tests.faults.network.rig import Rig, assert_whole, open_rig, seen
from tests.faults.network.scenarios import SCENARIOS, dead_influxdb, nameless
from tests.services.process import missing
from tests.services.servers import Influx, Mosquitto

LONG = os.environ.get("LENTERA_FAULTS") == "long"
SEED = int(os.environ.get("LENTERA_FAULTS_SEED") or (random.SystemRandom().randrange(1 << 32) if LONG else 20_261_129))
ROUNDS = 6 if LONG else 1
LANES = 4
WITHIN_S = 3_000 if LONG else 240

pytestmark = [pytest.mark.slow, pytest.mark.timeout(WITHIN_S)]


def describe(rig: Rig, name: str, values: int) -> str:
    """Say in a line what a run was and that it was whole."""
    return "; ".join([f"{name}: seed {rig.seed}, {values} values, 0 missing, 0 doubled", *rig.notes, seen(rig)])


async def run(name: str, folder: Path, lanes: asyncio.Semaphore, migrating: asyncio.Lock) -> str:
    """Run a scenario on a chain of its own and judge it; say what there was."""
    async with lanes, AsyncExitStack() as stack:
        influx = None
        if name == dead_influxdb.__name__:
            influx = Influx()
            stack.push_async_callback(asyncio.to_thread, influx.close)
            await asyncio.to_thread(influx.start)
        named = {"host": NAME, "command": (sys.executable, "-m", names.__name__)} if name == nameless.__name__ else {}
        rig = await stack.enter_async_context(open_rig(folder, SEED, migrating, influx, **named))
        await SCENARIOS[name](rig, ROUNDS)
        result = await rig.settle()
        assert_whole(result, rig)
        return describe(rig, name, result.produced)


def missing_server(name: str) -> tuple[str, str] | None:
    """Name a server that a scenario needs and that is not installed, with the remedy."""
    if Mosquitto.program() is None:
        return "Mosquitto", "apt-get install mosquitto"
    if name == dead_influxdb.__name__ and Influx.program() is None:
        return "InfluxDB 2", "tests/services/build-influxd builds it"
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, asyncio.Task[str]]]:
    """Every scenario that was asked for and can be run, begun."""
    asked = {item.name for item in request.session.items}
    lanes, migrating = asyncio.Semaphore(LANES), asyncio.Lock()
    tasks = {
        name: asyncio.create_task(run(name, tmp_path_factory.mktemp(name) / "run", lanes, migrating), name=name)
        for name in SCENARIOS
        if f"{test_nothing_is_lost_or_doubled.__name__}[{name}]" in asked and missing_server(name) is None
    }
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_is_lost_or_doubled(
    name: str, runs: Mapping[str, asyncio.Task[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    if (server := missing_server(name)) is not None:
        missing(*server)
    with capsys.disabled():
        print(f"\n{name}: seed {SEED}")
    line = await runs[name]
    with capsys.disabled():
        print(line)
