"""Scanning a scene's line in simulated time, and holding what the scan says against the truth."""

from __future__ import annotations

import asyncio
from collections import Counter

from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.transport import LineSettings, OnBytes, OnLost, OpenSerial
from lentera_gateway.commissioning.found import ScanResult
from lentera_gateway.commissioning.recognise import Outcome
from lentera_gateway.commissioning.scan import Scan, ScanWish
from lentera_sim import scenes
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.memory_line import MemoryLine, MemoryPort


class DeafLine:
    """A line behind an adapter that hears nothing while it sends, as most do; `open` is an `OpenSerial`.

    Bytes come in groups when their last bit has come; all groups here are of one short answer.
    """

    def __init__(self, line: MemoryLine) -> None:
        self._line = line
        self._sends_until = 0.0

    async def open(self, settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> DeafPort:
        def hear(data: bytes) -> None:
            now = asyncio.get_running_loop().time()
            if now - len(data) * port.settings.character_s >= self._sends_until:
                on_bytes(data)

        port = DeafPort(self, await self._line.open(settings, hear, on_lost))
        return port

    def sends(self, seconds: float) -> None:
        self._sends_until = asyncio.get_running_loop().time() + seconds


class DeafPort:
    """A port of a `DeafLine`."""

    def __init__(self, line: DeafLine, port: MemoryPort[LineSettings]) -> None:
        self._line = line
        self._port = port

    @property
    def is_open(self) -> bool:
        return self._port.is_open

    @property
    def settings(self) -> LineSettings:
        return self._port.settings

    def set_settings(self, settings: LineSettings) -> None:
        self._port.set_settings(settings)

    def write(self, data: bytes) -> None:
        self._line.sends(len(data) * self.settings.character_s)
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


def scan(scene: scenes.Scene, wish: ScanWish | None = None, *, seed: int = 0, deaf: bool = False) -> ScanResult:
    """Scan a scene's line; `deaf`: with an adapter that hears nothing while it sends."""
    line = scenes.lay(scene, seed=seed)

    async def work() -> ScanResult:
        port = RawPort()
        talker = scenes.chatterer_of(scene, line.medium)
        connect: OpenSerial = DeafLine(line).open if deaf else line.open
        await port.open_serial(connect, LineSettings())
        try:
            return await Scan(port, scenes.catalogue(), wish).run("memory")
        finally:
            if talker is not None:
                talker.stop()

    return run_in_virtual_time(work())


def outcomes(result: ScanResult, scene: scenes.Scene) -> Counter[str]:
    """Count how the scan judged, with what it got wrong named as such."""
    found: Counter[str] = Counter()
    truth = scene.truth
    places = [scenes.place_of(unit.settings, unit.unit) for unit in result.units]
    for unit, place in zip(result.units, places, strict=True):
        assert place in truth, f"nobody lives at {place}"
        if unit.best is not None and unit.best.profile != truth[place]:
            found[f"wrong: {truth[place]} taken for {unit.best.profile}"] += 1
        elif truth[place] == scenes.CLASH and unit.outcome is not Outcome.CLASH:
            found[f"clash said to be {unit.outcome}"] += 1
        elif truth[place] == scenes.UNKNOWN and unit.outcome is not Outcome.UNKNOWN:
            found[f"unknown model said to be {unit.outcome}"] += 1
        else:
            found[str(unit.outcome)] += 1
    found += Counter({"missed": len(truth) - len(set(places)), "found twice": len(places) - len(set(places))})
    return found
