"""A technician's own questions on a running gateway: a real process on real wires, and a ledger that stays right."""

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pymodbus.pdu.register_message import WriteMultipleRegistersRequest, WriteMultipleRegistersResponse

from lentera_drivers import profiles
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_gateway import control
from lentera_gateway.clock import system_wall_ms
from lentera_gateway.control_client import ControlAnswerError, ask
from lentera_gateway.control_path import short_address, socket_path
from lentera_sim.street import StreetPlan
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import Answer, ModbusUnit
from tests.gateway.board import board

PLAN = StreetPlan(meters=3, lamps=2, serial_every_s=1.0, tcp_every_s=0.5, lamp_every_s=1.0, baud=19200)
CABINET, OFFICE, MARKET = "meter-cabinet", "meter-office", "meter-market"

pytestmark = pytest.mark.usefixtures("mosquitto")


async def begin(folder, command: str, *words: str, **environ: str) -> asyncio.subprocess.Process:
    """Start `lentera gateway COMMAND gateway.yaml WORDS`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lentera", "gateway", command, str(folder / "gateway.yaml"), *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LENTERA_LANG": "en", **environ},
    )


async def lentera(folder, command: str, *words: str, **environ: str) -> tuple[int, str, str]:
    """Run a command to its end; returns exit code, stdout, stderr."""
    process = await begin(folder, command, *words, **environ)
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


class LockableTariff:
    """The office's meter with a tariff that can be set, until somebody locks it."""

    def __init__(self, folder) -> None:
        text = (Path(profiles.__file__).parent / "abb_b23.yaml").read_text()
        tariff = 'registers:\n  - {quantity: tariff, address: 100, count: 1, type: uint16, unit: "1", minimum: 1, '
        tariff += "maximum: 4, write_function_code: 16}\n"
        self.file = folder / "own.yaml"
        self.file.write_text(text.replace("registers:\n", tariff, 1).replace("id: abb_b23", "id: own", 1))
        self.tariff, self.locked = 1.0, False

    def unit(self, before: ModbusUnit) -> ModbusUnit:
        """Return the meter in place of the one that was there."""
        mine = self

        class Unit(ModbusUnit):
            def answer(self, request):
                if not isinstance(request, WriteMultipleRegistersRequest) or request.address != 100:
                    return super().answer(request)
                if not mine.locked:
                    mine.tariff = float(request.registers[0])
                return Answer(WriteMultipleRegistersResponse(address=100, count=1), self.device)

        profile = load_profile(self.file)
        assert isinstance(profile, MeterProfile)
        fresh = Unit(OFFICE, profile, lambda: {**before.measured(), "tariff": self.tariff})
        fresh.unit_id = before.unit_id
        return fresh


@asynccontextmanager
async def running(folder):
    """A board whose office has a meter that can be written to; yields it and the meter."""
    async with board(folder, PLAN, start=False) as it:
        meter = LockableTariff(folder)
        stations = [one for one in it.street.wires.line.medium.stations if isinstance(one, Station)]
        station = next(one for one in stations if one.unit.device == OFFICE)
        station.unit = meter.unit(station.unit)
        file = folder / "gateway.yaml"
        config = yaml.safe_load(file.read_text())
        next(one for one in config["devices"] if one["id"] == OFFICE)["profile"] = "own.yaml"
        file.write_text(yaml.safe_dump(config))
        await it.start()
        it.street.energise()
        yield it, meter


async def read_all(folder) -> None:
    code, out, error = await lentera(folder, "read", "--json")
    assert code == 0, out + error
    answer = json.loads(out)
    assert answer["asked"] == "gateway"
    by_device = {one["device"]: one for one in answer["devices"]}
    assert set(by_device) == {CABINET, OFFICE, MARKET}
    assert all(200 < one["values"]["voltage_l1"] < 250 for one in by_device.values())
    assert by_device[OFFICE]["values"]["tariff"] == 1
    assert "raw" not in by_device[OFFICE]


async def watch_two(folder) -> None:
    options = ("--quantity", "frequency", "--raw", "--json", "--every", "0.2", "--count", "8")
    code, out, error = await lentera(folder, "watch", CABINET, MARKET, *options)
    assert code == 0, error
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["device"] for line in lines] == [CABINET, MARKET] * 8
    assert all(list(line["values"]) == ["frequency"] and line["raw"][0]["heard"] for line in lines)


async def write_twice(folder, meter) -> None:
    code, out, error = await lentera(folder, "write", OFFICE, "tariff", "2", "--yes", "--json")
    assert code == 0, error
    written = json.loads(out)
    assert (written["value_before"], written["value"], written["confirmed"]) == (1, 2, True)
    assert meter.tariff == 2
    code, out, error = await lentera(folder, "write", OFFICE, "100", "3", "--yes")
    assert (code, out) == (0, "Written and read back: 3. Before: 2.\n"), error
    assert meter.tariff == 3


async def test_read_watch_and_write_go_between_the_polls_and_the_ledger_stays_right(tmp_path):
    folder = tmp_path / "run"
    async with running(folder) as (it, meter):
        await read_all(folder)
        await asyncio.gather(watch_two(folder), write_twice(folder, meter))
        await it.until(lambda: it.status()["buses"]["rs485-0"]["polls"] > 15)
        buses = it.status()["buses"].values()
        assert [(bus["skipped"], bus["failures"]) for bus in buses] == [(0, 0)] * len(buses)
        await it.street.quieten()
        await it.stop()
        result = it.audit()
        assert (result.missing, result.duplicated, result.out_of_order) == (0, 0, 0), result.details[:10]
        log = [json.loads(line) for line in it.log().splitlines() if '"written"' in line]
        told = [(one["device"], one["words"], one["uid"], one["kept"]) for one in log]
        assert told == [(OFFICE, [2], os.getuid(), True), (OFFICE, [3], os.getuid(), True)]


async def test_what_the_gateway_or_the_meter_does_not_let_through_is_told(tmp_path):
    folder = tmp_path / "run"
    async with running(folder) as (it, meter):
        got, _, error = await lentera(folder, "write", CABINET, "20", "16512", "0", "--yes")
        assert (got, "its unit id" in error) == (1, True), error
        got, _, error = await lentera(folder, "write", CABINET, "500", "1", "--yes")
        assert (got, "set-up mode" in error) == (1, True), error
        assert meter.tariff == 1
        meter.locked = True
        got, _, error = await lentera(folder, "write", OFFICE, "tariff", "2", "--yes")
        assert got == 1
        assert "1 (1) was read back instead of 2." in error
        it.street.street.units[MARKET].faults.dead = True
        got, out, error = await lentera(folder, "read", CABINET, MARKET, "--quantity", "frequency")
        assert got == 1
        assert "meter-cabinet:\nfrequency" in out
        assert "no answer" in error
        assert "Check the meter's power" in error


async def test_a_request_that_does_not_read_is_refused(tmp_path):
    folder = tmp_path / "run"
    async with running(folder):
        path = socket_path(folder / "journal" / "memory")
        for request, said in (
            ({"do": "read"}, "device"),
            ({"do": "read", "device": CABINET, "quantities": []}, "length >= 1"),
            ({"do": "read", "device": CABINET, "register": "4:0"}, "register"),
            ({"do": "read", "device": CABINET, "registers": "4:0-200"}, "at most 125"),
            ({"do": "read", "device": "lamp-001"}, "reports by itself"),
            ({"do": "read", "device": CABINET, "quantities": ["volt"]}, "has no 'volt'"),
            ({"do": "write", "device": OFFICE}, "`quantity` and `value`"),
            (
                {"do": "write", "device": OFFICE, "quantity": "tariff", "value": 2, "address": 5, "words": [1]},
                "or `add",
            ),
            ({"do": "write", "device": OFFICE, "address": 65535, "words": [1, 2]}, "beyond 65535"),
            ({"do": "write", "device": OFFICE, "address": 5, "words": [65536]}, "<= 65535"),
            ({"do": "write", "device": OFFICE, "quantity": "voltage_l1", "value": 2}, "names no way to write"),
        ):
            with pytest.raises(ControlAnswerError, match=re.escape(said)):
                await asyncio.to_thread(ask, path, request, 5.0)


async def test_a_busy_socket_is_told_and_the_command_works_again_after_it(tmp_path):
    folder = tmp_path / "run"
    async with running(folder):
        path = socket_path(folder / "journal" / "memory")
        silent = [await asyncio.open_unix_connection(path) for _ in range(control.MAX_CONNECTIONS)]
        code, _, error = await lentera(folder, "read", CABINET)
        assert code == 1
        assert "8 commands ask this gateway already" in error
        code, _, error = await lentera(folder, "read", CABINET, LENTERA_LANG="id")
        assert "Tunggu sampai perintah lain selesai" in error
        for _, writer in silent:
            writer.close()
        code, out, error = await lentera(folder, "read", CABINET, "--quantity", "frequency")
        assert code == 0, error
        assert out.startswith("frequency")


async def test_without_a_gateway_the_ports_are_opened_and_with_one_that_is_not_asked_they_are_refused(tmp_path):
    folder = tmp_path / "run"
    async with running(folder) as (it, meter):
        path = socket_path(folder / "journal" / "memory")
        path.rename(path.with_name("away"))
        code, _, error = await lentera(folder, "read", CABINET)
        assert code == 1
        assert "cannot be reached" in error
        assert "ask as its user with its own configuration" in error
        path.with_name("away").rename(path)
        await it.stop()
        code, out, error = await lentera(folder, "read", CABINET, MARKET, "--registers", "4:0-1", "--raw")
        assert "No gateway runs on this configuration" in error
        assert "> 01 04 00 00 00 02" in out
        code, out, error = await lentera(folder, "watch", OFFICE, "--every", "0.1", "--count", "2", "--json")
        assert code == 0, error
        assert [json.loads(line)["values"]["tariff"] for line in out.splitlines()] == [1, 1]
        code, out, error = await lentera(folder, "write", OFFICE, "tariff", "4", "--yes", LENTERA_LANG="id")
        assert code == 0, error
        assert "Ditulis dan dibaca ulang: 4 (4). Sebelumnya: 1 (1)." in out
        assert meter.tariff == 4


async def test_a_gateway_that_stops_meanwhile_is_told_and_asked_again_when_it_is_back(tmp_path):
    folder = tmp_path / "run"
    async with running(folder) as (it, _):
        watching = await begin(folder, "watch", CABINET, "--every", "0.1", "--json", "--quantity", "frequency")
        said = watching.stdout
        assert said is not None

        async def heard(key: str) -> dict:
            async with asyncio.timeout(20):
                while key not in (one := json.loads(await said.readline())):
                    pass
            return one

        assert (await heard("values"))["values"]
        await it.stop()
        async with asyncio.timeout(20):
            while (await heard("error"))["error"] != "gateway_not_running":
                pass
        await it.start()
        assert (await heard("values"))["values"]
        watching.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(watching.wait(), 10) in (0, 1)


async def test_ctrl_c_ends_a_watch_whose_gateway_does_not_answer(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, PLAN, start=False):
        path = socket_path(folder / "journal" / "memory")
        path.parent.mkdir(parents=True)
        asked = asyncio.Event()

        async def silent(reader, writer):
            if await reader.read(1):  # only looking whether somebody is there gives nothing to read
                asked.set()
                await reader.read()
            writer.close()

        with short_address(path) as address:
            server = await asyncio.start_unix_server(silent, address)
        async with server:
            watching = await begin(folder, "watch", CABINET)
            async with asyncio.timeout(20):
                await asked.wait()
            watching.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(watching.wait(), 20) in (0, 1, 130)


async def test_a_port_that_is_loaded_to_the_brim_still_answers_within_its_patience(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, replace(PLAN, baud=4800, serial_every_s=2.0)) as it:
        await it.until(lambda: it.status()["buses"]["rs485-0"]["polls"] > 2)
        code, out, error = await lentera(folder, "read", CABINET, "--quantity", "frequency", "--json")
        assert code == 0, error
        assert json.loads(out)["devices"][0]["values"]["frequency"]
        await it.street.quieten()
        stopped_ms = system_wall_ms()
        await it.stop()
        # A poll of such a line takes longer than the end waits for it.
        result = it.audit(lambda at_ms: at_ms < stopped_ms - 2_000)
        assert (result.missing, result.out_of_order) == (0, 0), result.details[:10]
