"""Plugs, Tasmota modules and JSON meters from the broker to the cloud: value by value, though the broker is killed."""

import asyncio
import time
from collections import Counter

import pytest

from lentera_sim.ledger import read_ledger
from lentera_sim.street import StreetPlan
from tests.gateway.board import Board, board

PLAN = StreetPlan(meters=1, lamps=2, plugs=2, tasmota=2, json_meters=1, lamp_every_s=2.0, plug_every_s=2.0)
SMALL = ("plug-01", "plug-02", "tasmota-01", "tasmota-02", "json-01")
LATE_MS = 1_950
"""What the broker keeps while it and the gateway look for each other is stamped up to so late; the period is longer."""

pytestmark = pytest.mark.usefixtures("mosquitto")


def answers(it: Board) -> Counter[str]:
    """How often each device has answered for certain."""
    it.street.ledger.flush()
    return Counter(entry.device for entry in read_ledger(it.run_dir / "ledger.jsonl") if entry.kind == "answered")


def assert_whole(it: Board, repeat_window_ms: int) -> None:
    result = it.audit(repeat_window_ms=repeat_window_ms)
    assert (result.missing, result.duplicated, result.out_of_order) == (0, 0, 0), [str(one) for one in result.details]
    stored = {reading.device for reading in it.cloud.readings()}
    assert stored >= set(SMALL)


async def test_every_value_of_a_small_meter_is_stored_once(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        await it.until(lambda: min(answers(it)[name] for name in SMALL) >= 3, 30)
        await it.street.quieten()
        await it.stop()
        assert_whole(it, 450)


async def test_nothing_that_the_broker_acknowledged_is_lost_though_it_is_killed(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        await it.until(lambda: min(answers(it)[name] for name in SMALL) >= 2, 30)
        for killed in range(1, 3):
            before = answers(it)
            it.street.broker.process.kill()
            await it.until(lambda killed=killed: it.street.broker.restarts == killed)
            await it.until(lambda before=before: all(answers(it)[name] >= before[name] + 3 for name in SMALL), 40)
        await it.street.quieten()
        await asyncio.sleep(0.5)  # what the broker still hands over belongs to the run
        await it.stop()
        assert_whole(it, LATE_MS)


async def test_a_module_without_supply_is_reported_offline_and_comes_back(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        module = next(one for one in it.street.plug_bridges if one.devices[0].device == "tasmota-01")

        def told() -> list[bool]:
            return [status.online for status in it.cloud.statuses if status.device == "tasmota-01"]

        await it.until(lambda: told()[-1:] == [True])
        module.set_online(module.devices[0], online=False)
        await it.until(lambda: told()[-1:] == [False])
        module.set_online(module.devices[0], online=True)
        await it.until(lambda: told()[-1:] == [True])
        await it.stop()


async def test_what_waits_at_a_killed_broker_for_an_absent_gateway_is_not_lost(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        await it.until(lambda: min(answers(it)[name] for name in SMALL) >= 1, 30)
        await it.stop()
        before = answers(it)
        await it.until(lambda: all(answers(it)[name] >= before[name] + 2 for name in SMALL), 30)
        await it.street.quieten()
        saved = it.run_dir / "broker.db"
        await it.until(lambda: time.time() - saved.stat().st_mtime > 1.5)  # it saves each second while anything changes
        it.street.broker.process.kill()
        await it.until(lambda: it.street.broker.restarts == 1)
        await it.start()

        def lacking() -> dict[str, int]:
            stored = Counter(reading.device for reading in it.cloud.readings())
            return {name: count - stored[name] for name, count in answers(it).items() if name in SMALL}

        await it.until(lambda: not any(lacking().values()), 20)
        await it.stop()
        assert not any(lacking().values()), lacking()
