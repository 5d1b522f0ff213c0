"""What can be wrong with a unit: refusals, counters that jump, a meter that is another; and what it tells of itself."""

from __future__ import annotations

import math

import pytest
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from lentera_drivers.profiles import Endianness, MeterProfile, Register, list_profiles, load_profile
from lentera_drivers.profiles.registers import RegisterOrder
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import OFFICE, BuildingLoad
from lentera_sim.physics.meter import ThreePhaseMeter
from lentera_sim.wires.sunspec_map import METER_BASE
from lentera_sim.wires.unit import Answer, ModbusUnit

NOON_MS = 1_790_000_000_000


def profile_of(name: str) -> MeterProfile:
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    return profile


def unit_of(name: str, **more: object) -> ModbusUnit:
    meter = ThreePhaseMeter("m", 1, Grid(1), BuildingLoad(1, "b", 9000.0, OFFICE, NOON_MS))
    known = meter.values(NOON_MS + 3_600_000)
    return ModbusUnit("m", profile_of(name), lambda: known, **more)  # pyright: ignore[reportArgumentType]


def read(code: int, address: int, count: int) -> ModbusPDU:
    kind = ReadInputRegistersRequest if code == 4 else ReadHoldingRegistersRequest
    return kind(address=address, count=count, dev_id=1)


def words_of(answer: Answer | None) -> list[int]:
    assert answer is not None
    assert not isinstance(answer.pdu, ExceptionResponse), answer.pdu
    return list(answer.pdu.registers)


def refused(answer: Answer | None) -> int:
    assert answer is not None
    assert isinstance(answer.pdu, ExceptionResponse)
    assert answer.values == {}
    return answer.pdu.exception_code


def register_of(unit: ModbusUnit, quantity: str) -> Register:
    return next(register for register in unit.profile.registers if register.quantity == quantity)


def said(unit: ModbusUnit, quantity: str) -> float | None:
    """What a reader decodes, and with it what the ledger has, which must be the same."""
    register = register_of(unit, quantity)
    answer = unit.answer(read(unit.profile.function_code_of(register), register.address, register.count))
    words = dict(enumerate(words_of(answer), start=register.address))
    decoded = unit.profile.decode(words).get(quantity)
    assert answer is not None
    assert answer.values.get(quantity) == decoded
    return decoded


@pytest.mark.parametrize("code", [1, 4, 6])
def test_every_question_is_refused_with_the_exception_that_was_asked_for(code: int) -> None:
    unit = unit_of("eastron_sdm630")
    unit.faults.exception = code
    assert refused(unit.answer(read(4, 0, 2))) == code
    unit.faults.exception = None
    assert words_of(unit.answer(read(4, 0, 2)))


def test_a_hole_refuses_what_touches_it_and_nothing_else() -> None:
    unit = unit_of("eastron_sdm630")
    unit.faults.holes = frozenset({5})
    assert refused(unit.answer(read(4, 0, 6))) == 2
    assert refused(unit.answer(read(4, 4, 2))) == 2
    assert len(words_of(unit.answer(read(4, 0, 4)))) == 4
    assert len(words_of(unit.answer(read(4, 6, 2)))) == 2


def test_a_counter_reset_begins_again_at_nought_and_counts_on() -> None:
    now = {"energy_active_import": 5_000.0}
    profile = profile_of("eastron_sdm630")
    everything = {register.quantity: 1.0 for register in profile.registers}
    unit = ModbusUnit("m", profile, lambda: everything | now)
    unit.faults.reset_counters(profile, unit.measured())
    assert said(unit, "energy_active_import") == 0.0
    now["energy_active_import"] = 5_700.0
    assert said(unit, "energy_active_import") == pytest.approx(700.0)
    assert said(unit, "voltage_l1") == 1.0


def test_another_meter_counts_from_its_own_start() -> None:
    unit = unit_of("abb_b23")
    before = said(unit, "energy_active_import")
    unit.faults.exchange_meter(unit.profile, unit.measured(), 123_000.0)
    after = said(unit, "energy_active_import")
    assert after == pytest.approx(123_000.0, abs=10)
    assert after != before


@pytest.mark.parametrize("name", [name for name in list_profiles() if isinstance(load_profile(name), MeterProfile)])
def test_a_counter_goes_past_its_dial_limit_to_nought(name: str) -> None:
    """Every counter of every profile, a little before its end and a little later."""
    profile = profile_of(name)
    if profile.scale_registers:
        pytest.skip("its counters' scales stand in registers, so their ends are the device's own affair")
    now = {register.quantity: (50.0 if register.is_counter else 0.0) for register in profile.registers}
    unit = ModbusUnit("m", profile, lambda: dict(now))
    moved = unit.faults.near_dial_limit(profile, unit.measured(), 40.0)
    for quantity in moved:
        register = register_of(unit, quantity)
        limit = register.rolls_over_at
        assert limit is not None
        resolution = abs(register.scale) if not register.type.is_float else limit * 1e-6
        shown = said(unit, quantity)
        assert shown is not None
        assert min(abs(shown - (limit - 40.0)), abs(shown)) <= resolution + 40.0
    for quantity in moved:
        now[quantity] += 100.0
    for quantity in moved:
        register = register_of(unit, quantity)
        shown = said(unit, quantity)
        assert shown is not None
        assert 0 <= shown <= 60.0 + abs(register.scale) * 1.5 + 1e-3


def test_momentary_zero_is_of_the_counters_only() -> None:
    unit = unit_of("eastron_sdm630")
    volts = said(unit, "voltage_l1")
    unit.faults.zero_counters = True
    assert said(unit, "energy_active_import") == 0.0
    assert said(unit, "voltage_l1") == volts


def test_no_values_reads_as_null_and_is_not_in_the_ledger() -> None:
    unit = unit_of("eastron_sdm630")
    unit.faults.no_values = True
    answer = unit.answer(read(4, 0, 2))
    assert words_of(answer)[0] == 0x7FC0
    assert said(unit, "voltage_l1") is None
    unit = unit_of("abb_b23")
    unit.faults.no_values = True
    marked = next(register for register in unit.profile.registers if register.null_markers)
    assert said(unit, marked.quantity) is None


def test_a_counter_of_nought_reads_as_none_where_nought_is_the_null_marker() -> None:
    profile = profile_of("sunspec_203").at(METER_BASE)
    profile = profile.with_scales({address: 0 for _, address in profile.scale_registers})
    unit = ModbusUnit("m", profile, lambda: {register.quantity: 1.0 for register in profile.registers})
    assert said(unit, "energy_active_import") is not None
    unit.faults.zero_counters = True
    assert said(unit, "energy_active_import") is None


def test_a_device_of_another_word_order_and_a_shifted_map() -> None:
    straight = unit_of("eastron_sdm630")
    swapped = unit_of("eastron_sdm630", order=RegisterOrder(Endianness.BIG, Endianness.LITTLE))
    shifted = unit_of("eastron_sdm630", shift=1)
    words = words_of(straight.answer(read(4, 0, 2)))
    assert words_of(swapped.answer(read(4, 0, 2))) == words[::-1]
    assert words_of(shifted.answer(read(4, 1, 2))) == words
    assert refused(shifted.answer(read(4, 0, 2))) == 2


@pytest.mark.parametrize("name", [name for name in list_profiles() if isinstance(load_profile(name), MeterProfile)])
def test_a_meter_tells_of_itself_what_its_profile_expects(name: str) -> None:
    profile = profile_of(name)
    profile = profile.at(METER_BASE) if profile.sunspec_model else profile
    unit = ModbusUnit("m", profile, lambda: {register.quantity: 1.0 for register in profile.registers})
    for entry in profile.identity:
        code = entry.function_code or profile.function_code
        even = profile.even_addresses
        first, count = entry.address, entry.count + (entry.count % 2 if even else 0)
        words = words_of(unit.answer(read(code, first, count)))[: entry.count]
        told = entry.read(words, profile.order)
        assert told is not None
        assert entry.fits(told) in (True, None)


WITH_ID_REGISTER = [name for name in list_profiles() if getattr(load_profile(name), "unit_id_register", None)]


@pytest.mark.parametrize("name", WITH_ID_REGISTER)
def test_a_unit_id_that_is_written_is_read_back(name: str) -> None:
    unit = unit_of(name) if profile_of(name).phases == 3 else None
    if unit is None:
        profile = profile_of(name)
        unit = ModbusUnit("m", profile, lambda: {register.quantity: 0.0 for register in profile.registers})
    setting = unit.profile.unit_id_register
    assert setting is not None
    size = 2 if setting.type == "float32" else 1
    unit.unit_id = 1
    now = words_of(unit.answer(read(3, setting.address, size)))
    unit.unit_id = 77
    wanted = words_of(unit.answer(read(3, setting.address, size)))
    assert now != wanted
    unit.unit_id = 1
    answer = unit.answer(WriteMultipleRegistersRequest(address=setting.address, registers=wanted, dev_id=1))
    assert answer is not None
    assert answer.unit_id == unit.unit_id == 77
    assert words_of(unit.answer(read(3, setting.address, size))) == wanted
    refusal = unit.answer(WriteMultipleRegistersRequest(address=setting.address, registers=[0xFFFF] * size, dev_id=1))
    assert refused(refusal) == 3
    assert refused(unit.answer(WriteSingleRegisterRequest(address=9, registers=[1], dev_id=1))) == 2
    assert unit.unit_id == 77
    if setting.type == "float32" and unit.profile.word_order is Endianness.BIG:
        assert wanted[0] == int.from_bytes(bytes.fromhex("429a")), "77.0"
        assert math.isclose(wanted[1], 0)
