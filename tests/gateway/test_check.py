"""A configuration is checked whole before anything starts: each mistake with file, line, key, what and remedy."""

from pathlib import Path

import pytest

from lentera_drivers.profiles import ConfigFileError
from lentera_gateway.check import check_config
from lentera_gateway.config import load_config

EXAMPLE = Path(__file__).parents[2] / "config" / "gateway.example.yaml"

GOOD = """\
version: 1
gateway: {id: gw-1, name: "Test"}
cloud: {url: "ws://127.0.0.1:8080/v1/link", key_file: key.pem, mode: live}
journal:
  memory_dir: mem
  card_dir: card
buses:
  - {id: line, driver: modbus, transport: rtu, port: /dev/ttyUSB0, baud: 9600}
  - {id: lan, driver: modbus, transport: tcp, host: 127.0.0.1, tcp_port: 5020}
  - {id: lamps, driver: mqtt, host: 127.0.0.1}
devices:
  - id: m1
    profile: eastron_sdm630
    bus: line
    unit: 1
    every_s: 2
  - id: lamp-1
    profile: zigbee2mqtt_light
    bus: lamps
    topic: lamp-1
"""


@pytest.fixture
def check(tmp_path):
    def run(text):
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return check_config(path)

    return run


def test_a_good_file_says_what_would_be_done(check, tmp_path):
    report = check(GOOD)
    assert report.errors == ()
    assert report.ok
    assert report.gateway == "gw-1"
    line, _, lamps = report.buses
    assert line.address == "/dev/ttyUSB0 9600 8N1"
    assert 0 < line.load < 1
    assert line.load == pytest.approx(sum(r.wire_ms for r in line.requests) / 1000 / 2)
    assert all(request.device == "m1" for request in line.requests)
    assert lamps.load == 0
    assert [(d.id, d.bus, d.address) for d in report.devices] == [("m1", "line", "1"), ("lamp-1", "lamps", "lamp-1")]
    assert report.journal.memory_dir == tmp_path / "mem", "relative names are relative to the file"
    assert any("lan" in warning and "no device" in warning for warning in report.warnings)
    assert any("key.pem" in warning and "lentera gateway key" in warning for warning in report.warnings)


def test_the_example_is_a_good_file():
    report = check_config(EXAMPLE)
    assert report.errors == ()
    assert len(report.devices) == 4
    assert [warning for warning in report.warnings if "key" not in warning] == []


MISTAKES = [
    # what is replaced, by what, line, key, words that must be said
    ("every_s: 2", "evry_s: 2", 16, "evry_s", ["every_s"]),
    ("unit: 1", "unit: 300", 15, "unit", ["247"]),
    ("unit: 1", "unit: one", 15, "unit", ["whole number"]),
    ("baud: 9600", "baud: 9601", 8, "baud", ["9600"]),
    ("id: lamp-1\n", "id: m1\n", None, "device", ["m1", "twice"]),
    ("bus: lamps\n    topic", "bus: lumps\n    topic", None, "lumps", ["lumps"]),
    ("profile: eastron_sdm630", "profile: eastron_sdm360", 13, "devices[0].profile", ["did you mean eastron_sdm630"]),
    ("profile: eastron_sdm630", "profile: zigbee2mqtt_light", 13, "devices[0].profile", ["Modbus bus", "name a meter"]),
    ("profile: zigbee2mqtt_light", "profile: abb_b23", 18, "devices[1].profile", ["MQTT bus", "name a lamp"]),
    ("profile: eastron_sdm630", "profile: siemens_pac3200", 14, "devices[0].bus", ["serial line", "tcp bus"]),
    ("every_s: 2", "quantities: [voltage_l1, link_quality]", 16, "devices[0].quantities[1]", ["no link_quality"]),
    ("every_s: 2", "quantities: [voltage_l9]", 16, "quantities", ["voltage_l9"]),
    ("version: 1", "version: 2", 1, "version", ["1"]),
    ("mode: live", "mode: lively", 3, "mode", ["economy"]),
    ("version: 1", "version: 1\nversion: 1", 2, "version", ["twice"]),
    ("topic: lamp-1", "topic: 'lamp/#'", 20, "topic", []),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "words"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_a_remedy(check, tmp_path, old, new, line, key, words):
    assert old in GOOD
    report = check(GOOD.replace(old, new, 1))
    assert not report.ok
    text = "\n".join(report.errors)
    if line is not None:
        assert f"gateway.yaml:{line}: " in text
    assert key in text
    for word in words:
        assert word in text, text
    with pytest.raises(ConfigFileError):
        load_config(tmp_path / "gateway.yaml")


def test_several_mistakes_are_told_at_once(check):
    report = check(
        GOOD.replace("unit: 1", "unit: 300").replace("mode: live", "mode: x").replace("baud: 9600", "baud: 1")
    )
    assert len(report.errors) == 3


def test_an_impossible_register_in_an_own_profile_is_found(check, tmp_path):
    (tmp_path / "own.yaml").write_text("kind: meter\nid: own\n")
    report = check(GOOD.replace("profile: eastron_sdm630", "profile: own.yaml"))
    assert not report.ok
    assert "own.yaml" in report.errors[0]
    assert "gateway.yaml:13" in report.errors[0]


@pytest.mark.parametrize("text", ["", "[]", "version: [", "\x00", "a: &a [*a]"])
def test_what_is_no_configuration_at_all_is_an_error_and_no_traceback(check, text):
    report = check(text)
    assert not report.ok
    assert "gateway.yaml" in report.errors[0]


def test_a_missing_file_is_an_error(tmp_path):
    report = check_config(tmp_path / "nothing.yaml")
    assert "nothing.yaml" in report.errors[0]


def test_an_overfull_line_is_refused_and_a_nearly_full_one_is_warned_of(check):
    report = check(GOOD.replace("every_s: 2", "every_s: 0.1"))
    assert not report.ok
    assert report.buses[0].load > 1
    assert any("s of each second" in error and "fits with" in error for error in report.errors)
    nearly = check(GOOD.replace("every_s: 2", "every_s: 0.7"))
    assert nearly.ok
    assert 0.8 < nearly.buses[0].load < 1
    assert any("of each second" in warning for warning in nearly.warnings)
