"""The supply: one frequency and three phase voltages for a whole street."""

from __future__ import annotations

import math

from lentera_sim.physics.noise import channel_key, layered

# Periods and amplitudes of the frequency's wander, Hz: the Java-Bali and Sumatra systems hold 50 Hz within about 0.2
# Hz.
_FREQUENCY_LAYERS = ((2_000, 0.006), (30_000, 0.02), (600_000, 0.035))
# Of a low-voltage feeder's voltage, V: flicker of a second, appliances of a minute, tap changes and load of half an
# hour.
_VOLTAGE_LAYERS = ((1_000, 0.25), (20_000, 0.6), (1_800_000, 2.2))

SITE_OFFSET_MS = 7 * 3_600_000
"""Local time of the demo's street: UTC+7 (western Indonesia), in milliseconds."""


def hour_of_day(at_ms: int, offset_ms: int = SITE_OFFSET_MS) -> float:
    """Return the local hour, 0 to 24, of a Unix time in milliseconds."""
    return ((at_ms + offset_ms) % 86_400_000) / 3_600_000


class Grid:
    """A three-phase low-voltage supply, 230 V nominal, 50 Hz, the same for all that hangs on it."""

    def __init__(self, seed: int, nominal_v: float = 230.0) -> None:
        """Build the supply of the street with this seed."""
        self._nominal_v = nominal_v
        self._frequency_key = channel_key(seed, "grid", "frequency")
        self._voltage_keys = tuple(channel_key(seed, "grid", f"voltage_l{phase}") for phase in (1, 2, 3))

    def frequency_hz(self, at_ms: int) -> float:
        """Return the frequency in Hz."""
        return 50.0 + layered(self._frequency_key, at_ms, _FREQUENCY_LAYERS)

    def voltage_v(self, phase: int, at_ms: int) -> float:
        """Return the voltage of a phase (0, 1, 2) to neutral in V; it sags by about 5 V at the evening peak."""
        evening = math.exp(-(((hour_of_day(at_ms) - 19.5) / 2.5) ** 2))
        level = self._nominal_v - 1.5 - 5.0 * evening + (0.9, -0.4, 0.3)[phase]
        return level + layered(self._voltage_keys[phase], at_ms, _VOLTAGE_LAYERS)
