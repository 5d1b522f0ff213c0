"""What the benches of the wire read: meters whose values lie in one block of float32 registers, and their physics.

The quantities are those of a usual three-phase meter in its order, put side by side so that every reader can ask for
all of them in one request; the values are the simulated street's, so that no plausibility rule has anything to say.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import yaml

from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import OFFICE, BuildingLoad
from lentera_sim.physics.meter import ThreePhaseMeter

FUNCTION_CODE = 3
_MODEL = "eastron_sdm630"
_SEED = 1


def quantities(count: int) -> list[tuple[str, str, float]]:
    """Name, unit and scale of the first `count` quantities."""
    model = load_profile(_MODEL)
    assert isinstance(model, MeterProfile)
    return [(register.quantity, register.unit, register.scale) for register in model.registers[:count]]


def profile_data(count: int, turnaround_ms: float, transports: tuple[str, ...] = ("rtu", "tcp")) -> dict[str, Any]:
    """The profile of a meter with `count` float32 values from register 0 on, as plain data."""
    registers = [
        {"quantity": name, "address": 2 * at, "count": 2, "type": "float32", "scale": scale, "unit": unit}
        for at, (name, unit, scale) in enumerate(quantities(count))
    ]
    return {
        "kind": "meter",
        "id": f"bench_{count}",
        "manufacturer": "Lentera",
        "model": f"{count} values for the benches",
        "phases": 3,
        "transport": list(transports),
        "function_code": FUNCTION_CODE,
        "max_registers_per_read": 125,
        "turnaround_ms": round(turnaround_ms),
        "sources": [{"url": "bench/load.py"}],
        "registers": registers,
    }


def write_profile(folder: Path, count: int, turnaround_ms: float, **more: Any) -> str:
    """Write the profile into a folder; returns its file name, which a configuration beside it can name."""
    name = f"bench_{count}.yaml"
    text = yaml.safe_dump(profile_data(count, turnaround_ms) | more, sort_keys=False)
    (folder / name).write_text(text, encoding="utf-8")
    return name


class Image:
    """The registers of one meter at any instant, as bytes on the wire."""

    def __init__(self, name: str, count: int, epoch_ms: int) -> None:
        """Build the meter behind a building's load; its counters begin at `epoch_ms` (Unix ms)."""
        load = BuildingLoad(_SEED, name, 22_000.0, OFFICE, epoch_ms)
        self._meter = ThreePhaseMeter(name, _SEED, Grid(_SEED), load)
        self._columns = [(quantity, scale) for quantity, _, scale in quantities(count)]
        registers = struct.Struct(f">{count}f")
        self._pack, self._unpack = registers.pack, registers.unpack

    def at(self, now_ms: int) -> bytes:
        """The registers at a simulated instant (Unix ms)."""
        values = self._meter.values(now_ms)
        return self._pack(*(values[quantity] / scale for quantity, scale in self._columns))

    def values(self, now_ms: int) -> dict[str, float]:
        """What a reader makes of the registers at a simulated instant (Unix ms): quantity -> value in its SI unit."""
        raw = self._unpack(self.at(now_ms))
        return {quantity: value * scale for (quantity, scale), value in zip(self._columns, raw, strict=True)}
