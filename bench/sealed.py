"""Batches for the benches of the ingest, to be sealed before anything is measured.

A gateway has a handful of bodies, rows of its devices, which it sends in turn; each time the batch has the next
sequence number and a later clock fit, so that no value comes twice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.series_bench import meter
from lentera_model.batch import FORMAT_VERSION, BatchKey, ClockFit, encode
from lentera_model.protocol import DeviceDeclaration
from lentera_model.quantities import stored_precision
from lentera_model.readings import Reading, Sample

BEGIN_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z, from which on the backlogs reach."""
BOOT = bytes(range(16))
BODIES = 4
LAMPS = 40
_LAMP = {
    "level_percent": (50.0, 1.0),
    "power_active_total": (42.0, 0.1),
    "voltage_avg": (230.0, 0.1),
    "current_avg": (0.19, 0.001),
    "power_factor_total": (0.95, 0.01),
    "operating_time": (3600.0, 1.0),
}
LAMP_QUANTITIES = tuple(_LAMP)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a batch of a load holds.

    Attributes:
        epoch: of its batches, in which no other load brings any; it is in its devices' names too.
        meter_rows: rows of the meter's 30 values, one each 10 s.
        lamp_rows: rows of each lamp's 6 values, one each 60 s.
        lamps: how many lamps.
    """

    epoch: int
    meter_rows: int
    lamp_rows: int
    lamps: int

    @property
    def covers_ms(self) -> int:
        """The time that a batch covers."""
        return max(self.meter_rows * 10_000, self.lamp_rows * 60_000)


SHAPES = {"cabinet": Shape(1, 60, 10, LAMPS), "meters": Shape(2, 133, 0, 0)}
"""The cabinet of docs/figures.md for ten minutes (4,200 values of 41 devices), and a meter alone (3,990 values)."""


def readings(gateway: int, body: int, shape: Shape) -> list[Reading]:
    """The rows of one body, from time 0 on; the same for the same arguments."""
    name = f"{shape.epoch}-{gateway:04}"
    found = meter(f"meter-{name}", shape.epoch * 1_000_000 + gateway * 1_000 + body, shape.meter_rows, 0)
    rng = random.Random(shape.epoch * 1_000_000 + gateway * 1_000 + body)
    for lamp in range(shape.lamps):
        for row in range(shape.lamp_rows):
            values = {
                quantity: stored_precision(quantity, round(usual * rng.gauss(1, 0.005) / step) * step)
                for quantity, (usual, step) in _LAMP.items()
            }
            found.append(Reading(f"lamp-{name}-{lamp:02}", "", row * 60_000, values))
    return found


class Backlog:
    """A gateway's batches by number, from 1 upward: its bodies in turn, each later than the one before."""

    def __init__(self, gateway: int, shape: Shape, version: int = FORMAT_VERSION) -> None:
        """Make the bodies of a gateway, to be sealed in a format."""
        self._version = version
        self._name = gateway_name(gateway)
        self._shape = shape
        self._bodies = [
            [Sample(one.device, _profile(one.device), one.at_ms, one.values) for one in readings(gateway, body, shape)]
            for body in range(BODIES)
        ]

    def batch(self, number: int) -> bytes:
        """Seal the batch of a number."""
        key = BatchKey(self._name, self._shape.epoch, number)
        clock = ClockFit(self.offset_ms(number), 5, "ntp")
        return encode(key, BOOT, self._shape.covers_ms, self._bodies[number % BODIES], clock, self._version)

    def offset_ms(self, number: int) -> int:
        """The wall time of that batch's zero."""
        return BEGIN_MS + number * self._shape.covers_ms


def _profile(device: str) -> str:
    return "meter" if device.startswith("meter") else "lamp"


def gateway_name(gateway: int) -> str:
    """The id of a simulated gateway."""
    return f"gw-{gateway:04}"


def declared(rows: Sequence[Reading]) -> list[DeviceDeclaration]:
    """The devices of some readings, as a gateway declares them."""
    names = sorted({one.device for one in rows})
    return [
        DeviceDeclaration(name, "meter", "meter", name, "bus", "1")
        if name.startswith("m")
        else DeviceDeclaration(name, "luminaire", "lamp", name, "mesh", name)
        for name in names
    ]
