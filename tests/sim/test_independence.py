"""The ledger says what the device knows: right decoders agree with it, and a wrong one cannot change it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from lentera_drivers.profiles import (
    LampProfile,
    MeterProfile,
    decode_lamp_payload,
    decode_registers,
    encode_registers,
    encode_state,
    load_profile,
)
from lentera_model.quantities import stored_precision
from lentera_sim.lamps.said import percent_of, said_values
from lentera_sim.street import Street
from lentera_sim.wires.resolution import at_resolution
from lentera_sim.wires.unit import ModbusUnit

METERS = ("eastron_sdm630", "abb_b23", "siemens_pac3200")
LAMPS = ("zigbee2mqtt_light", "homeassistant_json_light")


def meter_profile(name: str) -> MeterProfile:
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    return profile


def lamp_profile(name: str) -> LampProfile:
    profile = load_profile(name)
    assert isinstance(profile, LampProfile)
    return profile


def told(unit: ModbusUnit) -> dict[str, float]:
    """All that a unit says of itself, read register by register."""
    kind = ReadInputRegistersRequest if unit.profile.function_code == 4 else ReadHoldingRegistersRequest
    found: dict[str, float] = {}
    for register in unit.profile.registers:
        even = register.count % 2 if unit.profile.even_addresses else 0
        answer = unit.answer(kind(address=register.address, count=register.count + even, dev_id=1))
        assert answer is not None
        found |= answer.values
    return found


@pytest.mark.parametrize("name", METERS)
def test_a_right_decoder_gives_what_the_meter_knows(name: str) -> None:
    profile, chance = meter_profile(name), random.Random(5)
    for register in profile.registers:
        for _ in range(200):
            signed = not register.type.value.startswith("uint")
            value = chance.uniform(-300.0 * signed, 300.0) * register.scale * 10.0 ** chance.randint(-3, 1)
            words = encode_registers(register, value, profile.order)
            decoded = decode_registers(register, words, profile.order)
            assert decoded is not None
            known = at_resolution(register, value)
            assert stored_precision(register.quantity, known) == stored_precision(register.quantity, decoded)


def test_every_value_of_a_street_is_what_a_right_decoder_reads(street: Street) -> None:
    for unit in street.units.values():
        profile, values = unit.profile, street.meters[unit.device].values(street.clock.now_ms())
        frozen = ModbusUnit(unit.device, profile, lambda values=values: values)
        image: dict[int, int] = {}
        for register in profile.registers:
            words = encode_registers(register, values[register.quantity], profile.order)
            image |= dict(zip(range(register.address, register.end), words, strict=True))
        assert told(frozen) == profile.decode(image)


@pytest.mark.parametrize(("value", "step"), [(230.14, 230.1), (230.16, 230.2), (0.25, 0.2), (0.35, 0.3), (0.0, 0.0)])
def test_whole_steps(value: float, step: float) -> None:
    register = next(r for r in meter_profile("abb_b23").registers if r.quantity == "voltage_l1")
    assert register.scale == 0.1
    assert at_resolution(register, value) == step


def test_a_float_keeps_seven_digits() -> None:
    register = next(r for r in meter_profile("eastron_sdm630").registers if r.quantity == "energy_active_import")
    assert at_resolution(register, 123_456_789.0) == 123_456.7890625 * 1000


def test_a_wrong_register_decoder_does_not_change_the_ledger(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = {device: meter.values(street.clock.now_ms()) for device, meter in street.meters.items()}
    units = [ModbusUnit(device, unit.profile, lambda d=device: frozen[d]) for device, unit in street.units.items()]
    right = [told(unit) for unit in units]

    def doubled(*arguments: Any) -> float | None:
        value = decode_registers(*arguments)
        return None if value is None else 2 * value

    for place in ("meter", "registers"):
        monkeypatch.setattr(f"lentera_drivers.profiles.{place}.decode_registers", doubled)
    assert [told(unit) for unit in units] == right
    for unit, values in zip(units, right, strict=True):
        assert set(values) == {register.quantity for register in unit.profile.registers}
        for name, value in values.items():
            assert value == pytest.approx(frozen[unit.device][name], rel=1e-6, abs=5.0)


@pytest.mark.parametrize("name", LAMPS)
def test_a_right_decoder_gives_what_the_lamp_said(name: str) -> None:
    profile, chance = lamp_profile(name), random.Random(7)
    for brightness in range(profile.brightness_scale + 1):
        level = percent_of(profile.dialect, brightness)
        others = {field.quantity: chance.uniform(0.0, 400.0 * field.scale) for field in profile.fields}
        payload = encode_state(profile, level, others, 1_790_000_000_000)
        assert json.loads(payload)["brightness"] == brightness
        decoded = decode_lamp_payload(profile, payload).values
        said = said_values(profile.dialect, payload)
        assert {key: stored_precision(key, value) for key, value in said.items()} == {
            key: stored_precision(key, value) for key, value in decoded.items()
        }
        assert len(said) == len(profile.fields) + 1


@pytest.mark.parametrize(
    ("dialect", "payload", "said"),
    [
        ("zigbee2mqtt", b'{"state":"ON","brightness":127}', {"level_percent": 50.0}),
        ("homeassistant_json", b'{"state":"ON","brightness":51}', {"level_percent": 20.0}),
        ("zigbee2mqtt", b'{"state":"OFF","brightness":254}', {"level_percent": 0.0}),
        ("zigbee2mqtt", b'{"energy":1.5,"last_seen":1}', {"energy_active_import": 1500.0}),
        ("homeassistant_json", b'{"temperature":31.5,"linkquality":3}', {"temperature": 31.5}),
    ],
)
def test_what_a_message_says(dialect: str, payload: bytes, said: dict[str, float]) -> None:
    assert said_values(dialect, payload) == said


def test_a_wrong_lamp_decoder_does_not_change_the_ledger(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lentera_drivers.profiles.payloads.finite_number", lambda _: math.pi)
    monkeypatch.setattr("lentera_drivers.profiles.payloads.level_of", lambda *_: 7.0)
    lamp = street.lamps["lamp-001"]
    lamp.luminaire.energise(lamp.now_ms)
    payload = encode_state(lamp.profile, lamp.level_percent(), lamp.measure())
    assert decode_lamp_payload(lamp.profile, payload).values["level_percent"] == 7.0
    said = said_values(lamp.profile.dialect, payload)
    assert said["level_percent"] == 100.0
    assert said["power_active_total"] == pytest.approx(lamp.luminaire.rated_w, abs=0.1)
