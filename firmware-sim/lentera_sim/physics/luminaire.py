"""An LED luminaire with a dimmable driver: it acts after a delay, fades, draws power by level and counts.

Input power of a dimmed LED driver is nearly linear in level with a fixed share for the driver itself and a small square
term for the LEDs' droop. Its input filter draws a constant capacitive reactive power, which is why the power factor
of a dimmed street light falls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lentera_sim.errors import PlanError

# Input power at level x (0..1) as a share of rated power: FIXED + LINEAR x + SQUARE x^2, 1 at full level.
FIXED, LINEAR, SQUARE = 0.05, 0.87, 0.08
FILTER_SHARE = 0.2
"""Reactive power of the input filter as a share of rated power: power factor 0.98 at full level, 0.57 at 10 %."""
STANDBY_W = 0.6
AMBIENT_C = 27.0
RISE_C = 28.0
"""Case temperature above ambient after hours at full power."""
THERMAL_MS = 25 * 60_000
_MS_PER_HOUR = 3_600_000


def power_share(level: float) -> float:
    """Return input power as a share of rated power for a level of 0 < x <= 1."""
    return FIXED + LINEAR * level + SQUARE * level * level


@dataclass(frozen=True, slots=True)
class _Fade:
    """Level from `start` to `end` (0..1) between two times; constant afterwards."""

    from_ms: int
    until_ms: int
    start: float
    end: float

    def level(self, at_ms: float) -> float:
        if at_ms >= self.until_ms:
            return self.end
        return self.start + (self.end - self.start) * (at_ms - self.from_ms) / (self.until_ms - self.from_ms)


class Luminaire:
    """One lamp. Times are simulated milliseconds and must not go back by more than what has not been read yet."""

    def __init__(
        self, name: str, rated_w: float, phase: int, *, delay_ms: int = 150, fade_ms: int = 120, energy_wh: float = 0.0
    ) -> None:
        """Build a lamp that is without supply until `energise`; `energy_wh` is its counter's start."""
        if not rated_w > 0 or phase not in (0, 1, 2):
            raise PlanError(
                f"luminaire {name}: rated power {rated_w} W must be above 0 and phase {phase} one of 0, 1, 2"
            )
        self.name = name
        self.rated_w = rated_w
        self.phase = phase
        self.delay_ms = delay_ms
        self.fade_ms = fade_ms
        self.failed = False
        self._counter_start_wh = energy_wh
        self._powered = False
        self._folded_ms = 0
        self._fade = _Fade(0, 0, 0.0, 0.0)
        self._pending: list[tuple[int, float, int]] = []
        self._energy_wh = 0.0
        self._reactive_varh = 0.0
        self._operating_ms = 0
        self._temperature_c = AMBIENT_C

    # -- what happens to it ------------------------------------------------------------------------------------------

    def energise(self, at_ms: int, power_on_level_percent: float = 100.0) -> None:
        """Give the lamp its supply: it comes on at its power-on level at once."""
        self._fold(at_ms)
        self._powered = True
        self._pending.clear()
        level = power_on_level_percent / 100
        self._fade = _Fade(at_ms, at_ms, level, level)

    def command(self, level_percent: float, at_ms: int, fade_ms: int | None = None) -> int:
        """Order a level; return the time in ms at which the lamp will have reached it.

        The lamp starts after its delay and fades for `fade_ms` (its own where None). A later order replaces one that
        has not begun. Without supply nothing happens.
        """
        self._fold(at_ms)
        if not self._powered:
            return at_ms
        begins = at_ms + self.delay_ms
        duration = self.fade_ms if fade_ms is None else fade_ms
        self._pending = [order for order in self._pending if order[0] < begins]
        self._pending.append((begins, level_percent / 100, duration))
        return begins + duration

    # -- what it is --------------------------------------------------------------------------------------------------

    def level_percent(self, at_ms: int) -> float:
        """Return the light's level in percent, 0 when dark or failed."""
        self._fold(at_ms)
        return 0.0 if self.failed or not self._powered else 100 * self._fade.level(at_ms)

    def power_w(self, at_ms: int) -> float:
        """Return active power in W."""
        self._fold(at_ms)
        return self._power_at(at_ms)

    def reactive_var(self, at_ms: int) -> float:
        """Return reactive power in var; negative, because the input filter is capacitive."""
        self._fold(at_ms)
        return -FILTER_SHARE * self.rated_w if self._powered else 0.0

    def power_factor(self, at_ms: int) -> float:
        """Return active over apparent power, 0 without supply."""
        active = self.power_w(at_ms)
        apparent = math.hypot(active, self.reactive_var(at_ms))
        return active / apparent if apparent else 0.0

    def energy_wh(self, at_ms: int) -> float:
        """Return the energy in Wh drawn since the simulation began: the integral of power."""
        self._fold(at_ms)
        return self._energy_wh

    def counter_wh(self, at_ms: int) -> float:
        """Return the lamp's own energy register in Wh, which began before the simulation did."""
        return self._counter_start_wh + self.energy_wh(at_ms)

    def reactive_energy_varh(self, at_ms: int) -> float:
        """Return the integral of reactive power in varh (negative: capacitive)."""
        self._fold(at_ms)
        return self._reactive_varh

    def operating_s(self, at_ms: int) -> float:
        """Return for how many seconds the lamp has given light."""
        self._fold(at_ms)
        return self._operating_ms / 1000

    def temperature_c(self, at_ms: int) -> float:
        """Return the case temperature in degrees Celsius."""
        self._fold(at_ms)
        return self._temperature_c

    # -- integration -------------------------------------------------------------------------------------------------

    def _power_at(self, at_ms: int) -> float:
        if not self._powered:
            return 0.0
        level = self._fade.level(at_ms)
        if self.failed or level <= 0:
            return STANDBY_W
        return self.rated_w * power_share(level)

    def _fold(self, at_ms: int) -> None:
        """Bring the counters up to `at_ms`, splitting the span where a fade begins or ends."""
        while self._folded_ms < at_ms:
            edges = [at_ms]
            if self._folded_ms < self._fade.until_ms:
                edges.append(self._fade.until_ms)
            if self._pending:
                edges.append(self._pending[0][0])
            until = min(edges)
            if until > self._folded_ms:
                self._count(self._folded_ms, until)
                self._folded_ms = until
            if self._pending and self._pending[0][0] <= self._folded_ms:
                begins, level, duration = self._pending.pop(0)
                self._fade = _Fade(begins, begins + duration, self._fade.level(begins), level)

    def _count(self, from_ms: int, until_ms: int) -> None:
        """Add one smooth span. Power is a square function of time in it, for which Simpson's rule is exact."""
        span_ms = until_ms - from_ms
        hours = span_ms / _MS_PER_HOUR
        if not self._powered:
            mean_w = 0.0
        elif self.failed or (self._fade.level(from_ms) <= 0 and self._fade.level(until_ms) <= 0):
            mean_w = STANDBY_W
        else:
            shares = [power_share(self._fade.level(from_ms + part * span_ms / 2)) for part in (0, 1, 2)]
            mean_w = self.rated_w * (shares[0] + 4 * shares[1] + shares[2]) / 6
            self._operating_ms += span_ms
        self._energy_wh += mean_w * hours
        if self._powered:
            self._reactive_varh -= FILTER_SHARE * self.rated_w * hours
        target_c = AMBIENT_C + RISE_C * mean_w / self.rated_w
        self._temperature_c += (target_c - self._temperature_c) * (1 - math.exp(-span_ms / THERMAL_MS))
