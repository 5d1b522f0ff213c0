"""A gateway among faulty devices on MQTT: nothing of no use is stored, nothing of use is lost, all others go on."""

import asyncio
from dataclasses import replace

import pytest

from lentera_gateway.control_client import ask
from lentera_gateway.control_path import socket_path
from lentera_model.readings import Quality
from lentera_sim.faults.order import FaultOrder
from tests.gateway.board import Board, board
from tests.gateway.test_small_meters import PLAN, SMALL, answers

HUGE_BYTES = 10_000_000

pytestmark = pytest.mark.usefixtures("mosquitto")


async def put(it: Board, target: str, fault: str, value: float | None = None, *, on: bool = True) -> None:
    await it.street.faults.take(FaultOrder(target, fault, value, on=on))


async def later(it: Board, *names: str, count: int = 2) -> None:
    """Wait until some devices have answered a few times more."""
    before = answers(it)
    await it.until(lambda: all(answers(it)[name] >= before[name] + count for name in names), 40)


def assert_whole(it: Board) -> None:
    result = it.audit(repeat_window_ms=950)
    assert (result.missing, result.unexplained, result.duplicated) == (0, 0, 0), [str(one) for one in result.details]


async def test_rubbish_of_some_devices_is_set_aside_and_the_values_of_all_are_stored_once(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        await later(it, *SMALL)
        faults = {"plug-01": "malformed", "tasmota-01": "nan", "json-01": "wrong_types", "lamp-001": "malformed"}
        for device, fault in faults.items():
            await put(it, device, fault)
        peak_before_bytes = it.rss_bytes()
        await put(it, "plug-02", "huge", HUGE_BYTES / 1e6)
        await later(it, "tasmota-02", "lamp-002", count=3)
        driver = it.status()["buses"]["lamps"]["driver"]
        unwell = driver["devices"]
        assert {*faults, "plug-02"} <= set(unwell), unwell
        aside = ask(socket_path(it.run_dir / "journal" / "memory"), {"do": "malformed", "device": "plug-02"}, 5.0)
        huge = aside["devices"]["plug-02"]["recent"][-1]
        assert huge["size"] >= HUGE_BYTES
        assert "plug-02" in huge["topic"]
        assert driver["oversized"] >= 1
        assert it.rss_bytes() - peak_before_bytes < HUGE_BYTES / 2, "no such message was in memory as a whole"
        for device, fault in faults.items():
            await put(it, device, fault, on=False)
        await later(it, *SMALL, "lamp-001")
        await it.street.quieten()
        await it.stop()
        assert_whole(it)
        assert it.cloud.contradictions == []


async def test_counters_that_jump_are_stored_as_they_were_said(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        await later(it, *SMALL)
        await put(it, "json-01", "counter_zero")
        await put(it, "plug-01", "counter_reset")
        await later(it, "json-01", "plug-01")
        await put(it, "json-01", "counter_zero", on=False)
        await later(it, "json-01", "plug-01")
        await it.street.quieten()
        await it.stop()
        assert_whole(it)
        counted = [
            reading.values["energy_active_import"]
            for reading in it.cloud.readings()
            if reading.device == "json-01" and "energy_active_import" in reading.values
        ]
        assert 0.0 in counted
        assert counted[0] > 1000
        assert counted[-1] >= counted[0]


async def test_one_floods_and_the_others_are_stored_once(tmp_path):
    async with board(tmp_path / "run", replace(PLAN, lamps=3)) as it:
        await later(it, *SMALL)
        await put(it, "plug-01", "flood", 100.0)
        others = [name for name in (*SMALL, "lamp-001", "lamp-003") if name != "plug-01"]
        await later(it, *others, count=3)
        await put(it, "plug-01", "flood", on=False)
        await later(it, *others)
        await it.street.quieten()
        await it.stop()
        result = it.audit(repeat_window_ms=950)
        assert (result.missing, result.unexplained) == (0, 0), [str(one) for one in result.details]
        assert {one.device for one in result.details} <= {"plug-01"}, "only what flooded may be confused"
        flooded = [reading for reading in it.cloud.readings() if reading.device == "plug-01"]
        assert len(flooded) > 100
        assert all(reading.quality is Quality.GOOD for reading in flooded)


async def test_a_dead_device_is_offline_and_its_return_is_noticed(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        for device in ("plug-01", "tasmota-01", "lamp-001"):

            def told(device: str = device) -> list[bool]:
                return [status.online for status in it.cloud.statuses if status.device == device]

            await it.until(lambda told=told: told()[-1:] == [True])
            await put(it, device, "dead")
            await it.until(lambda told=told: told()[-1:] == [False])
            await put(it, device, "dead", on=False)
            await it.until(lambda told=told: told()[-1:] == [True])
        await it.stop()


async def test_a_broker_that_is_killed_by_order_costs_nothing(tmp_path):
    async with board(tmp_path / "run", PLAN) as it:
        await later(it, *SMALL)
        await put(it, "lamps", "broker_kill")
        await it.until(lambda: it.street.broker.restarts == 1)
        await later(it, *SMALL)
        await it.street.quieten()
        await asyncio.sleep(0.5)  # what the broker still hands over belongs to the run
        await it.stop()
        result = it.audit(repeat_window_ms=1_950)
        assert (result.missing, result.duplicated) == (0, 0), [str(one) for one in result.details]
