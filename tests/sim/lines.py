"""A reader of simulated lines in memory, and units to hang on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import OFFICE, BuildingLoad
from lentera_sim.physics.meter import ThreePhaseMeter
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.crc import crc16, is_whole
from lentera_sim.wires.memory_line import MemoryLine, MemoryPort
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import ModbusUnit

T = TypeVar("T")
NOON_MS = 1_790_000_000_000
READ = "04 0000 0002"
"""The first voltage of an SDM630."""


def sdm630(unit_id: int = 1, settings: WireSettings | None = None, **more: Any) -> Station:
    """A meter of the commonest kind, on a line."""
    profile = load_profile("eastron_sdm630")
    assert isinstance(profile, MeterProfile)
    meter = ThreePhaseMeter(f"m{unit_id}", 1, Grid(1), BuildingLoad(1, "b", 9000.0, OFFICE, NOON_MS))
    known: Mapping[str, float] = meter.values(NOON_MS)
    return Station(ModbusUnit(f"m{unit_id}", profile, lambda: known), unit_id, settings, **more)


def question(text: str = READ, unit_id: int = 1) -> bytes:
    """A frame from the hex of its PDU."""
    body = bytes([unit_id]) + bytes.fromhex(text)
    return body + crc16(body)


class Reader:
    """Asks and listens on a line in simulated time; `heard` is (time, bytes)."""

    def __init__(self, line: MemoryLine) -> None:
        self.line = line
        self.heard: list[tuple[float, bytes]] = []
        self.lost: list[Exception | None] = []
        self.port: MemoryPort[WireSettings] | None = None

    async def open(self, settings: WireSettings | None = None) -> MemoryPort[WireSettings]:
        time = asyncio.get_running_loop().time
        self.port = await self.line.open(
            settings or WireSettings(), lambda data: self.heard.append((time(), data)), self.lost.append
        )
        return self.port

    async def ask(self, frame: bytes, wait_s: float = 1.0) -> bytes:
        """Send a frame, and return all that is heard within `wait_s`."""
        assert self.port is not None
        self.heard.clear()
        self.port.write(frame)
        await asyncio.sleep(wait_s)
        return self.bytes

    @property
    def bytes(self) -> bytes:
        return b"".join(data for _, data in self.heard)


def is_answer(data: bytes, unit_id: int = 1) -> bool:
    """Whether bytes are one whole frame of a unit."""
    return is_whole(data) and data[0] == unit_id


def on_line(
    line: MemoryLine, work: Callable[[Reader], Coroutine[Any, Any, T]], settings: WireSettings | None = None
) -> T:
    """Run work with an open reader, in simulated time."""

    async def run() -> T:
        reader = Reader(line)
        await reader.open(settings)
        return await work(reader)

    return run_in_virtual_time(run())
