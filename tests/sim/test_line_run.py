"""A scene's line as a process would run it: a port that answers, meters that are switched on by orders, the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

from lentera_sim.errors import PlanError
from lentera_sim.faults.order import FaultOrder, parse_order
from lentera_sim.line_run import RunningLine, scene_of
from lentera_sim.scenes import SCENES


async def volts(port: Path, unit: int, baud: int = 9600) -> list[int] | None:
    client = AsyncModbusSerialClient(str(port), baudrate=baud, timeout=0.3, retries=0)
    async with client:
        try:
            reply = await client.read_input_registers(0, count=2, device_id=unit)
        except ModbusException:
            return None
        return None if reply.isError() else list(reply.registers)


async def test_meters_of_a_scene_answer_on_the_port(tmp_path: Path) -> None:
    line = RunningLine(scene_of("defaults", 1), tmp_path, "N")
    await line.open()
    try:
        assert await volts(line.line.path, 1) is not None
        assert await volts(line.line.path, 32) is not None
        assert await volts(line.line.path, 33) is None
        await line.faults.take(parse_order("unit-32=dead"))
        assert await volts(line.line.path, 32) is None
        truth = json.loads((tmp_path / "truth.json").read_text())
        assert {one["unit"] for one in truth} == set(range(1, 33))
        assert truth[0] == {
            "name": "unit-1",
            "unit": 1,
            "settings": "9600 8N1",
            "model": "eastron_sdm630",
            "known": True,
        }
    finally:
        await line.close()
    assert not line.line.path.is_symlink()
    assert not (tmp_path / "faults").exists()


async def test_new_meters_are_switched_on_one_at_a_time(tmp_path: Path) -> None:
    line = RunningLine(scene_of("fresh", 1), tmp_path, "N")
    await line.open()
    try:
        assert len(line.faults.standing) == 12
        assert await volts(line.line.path, 1) is None
        await line.faults.take(FaultOrder("unit-1-7", "dead", on=False))
        assert await volts(line.line.path, 1) is not None
    finally:
        await line.close()


async def test_only_the_meters_of_one_parity_hang_on_a_pseudo_terminal(tmp_path: Path) -> None:
    scene = scene_of("mixed", 3)
    even = RunningLine(scene, tmp_path, "E")
    await even.open()
    await even.close()
    assert 0 < even.left_out < len(scene.meters)
    assert even.left_out + len(even.meters) == len(scene.meters)
    assert {meter.settings.parity for meter in even.meters} == {"E"}


def test_a_scene_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(PlanError, match="defaults, own-defaults"):
        scene_of("x", 1)
    assert scene_of("mixed", 1) != scene_of("mixed", 2)
    for name in SCENES:
        assert scene_of(name, 1).meters
