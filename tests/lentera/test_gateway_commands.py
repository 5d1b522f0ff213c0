"""What a technician runs before the gateway does: check and key."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lentera.test_cli import run

CONFIG = """version: 1
gateway: {id: gw-stabat-01, name: "Jalan Merdeka, Stabat"}
cloud: {url: "ws://127.0.0.1:8080/v1/link", key_file: key.pem, mode: live}
journal: {memory_dir: memory, card_dir: card}
buses:
  - {id: rs485-0, driver: modbus, transport: rtu, port: /dev/ttyUSB0, baud: 9600, parity: N}
  - {id: lamps, driver: mqtt, host: 127.0.0.1}
devices:
  - {id: meter-cabinet, name: Panel PJU 12, profile: eastron_sdm630, bus: rs485-0, unit: 1, every_s: 2}
  - {id: lamp-001, name: Lampu 1, profile: zigbee2mqtt_light, bus: lamps, topic: lamp-001, every_s: 10}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good configuration."""
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return path


def test_a_good_configuration_shows_what_it_would_do(config: Path) -> None:
    done = run("gateway", "check", str(config))
    assert done.returncode == 0, done.stderr
    for word in ("gw-stabat-01", "rs485-0", "meter-cabinet", "lamp-001", "eastron_sdm630", "% busy", "is good"):
        assert word in done.stdout


def test_the_check_speaks_indonesian(config: Path) -> None:
    done = run("gateway", "check", str(config), LANG="id_ID.UTF-8")
    assert "sudah benar" in done.stdout
    assert "Perangkat" in done.stdout


def test_every_fault_is_shown_with_its_line(config: Path) -> None:
    config.write_text(CONFIG.replace("unit: 1,", "unit: 300,").replace("every_s: 10", "evry_s: 10"))
    done = run("gateway", "check", str(config))
    assert done.returncode == 1
    assert f"{config}:9: devices[0].unit" in done.stderr
    assert "300" in done.stderr
    assert f"{config}:10:" in done.stderr
    assert "evry_s" in done.stderr
    assert "2 faults" in done.stderr
    config.write_text(CONFIG.replace("unit: 1,", "unit: 300,"))
    assert "1 fault," in run("gateway", "check", str(config)).stderr


def test_the_check_as_json(config: Path) -> None:
    good = json.loads(run("gateway", "check", str(config), "--json").stdout)
    assert good["ok"] is True
    assert [device["id"] for device in good["devices"]] == ["meter-cabinet", "lamp-001"]
    config.write_text(CONFIG.replace("eastron_sdm630", "eastron_sdm999"))
    done = run("gateway", "check", str(config), "--json")
    assert done.returncode == 1
    bad = json.loads(done.stdout)
    assert bad["ok"] is False
    assert "eastron_sdm999" in bad["errors"][0]


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    for command in ("check", "run"):
        done = run("gateway", command, str(tmp_path / "nothing.yaml"))
        assert done.returncode == 1
        assert "nothing.yaml" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_key_is_made_once_and_then_told_again(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = json.loads(run("gateway", "key", str(path), "--json").stdout)
    assert made["made"] is True
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("gateway", "key", str(path)).stdout.strip() == made["public_key"]
    path.chmod(0o644)
    open_to_all = run("gateway", "key", str(path))
    assert open_to_all.returncode == 1
    assert "chmod 600" in open_to_all.stderr


def test_the_simulator_runs_alone_and_its_configuration_is_good(tmp_path: Path) -> None:
    street = subprocess.Popen(
        [sys.executable, "-m", "lentera", "sim", "run", "--dir", str(tmp_path / "street"), "--lamps", "3", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert street.stdout is not None
    try:
        lines = [street.stdout.readline()]
        while lines[-1] != "}\n" and lines[-1]:
            lines.append(street.stdout.readline())
        info = json.loads("".join(lines))
        assert len(info["lamps"]) == 3
        done = run("gateway", "check", info["config"])
        assert done.returncode == 0, done.stderr
    finally:
        street.terminate()
        assert street.wait(10) == 0
