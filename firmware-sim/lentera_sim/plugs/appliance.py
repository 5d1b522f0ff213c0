"""A small single-phase load behind a relay, and the energy that went through it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import BuildingPhase, DayShape

DISPENSER = DayShape(base=0.35, plateau=0.45, opens_h=7.0, closes_h=17.0, evening=0.15)
"""A thing that is always on and more so by day: a refrigerator, a dispenser, the office's router."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What an appliance draws at one instant; U, I, P, Q and S fit each other, and energy is the integral of P."""

    voltage_v: float
    active_w: float
    reactive_var: float
    energy_wh: float

    @property
    def apparent_va(self) -> float:
        """Apparent power, VA."""
        return math.hypot(self.active_w, self.reactive_var)

    @property
    def current_a(self) -> float:
        """Current, A."""
        return self.apparent_va / self.voltage_v

    @property
    def power_factor(self) -> float:
        """Active over apparent power; 1 where nothing is drawn."""
        return self.active_w / self.apparent_va if self.apparent_va else 1.0


class Appliance:
    """One load on one phase. Times are simulated milliseconds; `counter_wh` is what was counted before the start."""

    def __init__(
        self, name: str, seed: int, grid: Grid, phase: int, peak_w: float, epoch_ms: int, counter_wh: float
    ) -> None:
        """Plug it in; its relay is closed."""
        self._load = BuildingPhase(seed, name, peak_w, DISPENSER, epoch_ms)
        self._grid = grid
        self._phase = phase
        self._counter_wh = counter_wh
        self._opened_wh: float | None = None
        self._missed_wh = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the relay is closed."""
        return self._opened_wh is None

    def switch(self, on: bool, at_ms: int) -> None:
        """Close or open the relay; while it is open nothing is drawn and nothing counted."""
        would_wh = self._load.energy(at_ms).active_wh
        if on and self._opened_wh is not None:
            self._missed_wh += would_wh - self._opened_wh
            self._opened_wh = None
        elif not on and self._opened_wh is None:
            self._opened_wh = would_wh

    def draw(self, at_ms: int) -> Draw:
        """Return what goes through the relay."""
        volts = self._grid.voltage_v(self._phase, at_ms)
        counted_wh = self._load.energy(at_ms).active_wh if self._opened_wh is None else self._opened_wh
        energy_wh = self._counter_wh + counted_wh - self._missed_wh
        if not self.is_on:
            return Draw(volts, 0.0, 0.0, energy_wh)
        power = self._load.power(at_ms)
        return Draw(volts, power.active_w, power.reactive_var, energy_wh)
