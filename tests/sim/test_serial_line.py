"""The serial line, read by pymodbus's own client: real frames, real pace, silence where silence belongs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from lentera_sim.errors import PlanError
from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.street import Street
from lentera_sim.wires.serial_line import SerialLine, stations_of
from lentera_sim.wires.settings import WireSettings
from tests.sim.conftest import until
from tests.sim.lines import sdm630

Entries = Callable[[], list[LedgerEntry]]


@pytest.fixture
async def line(street: Street, ledger: Ledger, tmp_path: Path) -> AsyncIterator[SerialLine]:
    units = {1: street.units["meter-cabinet"], 2: street.units["meter-office"]}
    made = SerialLine(tmp_path / "tty", stations_of(units), ledger)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def client(line: SerialLine) -> AsyncIterator[AsyncModbusSerialClient]:
    async with _client(line) as made:
        yield made


def _client(line: SerialLine, baud: int = 9600, timeout_s: float = 1.0) -> AsyncModbusSerialClient:
    return AsyncModbusSerialClient(str(line.path), baudrate=baud, timeout=timeout_s, retries=0)


async def test_two_units_answer_at_the_pace_of_the_line(
    client: AsyncModbusSerialClient, street: Street, entries: Entries
) -> None:
    times_s, replies = [], []
    for _ in range(3):
        started = time.monotonic()
        replies.append(await client.read_input_registers(0, count=80, device_id=1))
        times_s.append(time.monotonic() - started)
    first = replies[-1]
    # 8 bytes out, 165 back, a silence and the meter's turnaround; 10 bits a byte at 9600 baud.
    wire_s = (8 + 165 + 3.5) * 10 / 9600 + street.units["meter-cabinet"].profile.turnaround_ms / 1000
    assert wire_s <= min(times_s) < wire_s + 0.15
    second = await client.read_holding_registers(23296, count=6, device_id=2)
    assert len(first.registers) == 80
    assert len(second.registers) == 6
    await until(lambda: len(entries()) == 4)
    *_, cabinet, office = entries()
    profile = street.units["meter-cabinet"].profile
    assert cabinet.values == profile.decode(dict(enumerate(first.registers)))
    assert {name: round(value, 1) for name, value in office.values.items()} == {
        f"voltage_l{phase + 1}": second.registers[2 * phase + 1] / 10 for phase in range(3)
    }
    assert [entry.kind for entry in (cabinet, office)] == ["answered", "answered"]


async def test_an_absent_unit_is_silent_and_the_line_goes_on(client: AsyncModbusSerialClient, entries: Entries) -> None:
    with pytest.raises(ModbusIOException):
        await client.read_input_registers(0, count=2, device_id=9)
    assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()
    await until(lambda: len(entries()) == 1)


async def test_a_refused_request_is_an_exception_and_not_in_the_ledger(
    client: AsyncModbusSerialClient, entries: Entries
) -> None:
    reply = await client.read_input_registers(9000, count=2, device_id=1)
    assert reply.exception_code == 2
    await client.read_input_registers(0, count=2, device_id=1)
    await until(lambda: len(entries()) == 1)


async def test_behind_a_swapped_pair_nobody_answers(line: SerialLine, entries: Entries) -> None:
    line.medium.faults.swapped_pair = True
    async with _client(line, timeout_s=0.3) as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=2, device_id=1)
    assert entries() == []


async def test_a_damaged_reply_is_not_in_the_ledger(line: SerialLine, entries: Entries) -> None:
    line.medium.faults.bias_missing = True
    line.medium.faults.noise = 0.5
    async with _client(line, timeout_s=0.3) as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=2, device_id=1)
    assert entries() == []


async def test_nobody_understands_another_baud_rate(line: SerialLine, entries: Entries) -> None:
    async with _client(line, baud=19200, timeout_s=0.3) as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=2, device_id=1)
    async with _client(line) as client:
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()
    await until(lambda: len(entries()) == 1)


async def test_an_answer_that_nobody_read_is_unsure(line: SerialLine, entries: Entries) -> None:
    request = bytes.fromhex("010400000002")
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(descriptor, request + _crc(request))
        await until(lambda: len(entries()) == 1)
    finally:
        os.close(descriptor)
    assert entries()[0].kind == "unsure"
    async with _client(line) as client:  # what was left unread is gone with the next opening
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()


async def test_noise_does_not_stop_the_line(line: SerialLine) -> None:
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    try:
        for noise in (b"\x00", b"\xff" * 300, b"\x01\x04", bytes.fromhex("0104000000006fca"), os.urandom(64)):
            os.write(descriptor, noise)
            await asyncio.sleep(len(noise) * 10 / 9600 + 0.03)
    finally:
        os.close(descriptor)
    async with _client(line) as client:
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()


async def test_a_unit_can_be_slowed(line: SerialLine, street: Street) -> None:
    street.units["meter-cabinet"].faults.delay_s = 0.4
    async with _client(line) as client:
        started = time.monotonic()
        await client.read_input_registers(0, count=2, device_id=1)
    assert time.monotonic() - started > 0.4


async def test_an_answer_that_may_have_come_too_late_is_unsure(
    line: SerialLine, street: Street, entries: Entries
) -> None:
    street.units["meter-cabinet"].faults.delay_s, line.timeout_s = 0.25, 0.3
    async with _client(line) as client:
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()
    await until(lambda: len(entries()) == 1)
    assert entries()[0].kind == "unsure"


async def test_an_answer_is_written_down_when_the_line_is_closed(
    street: Street, ledger: Ledger, tmp_path: Path, entries: Entries
) -> None:
    made = SerialLine(tmp_path / "tty", stations_of({1: street.units["meter-cabinet"]}), ledger)
    await made.open()
    async with _client(made) as client:
        await client.read_input_registers(0, count=2, device_id=1)
        await made.close()
    assert [entry.kind for entry in entries()] in (["answered"], ["unsure"])


async def test_a_request_during_a_reply_spoils_it(line: SerialLine, entries: Entries) -> None:
    request = bytes.fromhex("010400000010")
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(descriptor, request + _crc(request))
        await asyncio.sleep(0.06)  # request, silence and turnaround take 34 ms, the reply 39 ms more
        os.write(descriptor, request + _crc(request))
        await asyncio.sleep(0.3)
        heard = os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
    assert len(heard) <= 37, "the second request was not heard either"
    assert _crc(heard[:-2]) != heard[-2:]
    assert entries() == []


async def test_closing_leaves_nothing(street: Street, ledger: Ledger, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    made = SerialLine(tmp_path / "tty", [], ledger)
    await made.open()
    await made.close()
    await made.close()
    assert not (tmp_path / "tty").is_symlink()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_baud_rate_that_no_port_has_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="9601 baud"):
        SerialLine(tmp_path / "tty", [sdm630(1, WireSettings(9601))], ledger)


def test_parities_that_a_pseudo_terminal_cannot_tell_apart_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    stations = [sdm630(1), sdm630(2, WireSettings(parity="E"))]
    with pytest.raises(PlanError, match="parity N and E"):
        SerialLine(tmp_path / "tty", stations, ledger)


async def test_an_adapter_that_was_pulled_out_comes_back_on_the_same_path(line: SerialLine) -> None:
    await line.unplug()
    assert not line.is_plugged
    assert not line.path.is_symlink()
    await line.plug()
    async with _client(line) as client:
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()


def _crc(data: bytes) -> bytes:
    """Modbus over serial line V1.02, 6.2.2: the CRC, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
