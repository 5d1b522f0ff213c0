"""Measure what several questions at once bring on Modbus TCP: one device with a turnaround of 20 ms, 1,000 requests.

`python -m bench --only window`. The device is a server in the same process that answers each question 20 ms after it
came, however many are under way; pymodbus's client, which asks one at a time, stands beside.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.processes import spread
from bench.progress import Progress
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.line import ModbusLine
from lentera_model.config import ModbusBus

TURNAROUND_S = 0.02
REQUESTS = 1_000
REGISTERS = 80
RUNS = 3
WINDOWS = (1, 4, 16)


class _Device(asyncio.Protocol):
    """Answers reads of registers, each after its turnaround."""

    def __init__(self) -> None:
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole question."""
        self._heard += data
        while len(self._heard) >= 12:
            question, self._heard = self._heard[:12], self._heard[12:]
            asyncio.get_running_loop().call_later(TURNAROUND_S, self._answer, question)

    def _answer(self, question: bytes) -> None:
        count = int.from_bytes(question[10:12])
        if self._transport is not None:
            size = (3 + 2 * count).to_bytes(2)
            self._transport.write(question[:4] + size + question[6:8] + bytes([2 * count]) + bytes(2 * count))


async def _rate(ask: Callable[[], Awaitable[object]], workers: int) -> float:
    left = iter(range(REQUESTS))

    async def work() -> None:
        for _ in left:
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return REQUESTS / (time.perf_counter() - began)


async def _rates(ask: Callable[[], Awaitable[object]], workers: int, progress: Progress) -> str:
    """The median of some runs, and their range."""
    rates: list[float] = []
    for _ in range(RUNS):
        rates.append(await _rate(ask, workers))
        progress.add(1)
    return f"{statistics.median(rates):.1f} ({spread(rates, 1)})"


async def _measure() -> dict[str, Any]:
    from pymodbus.client import AsyncModbusTcpClient

    server = await asyncio.get_running_loop().create_server(_Device, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = ModbusBus.model_validate(
        {"id": "b", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "tcp_port": port}
    )
    found: dict[str, Any] = {
        "load": f"{REQUESTS} requests of {REGISTERS} registers, turnaround 20 ms, median of {RUNS} runs (range)"
    }
    progress = Progress("window", RUNS * (1 + len(WINDOWS)))
    block = ReadBlock(3, 0, REGISTERS, ())
    for window in WINDOWS:
        line = ModbusLine(bus, lambda: time.monotonic_ns() // 1_000_000, window=window)

        async def ask(line: ModbusLine = line) -> object:
            return await line.read("device", 1, block)

        found[f"window {window}, requests a second"] = await _rates(ask, window, progress)
        await line.close()
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
    await client.connect()

    async def ask_plainly() -> object:
        return await client.read_holding_registers(0, count=REGISTERS, device_id=1)

    found["pymodbus, 16 tasks, requests a second"] = await _rates(ask_plainly, 16, progress)
    client.close()
    server.close()
    return found


def measure() -> dict[str, Any]:
    """Return requests a second for each window."""
    return asyncio.run(_measure())


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)
