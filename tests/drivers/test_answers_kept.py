"""What a meter has answered in time reaches the samples, be it a poll's, a probe's or a canary's answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from lentera_drivers.driver import open_driver
from lentera_drivers.interface import DriverError
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_model.readings import Sample
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.medium import Reply
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import SURE_SHARE, Answer, ModbusUnit
from tests.drivers.modbus_bench import meter, rtu_bus

TIMEOUT_S = 0.15
PROFILES = ("eastron_sdm120", "eastron_sdm630", "siemens_pac3200")
SETTINGS = WireSettings(rtu_bus("/dev/x").baud)
Value = tuple[str, str, float]


class Stutterer(Station):
    """A meter that may say its answers twice, the second time a little later."""

    twice = False

    def hear(self, frame: bytes) -> list[Reply]:
        said = list(super().hear(frame))
        again = [Reply(reply.data, reply.after_s + 0.7) for reply in said] if self.twice else []
        return said + again


class Street:
    """Meters whose every answer is another number, so that each value is known by itself."""

    def __init__(self) -> None:
        self.told: list[Value] = []
        self.samples: list[Sample] = []
        self.asked = 0
        self.stations = [self.station(at, name) for at, name in enumerate(PROFILES, start=1)]
        self.line = MemoryLine(self.stations)

    def station(self, unit_id: int, name: str) -> Stutterer:
        profile = load_profile(name)
        assert isinstance(profile, MeterProfile)

        def values() -> dict[str, float]:
            self.asked += 1
            return {register.quantity: float(self.asked) for register in profile.registers}

        def note(answer: Answer, whole: bool, took_s: float) -> None:
            if whole and took_s < SURE_SHARE * TIMEOUT_S:
                self.told += [(answer.device, name, value) for name, value in answer.values.items()]

        unit = ModbusUnit(f"m{unit_id}", profile, values)
        return Stutterer(unit, unit_id, SETTINGS, turnaround_s=0.01, note=note)

    @property
    def kept(self) -> Counter[Value]:
        return Counter((one.device, name, value) for one in self.samples for name, value in one.values.items())


async def poll(street: Street, wrong: str, seconds: int) -> None:
    loop = asyncio.get_running_loop()
    devices = [meter(at, name, every_s=2) for at, name in enumerate(PROFILES, start=1)]
    profiles = {name: load_profile(name) for name in PROFILES}
    driver = open_driver(
        rtu_bus("/dev/x"),
        devices,
        profiles,
        lambda: round(loop.time() * 1000),
        street.samples.append,
        lambda *_: None,
        connect=lambda _: partial(street.line.open, SETTINGS),
    )
    spoiled = street.stations[0]
    faults = spoiled.unit.faults
    for second in range(seconds):
        faults.delay_s = 0.3 if wrong == "late" and 4 <= second < 20 else 0.0
        spoiled.twice = wrong == "twice" and 4 <= second < 20
        faults.dead = wrong == "dead" and 4 <= second < 20
        for device in devices:
            try:
                street.samples += await driver.read(device.id)
            except DriverError:
                continue
        await asyncio.sleep(max(0.0, second + 1 - loop.time()))
    await driver.close()


@pytest.mark.parametrize("wrong", ["nothing", "late", "dead", "twice"])
def test_no_answer_in_time_is_thrown_away_and_none_is_taken_twice(wrong: str) -> None:
    street = Street()
    run_in_virtual_time(poll(street, wrong, 120))
    told = Counter(street.told)
    assert sum(told.values()) > 3000
    thrown = told - street.kept
    assert not thrown, sorted(thrown)[:5]
    late = Counter({value: count for value, count in (street.kept - told).items() if value[0] != "m1"})
    assert not late, "taken twice"
