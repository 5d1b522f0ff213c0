"""Writes: between any two reads, checked by what the unit answers, and never proved by the line's own echo."""

import asyncio

import pytest
from pymodbus.framer import FramerRTU

from lentera_drivers.driver import DeviceReplyError, DeviceTimeoutError
from lentera_drivers.modbus.line import ModbusLine
from tests.drivers.modbus_bench import answers, rtu_bus, tcp_bus
from tests.drivers.wires import PtyCable, ScriptedRtuServer, serve_on_port


def now_ms() -> int:
    return round(asyncio.get_running_loop().time() * 1000)


async def echo(frame: bytes, send) -> None:
    """An adapter that hears itself, on a line where nobody lives."""
    send(frame)


async def test_the_echo_of_a_write_is_no_answer():
    with PtyCable() as cable:
        stop = await serve_on_port(cable.ports[0], echo, [])
        line = ModbusLine(rtu_bus(cable.ports[1]), now_ms)
        with pytest.raises(DeviceTimeoutError, match="echo"):
            await line.write("m1", 1, 20, [7], function_code=6)
        await line.close()
        stop()


async def test_a_unit_confirms_a_write_by_saying_it_again():
    asked: list[tuple[int, int, int, int]] = []

    async def unit(frame: bytes, send) -> None:
        if frame[1] == 6:
            send(frame)
        else:
            await answers({20: 3})(frame, send)

    with PtyCable() as cable:
        stop = await serve_on_port(cable.ports[0], unit, asked)
        line = ModbusLine(rtu_bus(cable.ports[1]), now_ms)
        await line.write("m1", 1, 20, [7], function_code=6)
        await line.close()
        stop()
    assert [function for _, function, _, _ in asked] == [3, 6], "it is read first: does the line echo?"


async def test_a_unit_that_writes_something_else_is_not_believed():
    async def unit(frame: bytes, send) -> None:
        if frame[1] == 6:
            body = frame[:4] + b"\x00\x08"
            send(body + FramerRTU.compute_CRC(body).to_bytes(2, "big"))
        else:
            await answers({20: 3})(frame, send)

    async with ScriptedRtuServer(unit) as server:
        line = ModbusLine(tcp_bus(server.port, "rtu_over_tcp"), now_ms)
        with pytest.raises(DeviceReplyError, match="got function 6 with 8 at 20, asked for function 6 with 7 at 20"):
            await line.write("m1", 1, 20, [7], function_code=6)
        await line.close()
