"""A line behind an Ethernet converter, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType

from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.street import Street
from lentera_sim.wires.converter import Converter
from lentera_sim.wires.serial_line import stations_of
from tests.sim.conftest import until
from tests.sim.lines import question

Entries = Callable[[], list[LedgerEntry]]


@pytest.fixture
async def converter(street: Street, ledger: Ledger) -> AsyncIterator[Converter]:
    units = {1: street.units["meter-cabinet"], 2: street.units["meter-office"]}
    made = Converter(stations_of(units), ledger)
    await made.open()
    yield made
    await made.close()


def _client(converter: Converter) -> AsyncModbusTcpClient:
    return AsyncModbusTcpClient(converter.host, port=converter.port, framer=FramerType.RTU, timeout=1, retries=0)


async def test_frames_pass_both_ways_and_are_in_the_ledger(
    converter: Converter, street: Street, entries: Entries
) -> None:
    async with _client(converter) as client:
        cabinet = await client.read_input_registers(0, count=80, device_id=1)
        office = await client.read_holding_registers(23296, count=6, device_id=2)
    assert (len(cabinet.registers), len(office.registers)) == (80, 6)
    await until(lambda: len(entries()) == 2)
    profile = street.units["meter-cabinet"].profile
    assert entries()[0].values == profile.decode(dict(enumerate(cabinet.registers)))
    assert [entry.kind for entry in entries()] == ["answered", "answered"]


async def test_a_new_reader_takes_the_line_over(converter: Converter) -> None:
    old_reader, old_writer = await asyncio.open_connection(converter.host, converter.port)
    old_writer.write(question())
    assert len(await old_reader.readexactly(9)) == 9
    async with _client(converter) as client:
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()
        assert await old_reader.read() == b""
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()
    old_writer.close()


async def test_unplugged_it_refuses_and_comes_back_on_its_port(converter: Converter) -> None:
    reader, writer = await asyncio.open_connection(converter.host, converter.port)
    writer.write(question())
    assert len(await reader.readexactly(9)) == 9
    port = converter.port
    await converter.unplug()
    assert not converter.is_plugged
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match="111"):
        await asyncio.open_connection(converter.host, port)
    await converter.plug()
    assert converter.port == port
    async with _client(converter) as client:
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()


async def test_an_answer_that_is_damaged_on_the_line_is_not_in_the_ledger(
    converter: Converter, entries: Entries
) -> None:
    reader, writer = await asyncio.open_connection(converter.host, converter.port)
    converter.medium.faults.echo = True
    writer.write(question())
    assert await reader.readexactly(8) == question()
    await reader.readexactly(9)
    converter.medium.faults.noise = 1.0
    writer.write(question())
    assert await reader.readexactly(8) != question()
    writer.close()
    await until(lambda: len(entries()) == 1)
