"""`gateway read`, `watch` and `write` on a port that nobody holds, with the bytes and as JSON."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from pymodbus.pdu.register_message import (
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from lentera.cli.one_device import _write
from lentera_drivers import profiles
from lentera_drivers.driver import DriverError
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_gateway.config import load_config
from lentera_gateway.direct import Direct
from lentera_sim.ledger import Ledger
from lentera_sim.wires.serial_line import SerialLine, stations_of
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.unit import Answer, ModbusUnit
from tests.lentera.test_cli import run

TARIFF = '  - {quantity: tariff, address: 100, count: 1, type: uint16, unit: "1", minimum: 1, maximum: 4, '


class TariffMeter(ModbusUnit):
    """Takes a tariff with function 6, as its profile says."""

    tariff = 1.0

    def answer(self, request):
        if isinstance(request, WriteSingleRegisterRequest) and request.address == 100:
            self.tariff = float(request.registers[0])
            return Answer(WriteSingleRegisterResponse(address=100, registers=request.registers), self.device)
        return super().answer(request)


@pytest.fixture
async def line(tmp_path):
    """A meter on a pseudo-terminal of 19200 baud; yields the port's path, the profile's file and the meter."""
    text = (Path(profiles.__file__).parent / "abb_b23.yaml").read_text()
    file = tmp_path / "own.yaml"
    file.write_text(text.replace("registers:\n", f"registers:\n{TARIFF}write_function_code: 6}}\n", 1))
    profile = load_profile(file)
    assert isinstance(profile, MeterProfile)
    values = dict.fromkeys((register.quantity for register in profile.registers), 1.0) | {"voltage_l1": 230.0}
    held: list[TariffMeter] = []
    meter = TariffMeter("m", profile, lambda: {**values, "tariff": held[0].tariff if held else 1.0})
    held.append(meter)
    settings = WireSettings(19200)
    port = SerialLine(tmp_path / "line", stations_of({2: meter}, settings), Ledger(tmp_path / "ledger.jsonl"))
    await port.open()
    yield port.path, file, meter
    await port.close()


async def lentera(*words: str):
    return await asyncio.to_thread(run, "gateway", *words, LENTERA_LANG="en")


async def test_a_watch_shows_values_and_bytes_a_line_each(line):
    port, file, _ = line
    where = (str(port), "2", "--baud", "19200", "--profile", str(file), "--quantity", "voltage_l1")
    done = await lentera("watch", *where, "--every", "0.1", "--count", "3", "--json", "--raw")
    assert done.returncode == 0, done.stderr
    readings = [json.loads(text) for text in done.stdout.splitlines()]
    assert [one["values"] for one in readings] == [{"voltage_l1": 230.0}] * 3
    assert readings[0]["raw"][0]["asked"].startswith("0203")
    done = await lentera("watch", *where, "--count", "1", "--raw")
    assert "voltage_l1  230 V\n> 02 03" in done.stdout


async def test_a_quantity_is_written_with_the_function_that_its_profile_names(line):
    port, file, meter = line
    where = (str(port), "2", "tariff")
    done = await lentera("write", *where, "3", "--baud", "19200", "--profile", str(file), "--yes", "--raw")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Written and read back: 3.")
    assert "> 02 06 00 64 00 03" in done.stdout
    assert meter.tariff == 3
    done = await lentera("write", *where, "5", "--baud", "19200", "--profile", str(file), "--yes")
    assert (done.returncode, "outside the profile's limits" in done.stderr) == (1, True)
    done = await lentera("write", str(port), "2", "100", "2", "--baud", "19200", "--yes")
    assert (done.returncode, "set-up mode" in done.stderr) == (1, True), "function 16 is not what this meter takes"
    assert meter.tariff == 3


@pytest.mark.parametrize(("language", "told"), [("en", "does not answer at"), ("id", "tidak menjawab pada")])
@pytest.mark.parametrize("how", [("--profile", "eastron_sdm630"), ("--registers", "4:0-5")])
async def test_a_silent_meter_is_asked_twice_and_told_once_with_what_to_do(line, how, language, told):
    port, _, _ = line
    at = (str(port), "5", "--baud", "19200", *how)
    done = await asyncio.to_thread(run, "gateway", "read", *at, "--raw", LENTERA_LANG=language)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1::2] == ["< -", "< -"], "asked twice, not 16 times"
    (only,) = done.stderr.splitlines()
    assert f"{told} 19200 8N1" in only
    assert f"`lentera gateway doctor {port} --units 5`" in only


async def test_a_silent_meter_is_told_as_json_too(line):
    port, _, _ = line
    done = await lentera("read", str(port), "5", "--profile", "eastron_sdm630", "--json")
    assert (done.returncode, json.loads(done.stdout)["values"]) == (1, {})
    assert json.loads(done.stderr)["error"] == "device_timeout"


class SparseMeter(ModbusUnit):
    """Is silent where others would refuse: to a question with a hole in it, and to the frequency."""

    def answer(self, request):
        return None if request.count > 2 or request.address == 70 else super().answer(request)


async def test_a_meter_that_is_silent_to_some_questions_is_read_by_the_others(tmp_path):
    profile = load_profile("eastron_sdm630")
    assert isinstance(profile, MeterProfile)
    values = dict.fromkeys((register.quantity for register in profile.registers), 1.0)
    stations = stations_of({2: SparseMeter("m", profile, lambda: values)}, WireSettings(19200))
    port = SerialLine(tmp_path / "line", stations, Ledger(tmp_path / "ledger.jsonl"))
    await port.open()
    where = (str(port.path), "2", "--baud", "19200", "--profile", profile.id)
    wanted = [word for name in ("voltage_l1", "voltage_l3", "frequency") for word in ("--quantity", name)]
    done = await lentera("read", *where, *wanted, "--json")
    await port.close()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["values"] == {"voltage_l1": 1.0, "voltage_l3": 1.0}
    assert list(told["refused"].values()) == ["no answer"]


class MovingMeter(TariffMeter):
    """Takes another unit id with register 100, at once: it is silent at the old one after that."""

    moved = False

    def answer(self, request):
        if self.moved:
            return None
        self.moved = isinstance(request, WriteMultipleRegistersRequest)
        if self.moved:
            return Answer(WriteMultipleRegistersResponse(address=request.address, count=request.count), self.device)
        return super().answer(request)


@pytest.mark.parametrize(("language", "told"), [("en", "may have another one now"), ("id", "mungkin sudah berubah")])
async def test_a_meter_that_is_gone_after_a_write_may_have_another_id(tmp_path, language, told):
    profile = load_profile("abb_b23")
    assert isinstance(profile, MeterProfile)
    values = dict.fromkeys((register.quantity for register in profile.registers), 1.0)
    meter = MovingMeter("m", profile, lambda: values)
    port = SerialLine(tmp_path / "line", stations_of({2: meter}, WireSettings(19200)), Ledger(tmp_path / "l.jsonl"))
    await port.open()
    command = ("gateway", "write", str(port.path), "2", "100", "7", "--baud", "19200", "--yes")
    done = await asyncio.to_thread(run, *command, LENTERA_LANG=language)
    await port.close()
    assert (done.returncode, meter.moved) == (1, True), done.stderr
    assert told in done.stderr
    assert f"`lentera gateway scan {port.path}`" in done.stderr


async def test_a_write_without_a_gateway_is_kept_in_the_systems_log(line, tmp_path, monkeypatch):
    port, file, meter = line
    kept: list[dict] = []
    monkeypatch.setattr("syslog.syslog", lambda _, text: kept.append(json.loads(text)))
    config = {
        "version": 1,
        "gateway": {"id": "gw"},
        "cloud": {"url": "ws://127.0.0.1:1/v1/link", "key_file": "key.pem"},
        "journal": {"memory_dir": "memory", "card_dir": "card"},
        "buses": [{"id": "b", "driver": "modbus", "transport": "rtu", "port": str(port), "baud": 19200}],
        "devices": [{"id": "m", "profile": file.name, "bus": "b", "unit": 2}],
    }
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))
    loaded = load_config(tmp_path / "gateway.yaml")
    async with Direct(loaded, ["m"]) as direct:
        answer = await direct.ask({"do": "write", "device": "m", "quantity": "tariff", "value": 4})
        assert (answer["value_before"], answer["value"], answer["function_code"]) == (1, 4, 6)
        with pytest.raises(DriverError):
            await direct.ask({"do": "write", "device": "m", "address": 9000, "words": [1]})
    assert meter.tariff == 4
    assert [(one["event"], one["words"], one["uid"]) for one in kept] == [
        ("write_asked", [4], os.getuid()),
        ("written", [4], os.getuid()),
        ("write_asked", [1], os.getuid()),
        ("write_failed", [1], os.getuid()),
    ]
    kept.clear()
    await _write(port, LineSettings(19200), 2, 100, (2,), 6)
    assert [(one["event"], one["port"], one["words"], one["uid"]) for one in kept] == [
        ("write_asked", str(port), [2], os.getuid()),
        ("written", str(port), [2], os.getuid()),
    ]
