"""A Modbus TCP meter, read by pymodbus's own client and by a client that goes away."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.street import Street
from lentera_sim.wires.tcp_meter import TcpMeter
from tests.sim.conftest import until

Entries = Callable[[], list[LedgerEntry]]
READ_L1 = bytes.fromhex("0001 0000 0006 01 04 0001 0002")


@pytest.fixture
async def meter(street: Street, ledger: Ledger) -> AsyncIterator[TcpMeter]:
    made = TcpMeter({1: street.units["meter-market"]}, ledger)
    await made.open()
    yield made
    await made.close()


def _client(meter: TcpMeter, timeout_s: float = 1.0) -> AsyncModbusTcpClient:
    return AsyncModbusTcpClient(meter.host, port=meter.port, timeout=timeout_s, retries=0)


async def test_every_answer_is_in_the_ledger_as_it_was_sent(meter: TcpMeter, street: Street, entries: Entries) -> None:
    profile = street.units["meter-market"].profile
    received = []
    async with _client(meter) as client:
        for _ in range(20):
            reply = await client.read_input_registers(1, count=66, device_id=1)
            received.append(profile.decode(dict(enumerate(reply.registers, start=1))))
    await until(lambda: len(entries()) == 20)
    assert [dict(entry.values) for entry in entries()] == received
    assert {entry.kind for entry in entries()} == {"answered"}


async def test_several_clients_at_once(meter: TcpMeter, entries: Entries) -> None:
    async with _client(meter) as one, _client(meter) as two:
        replies = await asyncio.gather(
            *(client.read_input_registers(1, count=2, device_id=1) for client in (one, two) for _ in range(5))
        )
    assert not any(reply.isError() for reply in replies)
    await until(lambda: len(entries()) == 10)


async def test_pipelined_requests_are_answered_in_order(meter: TcpMeter) -> None:
    reader, writer = await asyncio.open_connection(meter.host, meter.port)
    writer.write(b"".join(struct.pack(">HHHBBHH", number, 0, 6, 1, 4, 1, 2) for number in (5, 6, 7)))
    replies = [await reader.readexactly(13) for _ in range(3)]
    assert [int.from_bytes(reply[:2]) for reply in replies] == [5, 6, 7]
    writer.close()


async def test_an_absent_unit_is_silent_and_a_refusal_is_an_exception(meter: TcpMeter, entries: Entries) -> None:
    async with _client(meter, timeout_s=0.2) as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(1, count=2, device_id=3)
    async with _client(meter) as client:
        assert (await client.read_input_registers(60_000, count=2, device_id=1)).exception_code == 2
    assert entries() == []


async def test_an_answer_that_nobody_read_is_unsure(meter: TcpMeter, entries: Entries) -> None:
    connection = socket.create_connection((meter.host, meter.port))
    connection.setblocking(False)
    connection.send(READ_L1)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    await readable.wait()  # the answer is here and stays unread
    loop.remove_reader(connection)
    connection.close()
    await until(lambda: len(entries()) == 1)
    assert entries()[0].kind == "unsure"


async def test_an_answer_is_written_down_when_the_meter_is_closed(
    street: Street, ledger: Ledger, entries: Entries
) -> None:
    meter = TcpMeter({1: street.units["meter-market"]}, ledger)
    await meter.open()
    async with _client(meter) as client:
        await client.read_input_registers(1, count=2, device_id=1)
        await meter.close()
    assert [entry.kind for entry in entries()] == ["answered"]


async def test_an_answer_that_may_have_come_too_late_is_unsure(
    meter: TcpMeter, street: Street, entries: Entries
) -> None:
    street.units["meter-market"].faults.delay_s, meter.timeout_s = 0.25, 0.3
    async with _client(meter) as client:
        assert not (await client.read_input_registers(1, count=2, device_id=1)).isError()
    await until(lambda: len(entries()) == 1)
    assert entries()[0].kind == "unsure"


async def test_nonsense_closes_the_connection_and_nothing_else(meter: TcpMeter) -> None:
    reader, writer = await asyncio.open_connection(meter.host, meter.port)
    writer.write(bytes.fromhex("0001 0000 0006 01 04 0001 0000"))  # a count of 0
    assert await reader.read() == b""
    writer.close()
    async with _client(meter) as client:
        assert not (await client.read_input_registers(1, count=2, device_id=1)).isError()
