"""Profiles: those that come with Lentera are sound, and each mistake is named with file, line, key and remedy."""

import subprocess
import sys
from pathlib import Path

import pytest

from lentera_drivers.profiles import (
    ConfigFileError,
    LampProfile,
    MeterProfile,
    Problem,
    ProfileError,
    RegisterType,
    decode_registers,
    encode_registers,
    list_profiles,
    load_profile,
    parse_located_yaml,
    validate_located,
)
from lentera_model.config import GatewayConfig
from lentera_model.quantities import CATALOGUE

METER = """\
kind: meter
id: test_meter
manufacturer: Test
model: T1
phases: 3
transport: [rtu, tcp]
function_code: 4
max_registers_per_read: 80
registers:
  - {quantity: voltage_l1, address: 0, count: 2, type: float32, unit: V}
  - {quantity: voltage_l2, address: 2, count: 2, type: float32, unit: V}
  - {quantity: frequency, address: 70, count: 1, type: uint16, scale: 0.01, unit: Hz, minimum: 40, maximum: 70}
sources:
  - {url: "https://example.org/manual.pdf"}
"""

LAMP = """\
kind: lamp
id: test_lamp
manufacturer: Test
model: L1
dialect: zigbee2mqtt
base_topic: z2m
topics:
  state: "{base}/{name}"
  set: "{base}/{name}/set"
  get: "{base}/{name}/get"
brightness_scale: 254
fields:
  - {quantity: power_active_total, key: power, unit: W}
proof:
  readback: true
sources:
  - {url: "https://example.org/manual.pdf"}
"""


def load_text(tmp_path: Path, text: str):
    file = tmp_path / "p.yaml"
    file.write_text(text)
    return load_profile(file)


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ProfileError) as raised:
        load_text(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]


def test_the_profiles_that_come_along():
    meters = [name for name in list_profiles() if isinstance(load_profile(name), MeterProfile)]
    assert len(meters) >= 33
    assert {"abb_b23", "eastron_sdm630", "siemens_pac3200", "sunspec_203"} < set(meters)
    assert {"homeassistant_json_light", "zigbee2mqtt_light"} <= set(list_profiles())


@pytest.mark.parametrize("profile_id", list_profiles())
def test_each_is_sound(profile_id):
    profile = load_profile(profile_id)
    assert profile.id == profile_id
    assert profile.sources
    if isinstance(profile, MeterProfile):
        for register in profile.registers:
            assert CATALOGUE[register.quantity].unit == register.unit
            assert register.count == register.type.words


def test_the_facts_of_the_meters():
    sdm630, b23, pac3200 = (load_profile(name) for name in ("eastron_sdm630", "abb_b23", "siemens_pac3200"))
    assert isinstance(sdm630, MeterProfile)
    assert isinstance(b23, MeterProfile)
    assert isinstance(pac3200, MeterProfile)
    assert (sdm630.function_code, sdm630.max_registers_per_read, sdm630.even_addresses) == (4, 80, True)
    assert (b23.function_code, pac3200.transport) == (3, ("tcp",))
    counter = next(register for register in b23.registers if register.quantity == "energy_active_import")
    assert (counter.address, counter.type, counter.scale) == (20480, RegisterType.UINT64, 10)
    assert decode_registers(counter, [0xFFFF] * 4, b23.order) is None
    assert encode_registers(counter, None, b23.order) == [0xFFFF] * 4
    energy = next(register for register in pac3200.registers if register.quantity == "energy_active_import_t1")
    assert (energy.address, energy.type) == (801, RegisterType.FLOAT64)
    assert pac3200.conflicts


def test_a_whole_image_decodes_to_what_was_encoded():
    profile = load_profile("abb_b23")
    assert isinstance(profile, MeterProfile)
    wanted = {register.quantity: 0.5 * register.scale * 20 for register in profile.registers}
    image: dict[int, int] = {}
    for register in profile.registers:
        words = encode_registers(register, wanted[register.quantity], profile.order)
        image |= {register.address + at: word for at, word in enumerate(words)}
    assert profile.decode(image) == pytest.approx(wanted)


def test_both_kinds_load_from_a_file(tmp_path):
    assert isinstance(load_text(tmp_path, METER), MeterProfile)
    lamp = load_text(tmp_path, LAMP)
    assert isinstance(lamp, LampProfile)
    topics = lamp.topics_for("jalan/lamp-1")
    assert (topics.state, topics.set, topics.get) == (
        "z2m/jalan/lamp-1",
        "z2m/jalan/lamp-1/set",
        "z2m/jalan/lamp-1/get",
    )
    assert lamp.topics_for("a", base="b").subscriptions() == ("b/a",)


def test_limits_mark_what_is_implausible(tmp_path):
    profile = load_text(tmp_path, METER)
    assert isinstance(profile, MeterProfile)
    assert profile.implausible({"frequency": 50.0, "voltage_l1": 1e6}) == []
    assert profile.implausible({"frequency": 71.0}) == ["frequency"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("address: 2,", "address: 1,", "p.yaml:11: registers[1].address: voltage_l2 (1..2) overlaps voltage_l1 (0..1)"),
        ("address: 70,", "address: 65536,", "p.yaml:12: registers[2].address: the last register would be 65536"),
        ("address: 2,", "address: 65535,", "p.yaml:11: registers[1].address: the last register would be 65536"),
        ("address: 70,", "address: -1,", "p.yaml:12: registers[2].address: -1 is not accepted"),
        ("count: 1,", "count: 2,", "p.yaml:12: registers[2].count: uint16 takes 1 registers, not 2"),
        (
            "voltage_l2",
            "voltag_l2",
            "p.yaml:11: registers[1].quantity: 'voltag_l2' is not in the catalogue of quantities",
        ),
        ("voltage_l2", "voltage_l1", "p.yaml:11: registers[1].quantity: voltage_l1 is given twice"),
        ("unit: Hz", "unit: mHz", "p.yaml:12: registers[2].unit: frequency is kept in Hz, not in mHz"),
        (
            "minimum: 40",
            "minimum: 80",
            "p.yaml:12: registers[2].minimum: the minimum 80.0 is not below the maximum 70.0",
        ),
        (
            "maximum: 70",
            "maximum: 700",
            "p.yaml:12: registers[2].maximum: 700.0 cannot be reached: uint16 at scale 0.01",
        ),
        ("scale: 0.01", "scale: 0", "p.yaml:12: registers[2].scale: a scale of 0 makes every value 0"),
        ("scale: 0.01", "scale: .nan", "p.yaml:12: registers[2].scale: nan is not accepted"),
        ("scale: 0.01", "null_markers: [0x10000]", "p.yaml:12: registers[2].null_markers: 0x10000 does not fit uint16"),
        ("type: uint16", "type: uint12", "p.yaml:12: registers[2].type: 'uint12' is not accepted"),
        ("address: 70, ", "", "p.yaml:12: registers[2].address: is missing; add it"),
        ("function_code: 4", "function_code: 5", "p.yaml:7: function_code: 5 is not accepted: should be 3 or 4"),
        ("function_code: 4", "function_code: on", "p.yaml:7: function_code: 'on' is not accepted"),
        ("phases: 3", "phase: 3", "p.yaml:5: phase: is not a known key; did you mean phases?"),
        (
            "max_registers_per_read: 80",
            "max_registers_per_read: 126",
            "p.yaml:8: max_registers_per_read: 126 is not acc",
        ),
        (
            "max_registers_per_read: 80",
            "max_registers_per_read: 1",
            "p.yaml:10: registers[0].address: voltage_l1 needs 2",
        ),
        ("phases: 3", "phases: 3\neven_addresses: 1", "p.yaml:6: even_addresses: 1 is not accepted"),
        ("[rtu, tcp]", "[rtu, canbus]", "p.yaml:6: transport[1]: 'canbus' is not known; use rtu, tcp, rtu_over_tcp"),
        ("kind: meter", "kind: clock", "p.yaml:1: kind: 'clock' is not a kind of profile; write meter, lamp or sensor"),
        ("kind: meter\n", "", "p.yaml:1: kind: is missing; write meter, lamp or sensor"),
        ("id: test_meter", "id: 'test meter'", "p.yaml:2: id: 'test meter' is not accepted"),
        ('- {url: "https://example.org/manual.pdf"}', "[]", "p.yaml:13: sources: is empty; write at least one"),
    ],
)
def test_each_mistake_in_a_meter_is_named(tmp_path, old, new, message):
    assert old in METER
    found = complaints(tmp_path, METER.replace(old, new, 1))
    assert any(line.startswith(message) for line in found), found
    assert all("; " in line for line in found), "each has a remedy"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("get: ", "gett: ", "p.yaml:10: topics.gett: is not a known key; did you mean get?"),
        ('  get: "{base}/{name}/get"\n', "", "p.yaml:14: proof.readback: there is no topic to ask the lamp on"),
        (
            "{base}/{name}/set",
            "{base}/set",
            "p.yaml:9: topics.set: all devices would share this topic; put {name} into it",
        ),
        ("{base}/{name}/set", "{base}/+/{name}", "p.yaml:9: topics.set: '{base}/+/{name}' is no topic"),
        ("{base}/{name}/set", "{base}/{name}", "p.yaml:8: topics.state: two topics are the same"),
        ("unit: W", "unit: kW", "p.yaml:13: fields[0].unit: power_active_total is kept in W, not in kW"),
        ("power_active_total", "level_percent", "p.yaml:13: fields[0].quantity: level_percent comes from state and"),
        ("power_active_total", "powr_active_total", "p.yaml:13: fields[0].quantity: 'powr_active_total' is not in the"),
        ("unit: W", "scale: 0, unit: W", "p.yaml:13: fields[0].scale: a scale of 0 makes every value 0"),
        ("254", "0", "p.yaml:11: brightness_scale: 0 is not accepted"),
        ("dialect: zigbee2mqtt", "dialect: tasmota", "p.yaml:5: dialect: 'tasmota' is not accepted"),
        (
            "fields:\n",
            "fields:\n  - {quantity: temperature, key: power, unit: degC}\n",
            "p.yaml:14: fields[1].key: power is",
        ),
    ],
)
def test_each_mistake_in_a_lamp_is_named(tmp_path, old, new, message):
    assert old in LAMP
    found = complaints(tmp_path, LAMP.replace(old, new, 1))
    assert any(line.startswith(message) for line in found), found


def test_all_mistakes_come_at_once(tmp_path):
    text = (
        METER.replace("unit: Hz", "unit: mHz")
        .replace("function_code: 4", "function_code: 9")
        .replace("phases", "phase")
    )
    assert [line.split(": ")[1] for line in complaints(tmp_path, text)] == [
        "phases",
        "phase",
        "function_code",
        "registers[2].unit",
    ]


def test_unknown_names_get_a_hint():
    with pytest.raises(ProfileError, match="did you mean eastron_sdm630"):
        load_profile("eastron_sdm63")
    with pytest.raises(ProfileError, match="`lentera profile list` shows them all"):
        load_profile("zzz")
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile("./none.yaml")


def test_a_gateway_config_is_located_too():
    text = """\
version: 1
gateway: {id: gw-1}
cloud: {url: "ws://127.0.0.1:8080/v1/link", key_file: key.pem}
journal: {memory_dir: /dev/shm/x, card_dir: /var/x}
buses:
  - {id: a, driver: modbus, transport: tcp, host: 127.0.0.1}
  - {id: b, driver: mqtt, host: 127.0.0.1, prt: 3}
devices:
  - {id: m, profile: abb_b23, bus: a,
     unit: 300}
"""
    with pytest.raises(ConfigFileError) as raised:
        validate_located(GatewayConfig, parse_located_yaml(text, "gateway.yaml"))
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("gateway.yaml:7: buses[1].prt: is not a known key")
    assert lines[1].startswith(
        "gateway.yaml:10: devices[0].unit: 300 is not accepted: should be less than or equal to 247"
    )


GATEWAY = """\
version: 1
gateway: {id: gw-1}
cloud: {url: "ws://127.0.0.1:8080/v1/link", key_file: key.pem}
journal: {memory_dir: /dev/shm/x, card_dir: /var/x}
buses:
  - {id: a, driver: modbus, transport: tcp, host: 127.0.0.1}
devices:
  - {id: m, profile: abb_b23, bus: a, unit: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("bus: a, unit", "bus: b, unit", "8: devices[0].bus: there is no bus 'b' in this file; its buses are: a"),
        (", unit: 1", "", "8: devices[0].unit: a device on modbus bus 'a' needs `unit` (1 to 247) only"),
        ("unit: 1", "unit: one", "8: devices[0].unit: 'one' is not accepted; write a whole number"),
        ("{id: gw-1}", "gw-1", "2: gateway: 'gw-1' is not accepted; write keys and values"),
        ("{id: gw-1}", "", "2: gateway: an empty value is not accepted; write keys and values"),
        ("modbus", "mudbus", "6: buses[0].driver: 'mudbus' is not accepted; write one of 'modbus', 'mqtt'"),
        ("driver: modbus, ", "", "6: buses[0].driver: is missing; add it"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_file(old, new, complaint):
    assert old in GATEWAY
    with pytest.raises(ConfigFileError) as raised:
        validate_located(GatewayConfig, parse_located_yaml(GATEWAY.replace(old, new, 1), "gateway.yaml"))
    assert str(raised.value) == f"gateway.yaml:{complaint}"


def test_a_whole_file_that_is_something_else_is_told_without_the_names_of_classes():
    with pytest.raises(ConfigFileError) as raised:
        validate_located(GatewayConfig, parse_located_yaml("[1]", "gateway.yaml"))
    assert str(raised.value) == "gateway.yaml:1: a list is not accepted; write keys and values"


def test_a_pattern_is_shown():
    text = GATEWAY.replace("ws://", "http://")
    with pytest.raises(ConfigFileError, match=r"^gateway.yaml:3: cloud.url: 'http://.* accepted: should match pattern"):
        validate_located(GatewayConfig, parse_located_yaml(text, "gateway.yaml"))


def test_a_file_that_is_not_there_has_no_line(tmp_path):
    with pytest.raises(ProfileError) as raised:
        load_profile(tmp_path / "none.yaml")
    assert str(raised.value).startswith(f"{tmp_path}/none.yaml: cannot be read: No such file")
    with pytest.raises(ProfileError, match=r"^abb_b24: there is no profile of this name; did you mean abb_b23"):
        load_profile("abb_b24")


def test_a_problem_that_quotes_another_says_its_remedy_once():
    inner = Problem("own.yaml", 3, "phases", "7 is not accepted", "correct the value")
    outer = Problem("gateway.yaml", 8, "devices[0].profile", str(inner), inner.remedy)
    assert str(outer) == f"gateway.yaml:8: devices[0].profile: {inner}"


def test_the_profiles_need_no_bus_library():
    code = (
        "import sys, lentera_drivers.profiles as p; p.load_profile('abb_b23'); p.load_profile('zigbee2mqtt_light');"
        "print([name for name in ('pymodbus', 'aiomqtt', 'paho', 'serial') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
