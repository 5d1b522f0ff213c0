"""What somebody who writes a profile runs: list, show and check, and the page that takes them through it."""

import json
import re
from pathlib import Path

import pytest

from lentera import profile_trial
from lentera.cli import extras, output
from lentera.cli.app import main
from lentera.profile_hints import hints_for
from lentera.profile_trial import plan_of, prepare, try_profile
from lentera_drivers.driver import Driver
from lentera_drivers.profiles import MeterProfile, list_profiles, load_profile
from lentera_model.config import ModbusBus
from tests.lentera.test_cli import run

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "drivers" / "lentera_drivers" / "profiles"
METERS = [name for name in list_profiles() if isinstance(load_profile(name), MeterProfile)]

METER = """\
kind: meter
id: small
manufacturer: Test
model: T1
phases: 1
serial: {baud: 2400, parity: E, stop_bits: 1}
transport: [rtu]
function_code: 4
registers:
  - {quantity: voltage_l1, address: 0, count: 1, type: uint16, scale: 0.1, unit: V}
  - {quantity: current_l1, address: 1, count: 1, type: uint16, scale: 0.01, unit: A}
  - {quantity: power_active_total, address: 2, count: 1, type: int16, scale: 0.1, unit: W}
  - {quantity: energy_active_import, address: 3, count: 1, type: uint16, scale: 10, unit: Wh}
  - {quantity: frequency, address: 4, count: 1, type: uint16, scale: 0.01, unit: Hz}
sources: [{url: "https://example.org/manual.pdf"}]
"""


def written(tmp_path: Path, text: str = METER, name: str = "small.yaml") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def meter(tmp_path: Path, text: str) -> MeterProfile:
    profile = load_profile(written(tmp_path, text))
    assert isinstance(profile, MeterProfile)
    return profile


@pytest.mark.parametrize("name", METERS)
async def test_every_meter_that_comes_along_passes_its_dry_run(name):
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    trial = await try_profile(profile)
    assert trial.failure == ""
    assert [value for value in trial.values if not value.agrees or value.had is None] == []
    assert len(trial.values) == len(profile.registers)
    assert trial.narrow == ()
    assert trial.requests
    assert trial.wire_ms > 0
    assert {finding.verdict.value for finding in trial.rules} <= {"passed", "unknown"}


def test_check_shows_what_was_had_and_what_was_read(tmp_path):
    done = run("profile", "check", str(written(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert "small.yaml is a good profile of a meter." in done.stdout
    assert re.search(r"voltage_l1 +22\d\.\d +22\d\.\d +V +0\.1 +yes", done.stdout)
    assert "5 of 5 values came back" in done.stdout
    assert re.search(r"Requests a poll: 1, together \d+ ms on 2400 8E1", done.stdout)
    assert re.search(r"volts +passed: 22", done.stdout)


def test_check_as_json_and_in_indonesian(tmp_path):
    answer = json.loads(run("profile", "check", str(written(tmp_path)), "--json").stdout)
    assert (answer["ok"], answer["kind"], answer["id"]) == (True, "meter", "small")
    dry_run = answer["dry_run"]
    assert (dry_run["done"], dry_run["passed"], dry_run["line"]) == (True, True, "2400 8E1")
    assert {value["quantity"] for value in dry_run["values"]} >= {"voltage_l1", "frequency"}
    assert all(value["had"] == value["read"] for value in dry_run["values"])
    assert "adalah profil meter yang baik" in run("profile", "check", str(written(tmp_path)), LANG="id_ID").stdout


def test_check_tells_every_fault_with_its_line_and_ends_with_1(tmp_path):
    bad = METER.replace("address: 1,", "address: 0,").replace("unit: Hz", "unit: kHz").replace("phases: 1", "phases: 7")
    done = run("profile", "check", str(written(tmp_path, bad)))
    assert done.returncode == 1
    assert done.stdout == ""
    for place in ("small.yaml:5: phases", "small.yaml:14: registers[4].unit: frequency is kept in Hz"):
        assert place in done.stderr
    assert "has 2 faults" in done.stderr
    as_json = run("profile", "check", str(tmp_path / "small.yaml"), "--json")
    assert as_json.returncode == 1
    faults = json.loads(as_json.stdout)["faults"]
    assert [(fault["line"], fault["key"]) for fault in faults] == [(5, "phases"), (14, "registers[4].unit")]
    assert all(fault["remedy"] for fault in faults)
    assert json.loads(as_json.stderr)["error"] == "profile_faults"


def test_check_of_a_missing_file():
    done = run("profile", "check", "/nonexistent/x.yaml")
    assert done.returncode == 1
    assert "/nonexistent/x.yaml: cannot be read" in done.stderr
    assert "1 fault," in done.stderr


def test_without_the_simulator_the_file_is_still_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(extras, "MARKERS", {**extras.MARKERS, "sim": ("no_such_module",)})
    monkeypatch.setenv("LENTERA_LANG", "en")
    with pytest.raises(SystemExit) as raised:
        main(["profile", "check", str(written(tmp_path))])
    output.errors_as_json(False)
    assert raised.value.code == 0
    said = capsys.readouterr().out
    assert "is a good profile" in said
    assert "The dry run was skipped: the extra `sim` is not installed here (missing: no_such_module)" in said


def test_a_lamp_is_checked_without_a_dry_run():
    done = run("profile", "check", str(FOLDER / "zigbee2mqtt_light.yaml"))
    assert done.returncode == 0, done.stderr
    assert "is a good profile of a lamp" in done.stdout
    assert "skipped: only meters and sensors" in done.stdout


async def test_a_driver_that_errs_is_seen(tmp_path, monkeypatch):
    """What the simulated meter had is never taken from what the driver reads with."""
    profile = meter(tmp_path, METER)
    driver = profile_trial._driver

    def doubling(bus: ModbusBus, given: MeterProfile) -> Driver:
        doubled = [register.model_copy(update={"scale": 2 * register.scale}) for register in given.registers]
        return driver(bus, given.model_copy(update={"registers": tuple(doubled)}))

    monkeypatch.setattr(profile_trial, "_driver", doubling)
    trial = await try_profile(profile)
    assert not trial.passed
    assert [value.quantity for value in trial.values if value.agrees] == []
    assert trial.values[0].read == 2 * (trial.values[0].had or 0)


def test_a_driver_that_errs_ends_the_check_with_1(tmp_path, monkeypatch, capsys):
    driver = profile_trial._driver
    monkeypatch.setenv("LENTERA_LANG", "en")
    monkeypatch.setattr(
        profile_trial, "_driver", lambda bus, given: driver(bus, given.model_copy(update={"function_code": 3}))
    )
    with pytest.raises(SystemExit) as raised:
        main(["profile", "check", str(written(tmp_path))])
    assert raised.value.code == 1
    assert "small.yaml: the dry run read nothing: meter:" in capsys.readouterr().err


def test_what_does_not_fit_a_register_is_tried_with_less_and_told(tmp_path):
    profile = meter(tmp_path, METER.replace("int16, scale: 0.1, unit: W", "int16, scale: 0.01, unit: W"))
    prepared = prepare(profile)
    assert prepared.narrow == ["power_active_total"]
    assert 0 < prepared.values["power_active_total"] < 327.67
    assert 0 < prepared.values["energy_active_import"] < 655_360, "a counter has begun again at its dial limit"
    done = run("profile", "check", str(tmp_path / "small.yaml"))
    assert done.returncode == 0
    assert "power_active_total cannot carry what a small cabinet has" in done.stdout


def test_hints_for_whoever_wants_it_merged(tmp_path):
    text = METER.replace("id: small", "id: eastron_sdm630").replace("{baud: 2400, parity: E, stop_bits: 1}", "null")
    text = text.replace("count: 1, type: uint16, scale: 10, unit: Wh", "count: 2, type: float32, scale: 1, unit: Wh")
    text = text.replace("address: 4, count: 1", "address: 5, count: 1")
    profile = meter(tmp_path, text)
    keys = {hint.key: hint.values for hint in hints_for(profile, tmp_path / "small.yaml")}
    assert keys == {
        "profile.hint.name": {"id": "eastron_sdm630", "file": "small.yaml"},
        "profile.hint.taken": {"id": "eastron_sdm630"},
        "profile.hint.serial": {},
        "profile.hint.float_counter": {"count": 1, "step": "8"},
    }
    blind = meter(tmp_path, METER.replace("frequency", "temperature").replace("Hz", "degC"))
    assert [hint.key for hint in hints_for(blind, tmp_path / "small.yaml")] == ["profile.hint.recognition"]
    assert all(hint.key != "profile.hint.taken" for hint in hints_for(profile, FOLDER / "eastron_sdm630.yaml"))


def test_the_line_of_the_wire_time():
    lines = {}
    for name in ("eastron_sdm120", "siemens_pac3200", "lovato_dmg610"):
        profile = load_profile(name)
        assert isinstance(profile, MeterProfile)
        lines[name] = plan_of(profile)[0]
    assert lines == {"eastron_sdm120": "2400 8N1", "siemens_pac3200": "TCP", "lovato_dmg610": "9600 8N1"}


def test_the_list_and_one_of_it():
    rows = json.loads(run("profile", "list", "--json").stdout)
    assert [row["id"] for row in rows] == list_profiles()
    assert next(row for row in rows if row["id"] == "eastron_sdm630")["values"] == 77
    some = run("profile", "list", "EASTRON").stdout
    assert "eastron_sdm120" in some
    assert "abb_b23" not in some
    assert "No device model has 'xyz'" in run("profile", "list", "xyz").stderr
    shown = run("profile", "show", "eastron_sdm630").stdout
    for word in ("9600 8N1", "capacitive_positive", "energy_active_import", "mbmd", "since last reset"):
        assert word in shown
    assert "10^[15]" in run("profile", "show", "sunspec_203").stdout
    assert json.loads(run("profile", "show", "abb_b23", "--json").stdout)["registers"][0]["address"] == 20480
    assert "did you mean abb_b23" in run("profile", "show", "abb_b24").stderr


def test_the_example_of_the_page_is_a_good_profile(tmp_path):
    page = (ROOT / "docs" / "profiles.md").read_text()
    examples = re.findall(r"```yaml\n(kind: meter\n.*?)```", page, re.DOTALL)
    assert len(examples) == 1
    name = re.search(r"^id: (\w+)$", examples[0], re.MULTILINE)
    assert name
    file = written(tmp_path, examples[0], f"{name[1]}.yaml")
    done = run("profile", "check", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Look again" not in done.stdout
    agreed = re.search(r"Dry run: (\d+) of (\d+) values", done.stdout)
    assert agreed
    assert agreed[1] == agreed[2]


def test_the_page_names_every_key_of_a_meter():
    page = (ROOT / "docs" / "profiles.md").read_text()
    schema = MeterProfile.model_json_schema()
    named = set(re.findall(r"`([a-z_0-9]+)`", page))
    for part in (schema, *(schema["$defs"][name] for name in ("Register", "Identity", "ProbeRules", "Signs"))):
        assert set(part["properties"]) <= named, set(part["properties"]) - named
    values = set(re.findall(r"[a-z_0-9]+", page))
    for name in ("RegisterType", "PowerSign", "PowerFactorSign", "IdentityKind"):
        assert set(schema["$defs"][name]["enum"]) <= values, name
