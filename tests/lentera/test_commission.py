"""Commissioning from the command line: a scan of a real pseudo-terminal, its configuration, one meter, the doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lentera.cli.commission import latency_s, parse_ids
from lentera.cli.scan_told import hints, show
from lentera.language import Words
from lentera_drivers.modbus.transport import LineSettings
from lentera_gateway.commissioning.found import Candidate, FoundUnit, ScanResult
from lentera_gateway.commissioning.recognise import Outcome, Undecided
from lentera_sim import scenes
from lentera_sim.ledger import Ledger
from lentera_sim.wires.converter import Converter
from lentera_sim.wires.serial_line import SerialLine, stations_of
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.tcp_meter import TcpMeter
from lentera_sim.wires.unit import ModbusUnit
from tests.lentera.test_cli import run

MODELS = {1: "eastron_sdm630", 2: "abb_b23", 3: "schneider_pm5110"}


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Path]:
    """Three meters on a pseudo-terminal of 19200 baud."""
    units: dict[int, ModbusUnit] = {}
    for unit, name in MODELS.items():
        units[unit] = scenes.unit_of(scenes.SceneMeter(scenes.profile_of(name), unit))
    port = SerialLine(tmp_path / "line", stations_of(units, WireSettings(19200)), Ledger(tmp_path / "ledger.jsonl"))
    await port.open()
    yield port.path
    await port.close()


AT = ("--baud", "19200")


async def test_a_scan_of_a_line_gives_a_configuration_that_the_check_accepts(line: Path, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    options = ("--units", "1-4", "--expect", "3", "--write", str(file), "--json")
    done = await asyncio.to_thread(run, "gateway", "scan", str(line), *AT, *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {unit["unit"]: unit["profile"] for unit in found["units"]} == MODELS
    check = await asyncio.to_thread(run, "gateway", "check", str(file))
    assert check.returncode == 0, check.stderr
    again = await asyncio.to_thread(run, "gateway", "scan", str(line), *AT, *options)
    assert again.returncode == 1
    assert "there already" in again.stderr


async def test_a_host_is_scanned_through_a_converter_and_as_modbus_tcp(tmp_path: Path) -> None:
    settings, ledger = WireSettings(115_200), Ledger(tmp_path / "ledger.jsonl")
    meter = scenes.SceneMeter(scenes.profile_of("eastron_sdm630"), 3, settings)
    converter = Converter([scenes.station_of(meter)], ledger, settings)
    host = TcpMeter({3: scenes.unit_of(meter)}, ledger)
    file = tmp_path / "gateway.yaml"
    for server, how, transport in ((converter, ["--rtu-over-tcp"], "rtu_over_tcp"), (host, [], "tcp")):
        await server.open()
        where = ("--host", "127.0.0.1", "--tcp-port", str(server.port), *how, "--units", "3", "--write", str(file))
        done = await asyncio.to_thread(run, "gateway", "scan", *where)
        await server.close()
        assert done.returncode == 0, done.stderr
        assert "eastron_sdm630" in done.stdout
        assert f'transport: {transport}, host: "127.0.0.1", tcp_port: {server.port}' in file.read_text()
        check = await asyncio.to_thread(run, "gateway", "check", str(file))
        assert check.returncode == 0, check.stderr
        file.unlink()


async def test_a_host_on_which_nobody_answers_is_told_with_what_to_try(tmp_path: Path) -> None:
    host = TcpMeter({}, Ledger(tmp_path / "ledger.jsonl"))
    await host.open()
    where = ("--host", "127.0.0.1", "--tcp-port", str(host.port), "--units", "1")
    done = await asyncio.to_thread(run, "gateway", "scan", *where)
    await host.close()
    assert "--rtu-over-tcp" in done.stdout


def test_what_is_undecided_is_told_with_what_to_look_for_in_both_languages() -> None:
    maybe = (Candidate("eastron_sdm120"), Candidate("eastron_sdm630"), Candidate("eastron_sdm630", swapped=True))
    why = (Undecided.DEAD_PHASE, Undecided.NO_LOAD)
    unit = FoundUnit(LineSettings(9600, "N", 1), 5, candidates=maybe, undecided=why, dead_phases=("l2", "l3"))
    english, indonesian = (hints(unit, scenes.catalogue(), Words(language)) for language in ("en", "id"))
    assert english[:3] == [
        "Unit 5 (9600 8N1) may be:",
        "  - Eastron SDM120 (SDM120M), phases: 1 (eastron_sdm120)",
        "  - Eastron SDM630-Modbus (V1/V2), phases: 3 (eastron_sdm630)",
    ]
    assert len(english) == len(indonesian) == 4
    assert "L2, L3 without volts" in english[3]
    assert "scan again when the lamps are on" in english[3]
    assert "L2, L3 tanpa tegangan" in indonesian[3]
    assert "pindai lagi saat lampu menyala" in indonesian[3]
    assert hints(FoundUnit(None, 1), scenes.catalogue(), Words("en")) == []


@pytest.mark.parametrize(("garbled", "is_told"), [(20, True), (1, False)])
def test_a_list_from_a_noisy_line_says_so(garbled: int, is_told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    unit = FoundUnit(LineSettings(9600, "N", 1), 5, outcome=Outcome.UNKNOWN, garbled=garbled)
    show(ScanResult("/dev/ttyUSB0", (unit,), 60.0, 200), [], Words("en"), raw=False, is_host=False)
    assert ("Many answers were broken" in capsys.readouterr().out) == is_told


def test_the_broken_answers_of_a_clash_do_not_make_a_line_noisy(capsys: pytest.CaptureFixture[str]) -> None:
    clash = FoundUnit(LineSettings(9600, "N", 1), 2, outcome=Outcome.CLASH, garbled=20)
    show(ScanResult("/dev/ttyUSB0", (clash,), 60.0, 200), [], Words("en"), raw=False, is_host=False)
    told = capsys.readouterr().out
    assert "two devices on one id" in told
    assert "Many answers were broken" not in told


@pytest.mark.parametrize("language", ["en", "id"])
def test_every_reason_has_words(language: str) -> None:
    for reason in Undecided:
        assert Words(language)(f"undecided.{reason}", phases="L2") not in ("", f"undecided.{reason}")


async def test_one_meter_is_read_by_quantity_and_by_register(line: Path) -> None:
    where = (str(line), "1", *AT)
    by_name = ("--profile", "eastron_sdm630", "--quantity", "voltage_l1", "--json")
    done = await asyncio.to_thread(run, "gateway", "read", *where, *by_name)
    assert done.returncode == 0, done.stderr
    assert 220 < json.loads(done.stdout)["values"]["voltage_l1"] < 240
    done = await asyncio.to_thread(run, "gateway", "read", *where, "--registers", "4:0-1", "--raw")
    assert "> 01 04 00 00 00 02" in done.stdout
    done = await asyncio.to_thread(
        run, "gateway", "watch", *where, "--registers", "4:0-1", "--every", "0.1", "--count", "2"
    )
    assert done.stdout.count("4:0") == 2, done.stderr


async def test_a_write_that_is_refused_says_so(line: Path) -> None:
    done = await asyncio.to_thread(run, "gateway", "write", str(line), "1", "28", "16384", "0", *AT, "--yes")
    assert done.returncode == 1
    assert "set-up mode" in done.stderr


async def test_the_doctor_names_the_wrong_baud_rate(line: Path) -> None:
    done = await asyncio.to_thread(run, "gateway", "doctor", str(line), "--units", "1-2", "--text")
    assert done.returncode == 1, done.stderr
    assert "19200 8N1" in done.stdout
    well = await asyncio.to_thread(run, "gateway", "doctor", str(line), "--units", "1-3", *AT, "--json")
    assert [one["cause"] for one in json.loads(well.stdout)["causes"]] == ["healthy"], well.stderr


def test_a_port_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    done = run("gateway", "scan", str(tmp_path / "ttyNONE"))
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "adapter_missing" in run("gateway", "doctor", str(tmp_path / "ttyNONE"), "--json").stdout


def test_a_scan_waits_for_an_adapter_no_longer_than_its_timer_says() -> None:
    assert latency_s(1) == 0.005
    assert latency_s(16) == 0.02
    assert latency_s(None) == 0.02


def test_unit_ids_are_read_as_people_write_them() -> None:
    assert parse_ids("1-3,7") == (1, 2, 3, 7)
