"""A meter that answers too late, and its healthy neighbour on the same line: what the one costs the other."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from lentera_drivers.driver import open_driver
from lentera_drivers.interface import DriverError
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_model.config import ModbusBus
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import ModbusUnit
from tests.drivers.modbus_bench import meter

PROFILE = "eastron_sdm120"
EVERY_S = 2.0
BUS = {"id": "b", "driver": "modbus", "transport": "rtu", "port": "/dev/x", "timeout_ms": 1000}


def unit_of(device: str) -> ModbusUnit:
    profile = load_profile(PROFILE)
    assert isinstance(profile, MeterProfile)
    values = {register.quantity: 1.0 for register in profile.registers} | {"voltage_l1": 230.0, "frequency": 50.0}
    return ModbusUnit(device, profile, lambda: values)


async def good_polls(late_s: float, rounds: int) -> int:
    """Polls of the neighbour that gave values, of `rounds`, while the first meter is so much too late."""
    loop = asyncio.get_running_loop()
    stations = [Station(unit_of(f"m{unit}"), unit) for unit in (1, 2)]
    line = MemoryLine(stations)
    driver = open_driver(
        ModbusBus.model_validate(BUS),
        [meter(unit, PROFILE, every_s=EVERY_S) for unit in (1, 2)],
        {PROFILE: load_profile(PROFILE)},
        lambda: round(loop.time() * 1000),
        lambda _: None,
        lambda *_: None,
        connect=lambda _: partial(line.open, WireSettings()),
    )
    stations[0].unit.faults.delay_s = late_s
    good = 0
    for number in range(1, rounds + 1):
        for unit in (1, 2):
            try:
                values = await driver.read(f"m{unit}")
            except DriverError:
                continue
            good += unit == 2 and bool(values)
        await asyncio.sleep(max(0.0, number * EVERY_S - loop.time()))
    await driver.close()
    return good


@pytest.mark.parametrize("late_s", [1.2, 1.5, 2.5])
def test_a_meter_that_is_always_late_costs_its_neighbour_a_few_polls_at_most(late_s: float) -> None:
    assert run_in_virtual_time(good_polls(late_s, 100)) >= 95
