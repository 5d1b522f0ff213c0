"""The *board* load: all that one board is meant to carry at most, 4,122 values a second.

Two lines of 16 meters (30 values each 10 s), 100 Modbus TCP meters (40 values each second), and 264 lamps (6 values
each 60 s; the 64 behind a DALI gateway say what the 200 on MQTT say). Meters are float32 registers with all 24 bits in
use and the physics of an office each. How far values lie apart (standard deviation) over the TCP meters at one instant:
volts 0.007 %, hertz 0.0005 %, watts 1.9 %, amperes 3.5 %, Wh 17 %; from one second to the next: volts 0.06 %, hertz
0.005 %, watts 0.3 %, amperes 0.4 %.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bench.cabinet import START_MS, read_lamp
from bench.load import Image, quantities
from lentera_model.readings import Sample
from lentera_sim.clock import SimClock
from lentera_sim.street import StreetPlan, build_street

LINES, METERS_A_LINE, LINE_VALUES, LINE_EVERY_S = 2, 16, 30, 10
TCP_METERS, TCP_VALUES = 100, 40
LAMPS, LAMP_EVERY_S = 264, 60


class _Meter:
    """A meter whose registers are read and decoded as its profile says."""

    def __init__(self, name: str, profile: str, count: int) -> None:
        self.name = name
        self._profile = profile
        self._image = Image(name, count, START_MS)
        self._columns = [(quantity, scale) for quantity, _, scale in quantities(count)]
        self._unpack = struct.Struct(f">{count}f").unpack

    def read(self, at_ms: int) -> Sample:
        """Its answer at an instant of the board's clock."""
        raw = self._unpack(self._image.at(START_MS + at_ms))
        values = {name: value * scale for (name, scale), value in zip(self._columns, raw, strict=True)}
        return Sample(self.name, self._profile, at_ms, values)


class FullBoard:
    """Its devices at an instant that passes when told to.

    Attributes:
        now_s: CLOCK_BOOTTIME of the simulated board.
    """

    def __init__(self) -> None:
        """Begin with every lamp lit."""
        self.now_s = 1000.0
        self._lines = [
            [
                _Meter(f"line{line}-meter-{unit:02}", "eastron_sdm630", LINE_VALUES)
                for unit in range(1, METERS_A_LINE + 1)
            ]
            for line in range(1, LINES + 1)
        ]
        self._tcp = [_Meter(f"tcp-{number:03}", "bench_40", TCP_VALUES) for number in range(1, TCP_METERS + 1)]
        street = build_street(StreetPlan(meters=1, lamps=LAMPS), SimClock(1.0, START_MS, lambda: self.now_s))
        self._lamps = street.lamps
        for lamp in self._lamps.values():
            lamp.luminaire.energise(street.clock.now_ms())

    def ms(self) -> int:
        """The present of the simulated board."""
        return round(self.now_s * 1000)

    def second(self) -> Iterator[Sample]:
        """Let a second pass; yield everything that is answered in it."""
        self.now_s += 1
        second = int(self.now_s)
        for number, meter in enumerate(self._tcp):
            yield meter.read(self.ms() + number * 3 + number * second % 5)
        for line in self._lines:
            for number, meter in enumerate(line):
                if (second + number) % LINE_EVERY_S == 0:
                    yield meter.read(self.ms() + number * 60)
        for number, (name, lamp) in enumerate(self._lamps.items()):
            if second % LAMP_EVERY_S == number * LAMP_EVERY_S // LAMPS:
                yield read_lamp(name, lamp, self.ms() + number)
