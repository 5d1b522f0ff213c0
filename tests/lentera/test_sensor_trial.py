"""The dry run of a sensor's profile: what comes along passes, and each kind of mistake in a file is seen."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lentera.sensor_trial import TIME, try_sensor
from lentera_drivers.profiles import SensorProfile, decode_sensor, list_profiles, load_profile
from lentera_drivers.profiles.mapping import MappedField
from lentera_sim.errors import PlanError
from lentera_sim.plugs.mapped import MappedDevice
from tests.lentera.test_cli import run

ROOT = Path(__file__).resolve().parents[2]
SENSORS = [name for name in list_profiles() if isinstance(load_profile(name), SensorProfile)]
OWN: dict[str, Any] = {
    "kind": "sensor",
    "id": "own",
    "manufacturer": "any",
    "model": "any",
    "messages": {"all": {"topic": "own/{name}", "root": "/data"}, "word": {"topic": "own/{name}/p", "format": "text"}},
    "fields": [
        {"quantity": "voltage_l1", "pointer": "/u", "index": 1, "unit": "V", "message": "all"},
        {"quantity": "energy_active_import", "pointer": "/e/0/kwh", "scale": 1000, "unit": "Wh", "message": "all"},
        {"quantity": "output_1", "pointer": "/r~1s", "words": {"closed": 1}, "unit": "1", "message": "all"},
        {"quantity": "temperature", "pointer": "/t", "null_values": [1], "unit": "degC", "message": "all"},
        {"quantity": "power_active_total", "pointer": "", "text_numbers": True, "unit": "W", "message": "word"},
    ],
    "availability": {"topic": "own/{name}/alive", "online": "1", "offline": "0"},
    "sources": [{"url": "https://example.org/manual.pdf"}],
}


def own(**changes: Any) -> SensorProfile:
    return SensorProfile.model_validate(OWN | changes)


def with_field(position: int, **changes: Any) -> SensorProfile:
    """The own profile with one field changed."""
    fields = [dict(field) for field in OWN["fields"]]
    fields[position] |= changes
    return own(fields=fields)


@pytest.mark.parametrize("name", SENSORS)
async def test_every_sensor_that_comes_along_passes_its_dry_run(name):
    profile = load_profile(name)
    assert isinstance(profile, SensorProfile)
    trial = await try_sensor(profile)
    assert trial.failure == ""
    assert [value for value in trial.values if not value.agrees or value.had is None] == []
    assert {value.quantity for value in trial.values} == {*profile.quantities, TIME}
    assert trial.requests == profile.topics_for("trial").subscriptions()


async def test_all_that_a_mapping_can_say_is_tried():
    trial = await try_sensor(own())
    assert trial.failure == ""
    assert trial.passed
    assert [value.quantity for value in trial.values] == [field["quantity"] for field in OWN["fields"]]
    assert next(value.had for value in trial.values if value.quantity == "temperature") == 2.0, "1 means none"


def test_the_device_says_what_it_has_by_its_own_arithmetic(monkeypatch: pytest.MonkeyPatch):
    device = MappedDevice(own(), "x", {"voltage_l1": 229.1234, "energy_active_import": 1_234_567.0})
    message = device.message("all", 1_700_000_123_000)
    assert json.loads(message.payload) == {
        "data": {"u": [229.123, 229.123], "e": [{"kwh": 1234.567}], "r/s": "closed", "t": 2.0}
    }
    assert message.said == {
        "voltage_l1": 229.123,
        "energy_active_import": 1_234_567.0,
        "output_1": 1.0,
        "temperature": 2.0,
    }
    assert decode_sensor(own(), "all", message.payload).values == pytest.approx(message.said)
    monkeypatch.setattr(MappedField, "read", lambda *_: 7.0)
    assert device.message("all", 1_700_000_123_000) == message, "a wrong decoder does not change what it had"


async def test_a_decoder_that_errs_is_seen(monkeypatch: pytest.MonkeyPatch):
    read = MappedField.read
    monkeypatch.setattr(MappedField, "read", lambda self, *rest: 2 * (read(self, *rest) or 0.0))
    trial = await try_sensor(own())
    assert not trial.passed
    assert [value.quantity for value in trial.values if value.agrees] == []


@pytest.mark.parametrize(
    ("profile", "quantity"),
    [
        (with_field(4, text_numbers=False), "power_active_total"),
        (with_field(3, pointer="/u"), "temperature"),
    ],
    ids=["a text that is no number", "a list without index"],
)
async def test_a_value_that_no_message_can_bring_is_told(profile, quantity):
    trial = await try_sensor(profile)
    assert not trial.passed
    if trial.failure:
        assert "own/trial/p" in trial.failure
    else:
        assert [value.quantity for value in trial.values if not value.agrees] == [quantity]


async def test_two_fields_that_need_the_same_place_are_told():
    trial = await try_sensor(with_field(3, pointer="/e/0/kwh/deep"))
    assert "no message can hold 'deep' within" in trial.failure
    with pytest.raises(PlanError, match="both a list and an object"):
        MappedDevice(with_field(3, pointer="/e/total"), "x", {}).message("all", 0)


async def test_times_and_availability_are_tried_too():
    for time in (
        {"pointer": "/at", "format": "unix_ms"},
        {"pointer": "/at", "format": "unix_s"},
        {"pointer": "/at", "zone": "+07:00"},
        {"pointer": "/at", "zone": "-03:30"},
        {"pointer": "/at"},
    ):
        messages = {"all": OWN["messages"]["all"] | {"time": time}, "word": OWN["messages"]["word"]}
        trial = await try_sensor(own(messages=messages))
        assert trial.passed, (time, trial)
        assert TIME in {value.quantity for value in trial.values}
    nested = await try_sensor(own(availability=OWN["availability"] | {"pointer": "/a/b"}))
    assert nested.passed, nested


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    return file


def test_check_of_the_pages_example_shows_what_was_had_and_what_was_read(tmp_path):
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "mqtt-devices.md").read_text(), re.DOTALL)
    file = written(tmp_path, example)
    done = run("profile", "check", str(file))
    assert done.returncode == 0, done.stderr
    assert "is a good profile of a sensor" in done.stdout
    assert re.search(r"power_active_total +4230 +4230 +W", done.stdout)
    assert "7 of 7 values came back as the simulated device had them." in done.stdout
    assert "Topics listened to: farm/trial/meter, farm/trial/alive." in done.stdout
    answer = json.loads(run("profile", "check", str(file), "--json").stdout)
    assert (answer["ok"], answer["dry_run"]["line"]) == (True, "MQTT")
    assert {value["unit"] for value in answer["dry_run"]["values"]} == {"V", "W", "Wh", "1", "s"}


def test_check_of_a_profile_whose_values_cannot_come_ends_with_1(tmp_path):
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "mqtt-devices.md").read_text(), re.DOTALL)
    wrong = example.replace(
        "{quantity: voltage_l3, pointer: /grid/V, index: 2,", "{quantity: voltage_l3, pointer: /grid/V,"
    )
    done = run("profile", "check", str(written(tmp_path, wrong)))
    assert done.returncode == 1
    assert re.search(r"voltage_l3 +\S+ +- +V +- +no", done.stdout)
    assert "the dry run failed: 1 values came back wrong" in done.stderr
