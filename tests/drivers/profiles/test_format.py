"""What a profile can say beyond plain registers, and how each impossible thing is refused."""

import copy
from pathlib import Path

import pytest

from lentera_drivers.profiles import (
    Identity,
    LocatedYaml,
    MeterProfile,
    Problem,
    ProfileError,
    RegisterOrder,
    RegisterValueError,
    encode_registers,
    load_profile,
    parse_located_yaml,
    validate_located,
)
from lentera_drivers.profiles.counting import counters_of
from lentera_drivers.profiles.probe import failed_quantities
from lentera_model.errors import LenteraError

HEAD = """\
kind: meter
id: everything
manufacturer: Test
model: T1
phases: 3
transport: [rtu, tcp]
function_code: 3
window: 4
signs: {active_power: export_positive, power_factor: direction}
probe: {volts: [90, 140], hertz: [55, 65], skip: [power_sum]}
sources: [{url: "https://example.org/manual.pdf"}]
identity:
  - {what: model_code, address: 100, count: 1, type: number, expected: [71, 0x48]}
  - {what: serial_number, address: 110, count: 4, type: string}
registers:
"""
REGISTERS = """\
  - {quantity: voltage_l1, address: 0, count: 2, type: float32, word_order: little, unit: V}
  - {quantity: power_active_total, address: 2, count: 1, type: int16, scale: -1, scale_register: 3, unit: W}
  - {quantity: alarm, address: 4, count: 1, type: bits16, bit: 0, unit: "1"}
  - {quantity: tariff, address: 4, count: 1, type: bits16, mask: 0x0030, unit: "1"}
  - {quantity: energy_active_import, address: 5, count: 2, type: uint32, scale: 100, unit: Wh, dial_limit: 100000000}
  - {quantity: frequency, address: 0, count: 1, type: uint16, scale: 0.01, unit: Hz, function_code: 4}
"""


def load_text(tmp_path: Path, text: str) -> MeterProfile:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    profile = load_profile(file)
    assert isinstance(profile, MeterProfile)
    return profile


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ProfileError) as raised:
        load_text(tmp_path, text)
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]
    assert all("; " in line for line in lines), f"each has a remedy: {lines}"
    assert all(len(line) < 400 for line in lines)
    return lines


def test_all_that_a_profile_can_say(tmp_path):
    profile = load_text(tmp_path, HEAD + REGISTERS)
    assert (profile.window, profile.probe.volts, profile.probe.skip) == (4, (90.0, 140.0), ("power_sum",))
    assert profile.scale_registers == ((3, 3),)
    by_name = {register.quantity: register for register in profile.registers}
    assert {name: profile.function_code_of(register) for name, register in by_name.items() if name != "frequency"} == (
        dict.fromkeys(by_name.keys() - {"frequency"}, 3)
    )
    assert profile.function_code_of(by_name["frequency"]) == 4
    assert by_name["energy_active_import"].rolls_over_at == 100_000_000
    holding = {0: 0x8000, 1: 0x4366, 2: 1234, 3: 0xFFFF, 4: 0b0010_0001, 5: 0, 6: 7}
    assert profile.decode(holding, 3) == {
        "voltage_l1": 230.5,
        "power_active_total": -123.4,
        "alarm": 1.0,
        "tariff": 2.0,
        "energy_active_import": 700.0,
    }
    assert profile.decode({0: 5001}, 4) == {"frequency": 50.01}


def test_a_dial_limit_of_its_own_is_where_a_counter_may_fall(tmp_path):
    profile = load_text(tmp_path, HEAD + REGISTERS)
    (counter,) = counters_of(profile)
    assert counter.why_not(99_999_900.0, 100.0, 1000) == ""
    assert counter.why_not(50_000_000.0, 100.0, 1000)


def test_fields_of_one_register_are_put_together_by_or(tmp_path):
    profile = load_text(tmp_path, HEAD + REGISTERS)
    alarm, tariff = (next(r for r in profile.registers if r.quantity == name) for name in ("alarm", "tariff"))
    assert encode_registers(alarm, 1.0, profile.order) == [0b0000_0001]
    assert encode_registers(tariff, 3.0, profile.order) == [0b0011_0000]
    with pytest.raises(RegisterValueError, match=r"tariff: 4\.0 at scale 1\.0 does not fit bits16"):
        encode_registers(tariff, 4.0, profile.order)
    with pytest.raises(RegisterValueError):
        encode_registers(alarm, -1.0, profile.order)


@pytest.mark.parametrize("word", [0x8000, 11, 0xFFF5, 0x7FFF])
def test_a_scale_that_is_no_power_of_ten_makes_no_value(tmp_path, word):
    profile = load_text(tmp_path, HEAD + REGISTERS)
    assert "power_active_total" not in profile.decode({2: 1234, 3: word})
    assert "power_active_total" not in profile.decode({2: 1234}), "nor one that was not read"


def test_what_a_meter_tells_of_itself(tmp_path):
    code, serial = load_text(tmp_path, HEAD + REGISTERS).identity
    order = RegisterOrder()
    assert (code.read([71], order), code.fits("71"), code.fits("72"), code.fits("73")) == ("71", True, True, False)
    assert serial.read([0x4142, 0x3132, 0x3300, 0xFFFF], order) == "AB123"
    assert serial.read([0, 0, 0, 0], order) is None
    assert serial.read([0xFFFF] * 4, order) is None
    assert serial.read([0x0742, 0x2020, 0, 0], order) == "?B", "what cannot be printed is not printed"
    assert serial.fits("AB123") is None, "a serial number differs from meter to meter"
    name = Identity.model_validate(
        {"what": "model_name", "address": 0, "count": 4, "type": "string", "expected": ["DIRIS A10"[:8]]}
    )
    assert (name.fits("diris a10"), name.fits("countis"), name.fits(None)) == (True, False, None)


def test_old_files_still_say_the_same(tmp_path):
    old = """\
kind: meter
id: old
manufacturer: "Test"
model: "T"
phases: 3
serial: null
unit_id: null
transport: ["rtu"]
function_code: 4
registers:
  - {quantity: "voltage_l1", address: 0, count: 2, type: "float32", scale: 1, unit: "V"}
sources:
  - {url: "https://example.org"}
"""
    profile = load_text(tmp_path, old)
    assert (profile.window, profile.address_mode.value, profile.identity, profile.signs.active_power.value) == (
        1,
        "absolute",
        (),
        "unknown",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bit: 0", "bit: 5", "p.yaml:19: registers[3].address: tariff takes bits that another quantity has, 0x20"),
        ("bit: 0,", "", "p.yaml:18: registers[2].type: bits16 needs either `bit` or `mask`"),
        ("bit: 0,", "bit: 0, mask: 1,", "p.yaml:18: registers[2].type: bits16 needs either `bit` or `mask`"),
        ("bit: 0", "bit: 16", "p.yaml:18: registers[2].bit: 0x10000 does not fit bits16"),
        ("bit: 0", "bit: -1", "p.yaml:18: registers[2].bit: -1 is not accepted"),
        ("0x0030", "0x0050", "p.yaml:19: registers[3].mask: the bits of 0x50 are no neighbours"),
        ("0x0030", "0x30000", "p.yaml:19: registers[3].mask: 0x30000 does not fit bits16"),
        ("0x0030", "0", "p.yaml:19: registers[3].mask: 0 is not accepted"),
        ("0x0030", "9" * 90, "p.yaml:19: registers[3].mask: a number of 299 bits does not fit bits16"),
        ("type: int16", "type: int16, bit: 1", "p.yaml:17: registers[1].bit: int16 has no bits to choose"),
        ("address: 4, count: 1, type: bits16, bit: 0", "address: 4, count: 2, type: bits32, bit: 0", "overlaps"),
        ("type: uint32", "type: string", "p.yaml:20: registers[4].type: a quantity is a number, text is none; put"),
        ("scale_register: 3", "scale_register: 2", "p.yaml:17: registers[1].scale_register: register 2 cannot be both"),
        ("scale_register: 3", "scale_register: 4", "p.yaml:17: registers[1].scale_register: register 4 belongs to"),
        ("scale_register: 3", "scale_register: 65536", "p.yaml:17: registers[1].scale_register: 65536 is not accepted"),
        ("dial_limit: 100000000", "dial_limit: 1e15", "p.yaml:20: registers[4].dial_limit: uint32 at scale 100.0 ends"),
        ("dial_limit: 100000000", "dial_limit: 0", "p.yaml:20: registers[4].dial_limit: 0.0 is no size of a dial"),
        ("word_order: little", "dial_limit: 5", "p.yaml:16: registers[0].dial_limit: voltage_l1 is no counter"),
        ("word_order: little", "word_order: middle", "p.yaml:16: registers[0].word_order: 'middle' is not accepted"),
        ("function_code: 4", "function_code: 6", "p.yaml:21: registers[5].function_code: 6 is not accepted"),
        (", function_code: 4", "", "p.yaml:21: registers[5].address: frequency (0..0) overlaps voltage_l1 (0..1)"),
        ("scale: -1", "scale: 1", "p.yaml:17: registers[1].scale: power_active_total would have the wrong sign"),
        ("scale: 0.01", "scale: 1e-300", "p.yaml:21: registers[5].scale: 1e-300 is no factor"),
        ("scale: 0.01", "scale: 1e400", "p.yaml:21: registers[5].scale: inf is not accepted"),
        (
            "address: 5,",
            f"address: {'9' * 99},",
            "p.yaml:20: registers[4].address: the last register would be a number",
        ),
        ("address: 5,", "address: 5.0,", "p.yaml:20: registers[4].address: 5.0 is not accepted; write a whole number"),
        ("window: 4", "window: 0", "p.yaml:8: window: 0 is not accepted"),
        ("window: 4", "window: 1000", "p.yaml:8: window: 1000 is not accepted"),
        ("export_positive", "upwards", "p.yaml:9: signs.active_power: 'upwards' is not accepted"),
        ("volts: [90, 140]", "volts: [140, 90]", "p.yaml:10: probe.volts: 140 to 90 is no range"),
        ("volts: [90, 140]", "volts: [90]", "p.yaml:10: probe.volts: has only 1 of its values; write them all"),
        ("volts: [90, 140]", "volts: [90, .nan]", "p.yaml:10: probe.volts[1]: nan is not accepted"),
        ("skip: [power_sum]", "skip: [power]", "p.yaml:10: probe.skip[0]: 'power' is not accepted"),
        ("type: number, exp", "type: float32, exp", "p.yaml:13: identity[0].type: 'float32' is not accepted"),
        ("[71, 0x48]", "[SDM]", "p.yaml:13: identity[0].expected[0]: 'SDM' is no number"),
        ("address: 110", "address: 65534", "p.yaml:14: identity[1].address: the last register would be 65537"),
        ("count: 4, type: string", "count: 4, type: string, expected: [123456789]", "does not fit 4 registers"),
        ("count: 4, type: string", "count: 200, type: string", "p.yaml:14: identity[1].count: 200 is not accepted"),
        ("transport: [rtu, tcp]", "transport: []", "p.yaml:6: transport: is empty; write at least one"),
        ("phases: 3", "phases: 2", "p.yaml:5: phases: 2 is not accepted"),
        ("window: 4", "address_mode: relative", "p.yaml:1: sunspec_model: is missing: relative addresses count from"),
        (
            "window: 4",
            "address_mode: relative\nsunspec_model: 203\nmodel_length: 4",
            "p.yaml:18: registers[0].address: voltage_l1 lies outside the model's points, 2 to 5",
        ),
        (
            "window: 4",
            "function_code_alternatives: [3, 16]",
            "p.yaml:8: function_code_alternatives[1]: no function but",
        ),
        ("phases: 3", f"phases: 3\nnotes: ['{'x' * 3000}']", "p.yaml:6: notes[0]:"),
        ("phases: 3", f"phases: 3\nnotes: [{', '.join('x' * 70)}]", "p.yaml:6: notes: has 70 entries; keep 64 at most"),
        ("quantity: tariff", "quantity: " + "x" * 900, "p.yaml:19: registers[3].quantity: 'xxx"),
        ("bit: 0", "bit: 0, write_function_code: 16", "p.yaml:18: registers[2].write_function_code: a part of a"),
        ("scale: -1", "scale: -1, write_function_code: 6", "p.yaml:17: registers[1].write_function_code: a part of a"),
        ("scale: 100", "scale: 100, write_function_code: 16", "p.yaml:20: registers[4].write_function_code: energy_"),
        ("order: little", "order: little, write_function_code: 6", "p.yaml:16: registers[0].write_function_code: func"),
        ("order: little", "order: little, write_function_code: 5", "p.yaml:16: registers[0].write_function_code: 5 is"),
        ("function_code: 4", "function_code: 4, write_function_code: 6", "frequency is an input register (function 4)"),
        ("quantity: tariff", "quantity: [1]", "p.yaml:19: registers[3].quantity: a list is not accepted"),
    ],
)
def test_each_impossible_thing_is_named(tmp_path, old, new, message):
    text = HEAD + REGISTERS
    assert old in text
    lines = complaints(tmp_path, text.replace(old, new, 1))
    assert any(message in line for line in lines), lines


def test_a_profile_of_too_many_registers_is_refused(tmp_path):
    one = "  - {quantity: voltage_l1, address: 0, count: 1, type: uint16, unit: V}\n"
    lines = complaints(tmp_path, HEAD + one * 513)
    assert any(line.startswith("p.yaml:15: registers: has 513 entries; keep 512 at most") for line in lines), lines


def test_an_oversized_file_is_refused_unread(tmp_path):
    lines = complaints(tmp_path, HEAD + REGISTERS + "#" * 2_000_000)
    assert lines == ["p.yaml:1: is larger than 1048576 bytes; split it up or remove what is not needed"]


def test_a_bomb_of_aliases_is_refused(tmp_path):
    layers = "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    lines = complaints(tmp_path, f"a: &a [x, x, x, x, x, x, x, x, x]\n{layers}{HEAD}{REGISTERS}")
    assert len(lines) == 1
    assert "has more than 200000 values or 32 levels" in lines[0]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"kind: meter\nid: \xff\n", "p.yaml:2: byte 0xff is no UTF-8"),
        (b"kind: meter\nid: 'a\n", "is no valid YAML"),
        (b"kind: meter\n\tid: a\n", "p.yaml:2: is no valid YAML"),
        (b"kind: meter\nid: a\0b\n", "p.yaml:2: is no valid YAML"),
        (b"kind: meter\n---\nkind: meter\n", "p.yaml:2: is no valid YAML"),
        (b"", "p.yaml:1: is empty"),
        (b"- 1\n", "p.yaml:1: kind: is missing"),
        (b"kind: meter\nkind: lamp\n", "p.yaml:2: kind: the key is used twice"),
        (b"kind: !!python/object:os.system meter\n", "p.yaml:1: kind: the tag"),
        (b"[" * 5000, "is nested deeper than 32 levels"),
    ],
)
def test_an_unreadable_file_is_refused_with_its_line(tmp_path, raw, message):
    (tmp_path / "p.yaml").write_bytes(raw)
    with pytest.raises(ProfileError) as raised:
        load_profile(tmp_path / "p.yaml")
    assert message in str(raised.value)


def test_a_profile_in_memory_is_held_to_the_same_rules():
    with pytest.raises(ValueError, match="is empty"):
        MeterProfile.model_validate(
            {
                "kind": "meter",
                "id": "x",
                "manufacturer": "x",
                "model": "x",
                "phases": 1,
                "transport": ["rtu"],
                "function_code": 3,
                "registers": [],
                "sources": [],
            }
        )
    assert issubclass(ProfileError, LenteraError)


JUNK = [
    None,
    True,
    [],
    [[]],
    {},
    {"a": {}},
    "",
    "x" * 5000,
    "\n: [",
    10**90,
    -(10**90),
    0,
    -1,
    1e308,
    float("nan"),
    3.5,
]


def paths(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a document."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(deeper for key, value in inside for deeper in paths(value, (*path, key)))]


def test_whatever_stands_anywhere_the_file_is_taken_or_refused_with_words():
    """No value at any place of a profile ends in anything but a profile or a list of faults with lines."""
    whole = parse_located_yaml(HEAD + REGISTERS, "p.yaml").data
    taken = refused = 0
    for path in paths(whole)[1:]:
        for junk in JUNK:
            profile, problems = judged(replaced(whole, path, junk))
            assert all(one.what and one.remedy and len(str(one)) < 600 for one in problems), (path, junk)
            refused += profile is None
            if profile is not None:
                taken += 1
                assert failed_quantities(profile, {"voltage_l1": 230.0, "frequency": 60.0}).keys() == set()
                assert profile.decode({}) == {}
    assert refused > 5 * taken > 0


def replaced(whole: dict, path: tuple[str | int, ...], junk: object) -> LocatedYaml:
    data = copy.deepcopy(whole)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    return LocatedYaml("p.yaml", data, dict.fromkeys(paths(data), 1))


def judged(located: LocatedYaml) -> tuple[MeterProfile | None, tuple[Problem, ...]]:
    try:
        return validate_located(MeterProfile, located, ProfileError), ()
    except ProfileError as error:
        return None, error.problems
