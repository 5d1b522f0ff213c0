"""The map of a simulated SunSpec device, word by word, and a meter that the discovery finds in it."""

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest

from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_drivers.profiles.sunspec import discover
from lentera_sim.errors import PlanError
from lentera_sim.wires.sunspec_map import METER_BASE, sunspec_words
from lentera_sim.wires.unit import ModbusUnit


def profile_203() -> MeterProfile:
    profile = load_profile("sunspec_203")
    assert isinstance(profile, MeterProfile)
    return profile


def test_the_words_by_hand():
    words = sunspec_words(profile_203(), {15: -1, 54: 2}, "SN7")
    assert [words[40000 + at] for at in range(4)] == [0x5375, 0x6E53, 1, 66]
    assert words[40004] == 0x4C65, "Le of Lentera"
    assert [words[40002 + 50 + at] for at in range(3)] == [0x534E, 0x3700, 0]
    assert METER_BASE == 40070
    assert (words[40070], words[40071]) == (203, 105)
    assert (words[40070 + 15], words[40070 + 54]) == (0xFFFF, 2)
    assert (words[40177], words[40178]) == (0xFFFF, 0)
    assert set(words) <= set(range(40000, 40179))


async def test_a_unit_with_a_map_is_found_and_read():
    profile = profile_203()
    exponents = {offset: -1 for _, offset in profile.scale_registers}
    placed = profile.at(METER_BASE).with_scales({METER_BASE + offset: -1 for offset in exponents})
    values = {register.quantity: 12.5 for register in placed.registers}
    unit = ModbusUnit("meter", placed, lambda: values, fixed=sunspec_words(profile, exponents))

    async def read(address: int, count: int) -> list[int]:
        answer = unit.answer(ReadHoldingRegistersRequest(address=address, count=count, dev_id=1))
        assert answer is not None
        return list(answer.pdu.registers)

    found = await discover(read)
    assert [(model.id, model.base_address) for model in found.models] == [(1, 40002), (203, 40070)]
    relative = found.place(profile)
    image = dict(enumerate(await read(40070, 107), start=40070))
    assert set(relative.decode(image).values()) == {12.5}
    for address, count in ((39999, 2), (40178, 4)):
        answer = unit.answer(ReadHoldingRegistersRequest(address=address, count=count, dev_id=1))
        assert answer is not None
        assert answer.pdu.exception_code == 2, "beyond the map there is nothing"


def test_a_profile_of_no_model_has_no_map():
    profile = load_profile("abb_b23")
    assert isinstance(profile, MeterProfile)
    with pytest.raises(PlanError, match="is of no SunSpec model"):
        sunspec_words(profile, {})
