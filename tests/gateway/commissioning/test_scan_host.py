"""Scanning a network host: meters on Modbus TCP, a converter before a serial line, SunSpec, and the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from lentera_drivers.modbus.raw_answer import Framing
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.tcp_socket import open_tcp
from lentera_drivers.modbus.transport import OnBytes, OnLost
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_gateway.check import check_config
from lentera_gateway.commissioning.found import ScanResult
from lentera_gateway.commissioning.hypothesis import vary
from lentera_gateway.commissioning.new_config import NewBus, plan_config
from lentera_gateway.commissioning.recognise import Outcome
from lentera_gateway.commissioning.scan import Scan, ScanWish
from lentera_gateway.commissioning.write_config import write_config
from lentera_sim import scenes
from lentera_sim.ledger import Ledger
from lentera_sim.scenes import SceneMeter, profile_of
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.converter import Converter
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.sunspec_map import METER_BASE, sunspec_words
from lentera_sim.wires.tcp_meter import TcpMeter
from lentera_sim.wires.unit import ModbusUnit, respond

EXPONENTS = {6: -2, 15: -1, 17: -2, 22: 0, 27: 0, 32: 0, 37: -1, 54: 1, 71: 1, 104: 1}
"""Offset of each scale register of model 203 and the power of ten that our device has there."""


def varied(name: str, *, swapped: bool = False, shift: int = 0) -> MeterProfile:
    """A meter that differs from what its profile says."""
    profile = vary(profile_of(name), swapped=swapped, shift=shift)
    assert profile is not None
    return profile


def unit(profile: MeterProfile, number: int) -> ModbusUnit:
    return scenes.unit_of(SceneMeter(profile, number))


def sunspec_unit(base: int = 40_000) -> ModbusUnit:
    """A device of model 203, with its map at one of the three places of the specification."""
    profile, at = profile_of("sunspec_203"), base - 40_000 + METER_BASE
    placed = profile.at(at).with_scales({at + offset: exponent for offset, exponent in EXPONENTS.items()})
    values = scenes.measured(SceneMeter(placed, 4))
    return ModbusUnit("inverter", placed, lambda: values, fixed=sunspec_words(profile, EXPONENTS, base=base))


async def scan(port: int, framing: Framing, *units: int) -> ScanResult:
    raw = RawPort(framing)
    await raw.open_socket(open_tcp("127.0.0.1", port, 5.0))
    try:
        return await Scan(raw, scenes.catalogue(), ScanWish(units=units)).run("127.0.0.1")
    finally:
        raw.close()


async def scan_tcp(tmp_path: Path, units: Mapping[int, ModbusUnit], *asked: int) -> ScanResult:
    """Scan a Modbus TCP host with these units."""
    host = TcpMeter(units, Ledger(tmp_path / "ledger.jsonl"))
    await host.open()
    try:
        return await scan(host.port, "tcp", *asked)
    finally:
        await host.close()


def told(result: ScanResult) -> dict[int, tuple[str, bool, int] | None]:
    """What each unit is: profile, words swapped, addresses moved; None where it is not known."""
    return {
        one.unit: None if one.best is None else (one.best.profile, one.best.swapped, one.best.shift)
        for one in result.units
    }


HOST = {
    1: ("eastron_sdm630", False, 0),
    2: ("abb_b23", False, 0),
    3: ("eastron_sdm630", True, 0),
    5: ("schneider_pm5110", False, 1),
    6: ("siemens_pac3200", True, -1),
}


async def test_the_meters_of_a_host_become_a_configuration_that_the_check_accepts(tmp_path: Path) -> None:
    """Also a SunSpec device, one whose words come the other way round, and one that counts its registers from one."""
    units = {at: unit(varied(name, swapped=swapped, shift=shift), at) for at, (name, swapped, shift) in HOST.items()}
    result = await scan_tcp(tmp_path, {**units, 4: sunspec_unit()}, *range(1, 8))
    assert told(result) == {**HOST, 4: ("sunspec_203", False, 0)}
    plan = plan_config(result.units)
    assert sorted(plan.profiles) == [
        "eastron_sdm630_swapped.yaml",
        "schneider_pm5110_plus1.yaml",
        "siemens_pac3200_swapped_minus1.yaml",
    ]
    file = tmp_path / "gateway.yaml"
    bus = NewBus(host="127.0.0.1", tcp_port=502, transport="tcp")
    assert write_config(file, plan, bus, "gw-new", "wss://cloud.example/v1/link") == 10
    report = check_config(file)
    assert report.ok, report.errors
    for at, name in (
        (3, "eastron_sdm630_swapped"),
        (5, "schneider_pm5110_plus1"),
        (6, "siemens_pac3200_swapped_minus1"),
    ):
        mine = load_profile(str(tmp_path / f"{name}.yaml"))
        assert isinstance(mine, MeterProfile)
        assert mine.id == name
        assert read(units[at], mine, "voltage_l1") == pytest.approx(scenes.measured(SceneMeter(mine, at))["voltage_l1"])


def read(meter: ModbusUnit, profile: MeterProfile, quantity: str) -> float:
    """Read one value of a meter by a profile."""
    register = next(one for one in profile.registers if one.quantity == quantity)
    is_input = profile.function_code_of(register) == 4
    kind = ReadInputRegistersRequest if is_input else ReadHoldingRegistersRequest
    answer = meter.answer(kind(address=register.address, count=register.count, dev_id=1))
    assert answer is not None
    return profile.decode(dict(enumerate(answer.pdu.registers, start=register.address)))[quantity]


@pytest.mark.parametrize("base", [0, 40_000, 50_000])
async def test_a_sunspec_device_is_found_by_walking_its_models(base: int, tmp_path: Path) -> None:
    result = await scan_tcp(tmp_path, {1: sunspec_unit(base)}, 1)
    (found,) = result.units
    assert (found.outcome, told(result)) == (Outcome.IDENTIFIED, {1: ("sunspec_203", False, 0)})
    assert found.values["voltage_l1"] == pytest.approx(230, abs=10)
    assert found.values["frequency"] == pytest.approx(50, abs=0.5)


async def test_meters_behind_a_converter_are_asked_in_frames_of_a_serial_line(tmp_path: Path) -> None:
    settings = WireSettings(115_200)
    meters = [SceneMeter(profile_of(name), at, settings) for at, name in ((1, "eastron_sdm630"), (7, "abb_b23"))]
    converter = Converter([scenes.station_of(one) for one in meters], Ledger(tmp_path / "ledger.jsonl"), settings)
    await converter.open()
    try:
        result = await scan(converter.port, "rtu", 1, 2, 7)
    finally:
        await converter.close()
    assert told(result) == {1: ("eastron_sdm630", False, 0), 7: ("abb_b23", False, 0)}
    file = tmp_path / "gateway.yaml"
    bus = NewBus(host="127.0.0.1", tcp_port=4001, transport="rtu_over_tcp")
    write_config(file, plan_config(result.units), bus, "gw-new", "wss://cloud.example/v1/link")
    assert check_config(file).ok
    assert "transport: rtu_over_tcp" in file.read_text()


async def test_a_host_that_answers_to_every_unit_id_is_one_device(tmp_path: Path) -> None:
    meter = unit(profile_of("schneider_pm5110"), 1)
    result = await scan_tcp(tmp_path, dict.fromkeys(range(256), meter))
    assert result.ignores_unit_ids
    assert told(result) == {1: ("schneider_pm5110", False, 0)}


class SlowConverter:
    """A converter in memory: one question after the other, and a second until it says that nobody is there."""

    def __init__(self, units: Mapping[int, ModbusUnit]) -> None:
        self.is_open = True
        self._units = units
        self._free_at = 0.0
        self._framer = FramerSocket(DecodePDU(True))

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> SlowConverter:
        self._on_bytes = on_bytes
        return self

    def write(self, data: bytes) -> None:
        _, request = self._framer.handleFrame(data, 0, 0)
        assert request is not None
        answer = respond(self._units, request)
        pdu = ExceptionResponse(request.function_code, 11) if answer is None else answer.pdu
        pdu.dev_id, pdu.transaction_id = request.dev_id, request.transaction_id
        loop = asyncio.get_running_loop()
        self._free_at = max(loop.time(), self._free_at) + (1.0 if answer is None else 0.1)
        loop.call_at(self._free_at, self._on_bytes, self._framer.buildFrame(pdu))

    def close(self) -> None:
        self.is_open = False


def test_units_that_a_converter_does_not_reach_are_not_there_and_those_behind_them_are() -> None:
    """Asked faster than it gives up it would fall behind, and the answers of real meters would come too late."""
    converter = SlowConverter({at: unit(profile_of("eastron_sdm630"), at) for at in (9, 40, 200)})

    async def work() -> ScanResult:
        raw = RawPort("tcp")
        await raw.open_socket(converter.open)
        return await Scan(raw, scenes.catalogue()).run("memory")

    result = run_in_virtual_time(work())
    assert told(result) == dict.fromkeys((9, 40, 200), ("eastron_sdm630", False, 0))
    assert not result.ignores_unit_ids
    assert result.seconds < 300
