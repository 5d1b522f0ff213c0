"""What cannot work is refused before it starts, with changes that each make it fit."""

import asyncio
from pathlib import Path

import pytest

from lentera_drivers.profiles import ConfigFileError
from lentera_gateway.app import run
from lentera_gateway.check import check_config
from lentera_gateway.config import load_config
from lentera_gateway.plan import NEARLY_FULL, BusPlan, RemedyKind, plan_buses

HEAD = """\
version: 1
gateway: {id: gw-1, name: "Test"}
cloud: {url: "ws://127.0.0.1:8080/v1/link", key_file: key.pem, mode: live}
journal: {memory_dir: mem, card_dir: card}
buses:
"""
LINE = "  - {{id: line, driver: modbus, transport: rtu, port: /dev/ttyUSB0, baud: {baud}}}\n"
METER = "  - {{id: m{unit}, profile: {profile}, bus: line, unit: {unit}, every_s: {every}{more}}}\n"


def write(path: Path, meters: int, every: float, baud: int = 9600, profile: str = "abb_b23", more: str = "") -> Path:
    text = HEAD + LINE.format(baud=baud) + "devices:\n"
    for unit in range(1, meters + 1):
        text += METER.format(unit=unit, profile=profile, every=every, more=more)
    file = path / "gateway.yaml"
    file.write_text(text)
    return file


def only_bus(file: Path) -> BusPlan:
    [bus] = plan_buses(load_config(file))
    return bus


def test_a_bus_that_fits_has_no_remedies(tmp_path):
    bus = only_bus(write(tmp_path, 4, 10))
    assert bus.fits
    assert bus.remedies == ()
    assert bus.load == pytest.approx(sum((one.wire_ms or 0) / 1000 / one.every_s for one in bus.requests))


def test_every_remedy_makes_the_bus_fit(tmp_path):
    full = only_bus(write(tmp_path, 16, 2))
    assert not full.fits
    remedies = {remedy.kind: remedy for remedy in full.remedies}
    assert set(remedies) >= {RemedyKind.INTERVAL, RemedyKind.LINES}
    for remedy in full.remedies:
        assert remedy.load <= NEARLY_FULL + 1e-9
    interval = remedies[RemedyKind.INTERVAL]
    assert only_bus(write(tmp_path, 16, interval.value)).load == pytest.approx(interval.load)
    lines = remedies[RemedyKind.LINES]
    assert only_bus(write(tmp_path, -(-16 // int(lines.value)), 2)).load == pytest.approx(lines.load)


def test_a_faster_line_is_proposed_where_it_fits_and_the_meters_take_it(tmp_path):
    full = only_bus(write(tmp_path, 5, 1, baud=2400))
    [faster] = [remedy for remedy in full.remedies if remedy.kind is RemedyKind.BAUD]
    assert only_bus(write(tmp_path, 5, 1, baud=int(faster.value))).load == pytest.approx(faster.load)


def test_slow_counters_are_proposed_where_they_are_what_fills_the_line(tmp_path):
    counters = ["energy_active_import", "energy_active_export", "energy_active_import_l1", "energy_active_import_l2"]
    names = "[voltage_l1, " + ", ".join(counters) + "]"
    full = only_bus(write(tmp_path, 6, 0.5, more=f", quantities: {names}", profile="eastron_sdm630"))
    assert not full.fits
    kinds = {remedy.kind: remedy for remedy in full.remedies}
    assert kinds[RemedyKind.COUNTERS].load < 0.8
    paces = f", quantities: {names}, paces: [{{quantities: [{', '.join(counters)}], every_s: 60}}]"
    slowed = only_bus(write(tmp_path, 6, 0.5, more=paces, profile="eastron_sdm630"))
    assert slowed.load == pytest.approx(kinds[RemedyKind.COUNTERS].load)


def test_check_and_run_refuse_alike(tmp_path):
    file = write(tmp_path, 16, 2)
    report = check_config(file)
    assert not report.ok
    [error] = report.errors
    assert error.startswith(f"{file}:6: buses[0]: bus 'line' cannot keep its promises")
    assert "every_s" in error
    with pytest.raises(ConfigFileError, match="cannot keep its promises"):
        asyncio.run(run(file, asyncio.Event()))
    assert not (tmp_path / "mem").exists(), "nothing was begun"


def test_paces_name_quantities_that_the_profile_has(tmp_path):
    file = write(tmp_path, 1, 10, more=", paces: [{quantities: [voltage_l1, co2], every_s: 60}]")
    with pytest.raises(ConfigFileError) as raised:
        load_config(file)
    assert "co2" in str(raised.value)
