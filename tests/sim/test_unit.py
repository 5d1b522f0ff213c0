"""A Modbus unit answers reads from its profile's registers, and refuses as a meter does."""

from __future__ import annotations

import pytest
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
)

from lentera_drivers.profiles import MeterProfile, decode_registers, load_profile
from lentera_sim.errors import RegisterMapError
from lentera_sim.street import Street
from lentera_sim.wires.unit import ModbusUnit, respond


def read(function_code: int, address: int, count: int, unit: int = 1) -> ModbusPDU:
    kind = ReadInputRegistersRequest if function_code == 4 else ReadHoldingRegistersRequest
    return kind(address=address, count=count, dev_id=unit, transaction_id=77)


def exception_code(unit: ModbusUnit, request: ModbusPDU) -> int:
    answer = unit.answer(request)
    assert answer is not None
    assert isinstance(answer.pdu, ExceptionResponse)
    assert answer.values == {}
    return answer.pdu.exception_code


def test_the_registers_of_an_answer_decode_to_what_the_ledger_gets(street: Street) -> None:
    unit = street.units["meter-cabinet"]
    answer = unit.answer(read(4, 0, 80))
    assert answer is not None
    for register in unit.profile.registers:
        if register.end <= 80:
            words = answer.pdu.registers[register.address : register.end]
            assert answer.values[register.quantity] == decode_registers(register, words, unit.profile.order)
        else:
            assert register.quantity not in answer.values


def test_a_value_that_is_cut_by_the_range_does_not_count(street: Street) -> None:
    answer = street.units["meter-market"].answer(read(4, 2, 4))  # half of L1, all of L2, half of L3
    assert answer is not None
    assert set(answer.values) == {"voltage_l2"}


def test_gaps_read_as_zero(street: Street) -> None:
    unit = street.units["meter-cabinet"]
    used = {address for register in unit.profile.registers for address in range(register.address, register.end)}
    answer = unit.answer(read(4, 0, 80))
    assert answer is not None
    gaps = [word for address, word in enumerate(answer.pdu.registers) if address not in used]
    assert gaps
    assert not any(gaps)


@pytest.mark.parametrize("device", ["meter-cabinet", "meter-office", "meter-market"])
def test_all_values_of_one_answer_are_of_one_instant(street: Street, device: str) -> None:
    unit = street.units[device]
    wanted = {"voltage_l1", "current_l1", "power_apparent_l1"}
    span = [register for register in unit.profile.registers if register.quantity in wanted]
    start, end = min(r.address for r in span), max(r.end for r in span)
    answer = unit.answer(read(unit.profile.function_code, start, end - start + (end - start) % 2))
    assert answer is not None
    values = answer.values
    assert values["power_apparent_l1"] == pytest.approx(values["voltage_l1"] * values["current_l1"], rel=3e-3, abs=1.2)


def test_what_a_meter_refuses(street: Street) -> None:
    unit = street.units["meter-cabinet"]
    limit = unit.profile.max_registers_per_read
    last = max(register.end for register in unit.profile.registers)
    assert exception_code(unit, read(3, 0, 2)) == 2, "of the holding registers it has its unit id only"
    assert exception_code(unit, WriteMultipleRegistersRequest(address=0, registers=[1], dev_id=1)) == 2
    office = street.units["meter-office"]
    assert exception_code(office, read(4, 0, 2)) == 1
    assert exception_code(office, WriteMultipleRegistersRequest(address=0, registers=[1], dev_id=2)) == 1
    assert exception_code(unit, read(4, 0, limit + 2)) == 3
    assert exception_code(unit, read(4, last, 2)) == 2
    assert exception_code(unit, read(4, 60_000, 2)) == 2


def test_absent_and_dead_units_are_silent(street: Street) -> None:
    unit = street.units["meter-cabinet"]
    assert respond({1: unit}, read(4, 0, 2, unit=2)) is None
    assert respond({1: unit}, read(4, 0, 2, unit=0)) is None
    found = respond({1: unit}, read(4, 0, 2))
    assert found is not None
    assert (found.pdu.dev_id, found.pdu.transaction_id) == (1, 77)
    unit.faults.dead = True
    assert respond({1: unit}, read(4, 0, 2)) is None


def test_only_configured_quantities_count(street: Street) -> None:
    profile = load_profile("eastron_sdm630")
    assert isinstance(profile, MeterProfile)
    meter = street.meters["meter-cabinet"]
    unit = ModbusUnit("m", profile, lambda: meter.values(street.clock.now_ms()), ["voltage_l1", "frequency"])
    answer = unit.answer(read(4, 0, 80))
    assert answer is not None
    assert set(answer.values) == {"voltage_l1", "frequency"}


def test_a_value_that_does_not_fit_later_is_a_device_failure() -> None:
    profile = load_profile("abb_b23")
    assert isinstance(profile, MeterProfile)
    values = {register.quantity: 1.0 for register in profile.registers}
    unit = ModbusUnit("m", profile, lambda: values)
    values["voltage_l2"] = -5.0
    assert exception_code(unit, read(3, 23296, 6)) == 4


def test_a_value_that_does_not_fit_its_register_is_refused_when_built() -> None:
    profile = load_profile("abb_b23")
    assert isinstance(profile, MeterProfile)
    values = {register.quantity: 1.0 for register in profile.registers} | {"voltage_l2": -5.0}
    with pytest.raises(RegisterMapError, match=r"m: profile abb_b23, register 23298 \(voltage_l2\)"):
        ModbusUnit("m", profile, lambda: values)
