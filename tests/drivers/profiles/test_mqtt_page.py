"""The page for a new dialect on MQTT says what is."""

import re
from pathlib import Path

from lentera_drivers.profiles import SensorProfile, decode_sensor, load_profile
from lentera_drivers.profiles.mapping import MappedField
from lentera_drivers.profiles.sensor import Message


def test_the_example_of_the_mqtt_page_reads_what_the_page_says(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "mqtt-devices.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    [payload] = re.findall(r"^    (\{.*\})$", page, re.MULTILINE)
    file = tmp_path / "acme_pump_meter.yaml"
    file.write_text(example)
    profile = load_profile(file)
    assert isinstance(profile, SensorProfile)
    topics = profile.topics_for("pump-1")
    assert (topics.messages, topics.availability) == ({"values": "farm/pump-1/meter"}, "farm/pump-1/alive")
    said = decode_sensor(profile, "values", payload.encode())
    assert said.complaints == ()
    assert said.values == {
        "voltage_l1": 229.1,
        "voltage_l2": 230.4,
        "voltage_l3": 228.8,
        "power_active_total": 3420.0,
        "energy_active_import": 1_204_600.0,
        "output_1": 1.0,
    }
    assert said.last_seen_ms == 1_795_582_800_000


def test_the_mqtt_page_names_every_key_of_a_sensor():
    page = (Path(__file__).parents[3] / "docs" / "mqtt-devices.md").read_text()
    for model in (SensorProfile, MappedField, Message):
        for key in model.model_fields:
            assert key in page or key in {"conflicts", "notes"}, key
