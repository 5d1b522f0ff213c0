"""The name by which a new configuration knows its port."""

from __future__ import annotations

from pathlib import Path

import pytest

from lentera_gateway.commissioning.ports import lasting_port


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A folder like /dev: two adapters, the second with a name by id."""
    named = tmp_path / "serial" / "by-id"
    named.mkdir(parents=True)
    for name in ("ttyUSB0", "ttyUSB1"):
        (tmp_path / name).touch()
    (named / "usb-FTDI-if00").symlink_to(Path("../../ttyUSB1"))
    return tmp_path


def test_a_port_with_a_name_by_id_is_known_by_it(devices: Path) -> None:
    assert lasting_port(devices / "ttyUSB1", devices) == devices / "serial/by-id/usb-FTDI-if00"
    assert lasting_port(devices / "ttyUSB0", devices) == devices / "ttyUSB0"


def test_a_link_is_kept_and_a_relative_name_made_whole(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (devices / "meters").symlink_to("ttyUSB1")
    monkeypatch.chdir(devices)
    assert lasting_port(Path("meters"), devices) == devices / "meters"
    assert lasting_port(Path("ttyUSB1"), devices) == devices / "serial/by-id/usb-FTDI-if00"
    assert lasting_port(Path("ttyUSB0"), devices) == devices / "ttyUSB0"


def test_a_machine_without_names_by_id_keeps_the_port(tmp_path: Path) -> None:
    assert lasting_port(tmp_path / "ttyAMA0", tmp_path) == tmp_path / "ttyAMA0"
