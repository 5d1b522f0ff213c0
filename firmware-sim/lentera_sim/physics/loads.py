"""What hangs behind a meter: power now, and the exact integral of that power since the clock's start.

A building's active power is, within each lattice minute, a straight line between two knots plus a whole number of sine
waves. Both have closed integrals, and the wave's is zero at every knot, so energy is the integral of power and not a
sum of samples that drifts with the reading rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from lentera_sim.physics.grid import hour_of_day
from lentera_sim.physics.luminaire import Luminaire
from lentera_sim.physics.noise import channel_key, draw, layered

KNOT_MS = 60_000
_CHECKPOINT = 256
_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class PhasePower:
    """Active power in W and reactive power in var (positive: inductive) of one phase."""

    active_w: float
    reactive_var: float


@dataclass(frozen=True, slots=True)
class PhaseEnergy:
    """Energy of one phase since the clock's start: Wh, varh taken in (inductive) and given out (capacitive), VAh."""

    active_wh: float
    reactive_import_varh: float
    reactive_export_varh: float
    apparent_vah: float


class Load(Protocol):
    """Three phases of power, and energy that is its integral."""

    def power(self, at_ms: int) -> tuple[PhasePower, ...]:
        """Return the power of the three phases at a simulated time."""
        ...

    def energy(self, at_ms: int) -> tuple[PhaseEnergy, ...]:
        """Return the energy of the three phases from the clock's start to a simulated time."""
        ...


@dataclass(frozen=True, slots=True)
class DayShape:
    """Load by local hour as a share of the peak: a base, a plateau with soft edges, an evening bump."""

    base: float
    plateau: float
    opens_h: float
    closes_h: float
    evening: float

    def share(self, hour: float) -> float:
        """Return the share of peak power, 0 to about 1, at a local hour."""
        rising = 1 / (1 + math.exp(-(hour - self.opens_h) / 0.4))
        falling = 1 / (1 + math.exp((hour - self.closes_h) / 0.4))
        evening = math.exp(-(((hour - 19.5) / 1.8) ** 2))
        return self.base + self.plateau * rising * falling + self.evening * evening


OFFICE = DayShape(base=0.12, plateau=0.80, opens_h=7.5, closes_h=16.5, evening=0.05)
MARKET = DayShape(base=0.25, plateau=0.55, opens_h=5.0, closes_h=17.5, evening=0.30)


class BuildingLoad:
    """A building of `peak_w` watts over three phases; pure in (seed, name, time): any time may be asked."""

    def __init__(self, seed: int, name: str, peak_w: float, shape: DayShape, epoch_ms: int) -> None:
        """Build the load; energy counts from `epoch_ms`."""
        self._shape = shape
        self._epoch_ms = epoch_ms
        self._phases = tuple(
            BuildingPhase(seed, f"{name}/l{number}", peak_w * share, shape, epoch_ms)
            for number, share in enumerate((0.38, 0.33, 0.29), start=1)
        )

    def power(self, at_ms: int) -> tuple[PhasePower, ...]:
        """Return the three phases' power."""
        return tuple(phase.power(at_ms) for phase in self._phases)

    def energy(self, at_ms: int) -> tuple[PhaseEnergy, ...]:
        """Return the three phases' energy since the epoch."""
        return tuple(phase.energy(at_ms) for phase in self._phases)


class BuildingPhase:
    """One phase of a building, or what hangs on one socket of it."""

    def __init__(self, seed: int, name: str, peak_w: float, shape: DayShape, epoch_ms: int) -> None:
        """Build the load of at most about `peak_w` watts; energy counts from `epoch_ms`."""
        self._key = channel_key(seed, "load", name)
        self._angle_key = channel_key(seed, "angle", name)
        self._ripple_key = channel_key(seed, "ripple", name)
        self._peak_w = peak_w
        self._shape = shape
        self._first = epoch_ms // KNOT_MS
        self._at_epoch = (0.0, 0.0, 0.0)
        self._ends_of: tuple[int, PhasePower, PhasePower] = (-1, PhasePower(0.0, 0.0), PhasePower(0.0, 0.0))
        # Energy at the start of every 256th knot; a dict of floats grows by six numbers in four hours of simulated
        # time.
        self._sums: dict[int, tuple[float, float, float]] = {self._first: (0.0, 0.0, 0.0)}
        self._last = (self._first, (0.0, 0.0, 0.0))
        self._at_epoch = self._integral(epoch_ms)

    def _knot(self, index: int) -> PhasePower:
        at_ms = index * KNOT_MS
        share = self._shape.share(hour_of_day(at_ms))
        active = self._peak_w * share * (1 + layered(self._key, at_ms, ((KNOT_MS, 0.03), (15 * KNOT_MS, 0.06))))
        power_factor = 0.93 + 0.03 * draw(self._angle_key, index // 10)
        return PhasePower(active, active * math.tan(math.acos(power_factor)))

    def _ends(self, index: int) -> tuple[PhasePower, PhasePower]:
        """Return the knots at both ends of a lattice minute; the last ones asked for are kept."""
        if self._ends_of[0] != index:
            self._ends_of = (index, self._knot(index), self._knot(index + 1))
        return self._ends_of[1], self._ends_of[2]

    def _ripple(self, index: int) -> tuple[float, int]:
        """Return (amplitude as a share of power, whole waves in the minute); the share keeps power above 0."""
        return 0.02 * abs(draw(self._ripple_key, 2 * index)), 3 + int(3.5 * (draw(self._ripple_key, 2 * index + 1) + 1))

    def power(self, at_ms: int) -> PhasePower:
        """Return its power at a simulated time."""
        index, rest = divmod(at_ms, KNOT_MS)
        left, right = self._ends(index)
        part = rest / KNOT_MS
        share, waves = self._ripple(index)
        wave = share * math.sin(2 * math.pi * waves * part)
        active = left.active_w + (right.active_w - left.active_w) * part + wave * left.active_w
        reactive = left.reactive_var + (right.reactive_var - left.reactive_var) * part + wave * left.reactive_var
        return PhasePower(active, reactive)

    def _within(self, index: int, part: float) -> tuple[float, float, float]:
        """Return (Wh, varh, VAh) from a knot to `part` (0 to 1) of the way to the next."""
        left, right = self._ends(index)
        share, waves = self._ripple(index)
        wave = share * (1 - math.cos(2 * math.pi * waves * part)) / (2 * math.pi * waves)
        hours = KNOT_MS / _MS_PER_HOUR
        active = left.active_w * part + (right.active_w - left.active_w) * part * part / 2 + wave * left.active_w
        reactive = left.reactive_var * part + (right.reactive_var - left.reactive_var) * part * part / 2
        reactive += wave * left.reactive_var
        # Apparent energy from the minute's mean powers: within 0.1 % of the integral of S, which has no closed form
        # here.
        return active * hours, reactive * hours, math.hypot(active, reactive) * hours

    def _integral(self, at_ms: int) -> tuple[float, float, float]:
        index, rest = divmod(at_ms, KNOT_MS)
        active, reactive, apparent = self._sum_before(index)
        more = self._within(index, rest / KNOT_MS)
        return active + more[0], reactive + more[1], apparent + more[2]

    def _sum_before(self, index: int) -> tuple[float, float, float]:
        """Return the energies from the first knot to the start of knot `index` (not before the epoch's)."""
        index = max(index, self._first)
        start, total = self._last
        if index < start:
            start = self._first + (index - self._first) // _CHECKPOINT * _CHECKPOINT
            total = self._sums[start]
        for knot in range(start, index):
            part = self._within(knot, 1.0)
            total = (total[0] + part[0], total[1] + part[1], total[2] + part[2])
            if (knot + 1 - self._first) % _CHECKPOINT == 0:
                self._sums[knot + 1] = total
        if index >= self._last[0]:
            self._last = (index, total)
        return total

    def energy(self, at_ms: int) -> PhaseEnergy:
        """Return its energy since the epoch."""
        active, reactive, apparent = self._integral(at_ms)
        zero = self._at_epoch
        return PhaseEnergy(active - zero[0], reactive - zero[1], 0.0, apparent - zero[2])


class CabinetLoad:
    """A street-lighting cabinet: its luminaires by phase, the cable's losses and the cabinet's own controller.

    Exact because both parts are: the losses are a share of the lamps' active power, the controller is constant.
    Times must not go back, since luminaires only know forward.
    """

    CABLE_LOSS = 0.015
    CONTROLLER_W = 8.0

    def __init__(self, lamps: list[Luminaire], epoch_ms: int) -> None:
        """Add up these luminaires; each knows its phase."""
        self._lamps = lamps
        self._epoch_ms = epoch_ms
        self._apparent: list[float] = [0.0, 0.0, 0.0]
        self._last: tuple[int, list[float], list[float]] = (epoch_ms, [0.0] * 3, [0.0] * 3)

    def power(self, at_ms: int) -> tuple[PhasePower, ...]:
        """Return the three phases' power; reactive power is negative, for LED drivers are capacitive."""
        active, reactive = [self.CONTROLLER_W, 0.0, 0.0], [0.0, 0.0, 0.0]
        for lamp in self._lamps:
            active[lamp.phase] += lamp.power_w(at_ms) * (1 + self.CABLE_LOSS)
            reactive[lamp.phase] += lamp.reactive_var(at_ms)
        return tuple(PhasePower(p, q) for p, q in zip(active, reactive, strict=True))

    def energy(self, at_ms: int) -> tuple[PhaseEnergy, ...]:
        """Return the three phases' energy since the epoch."""
        active = [self.CONTROLLER_W * (at_ms - self._epoch_ms) / _MS_PER_HOUR, 0.0, 0.0]
        reactive = [0.0, 0.0, 0.0]
        for lamp in self._lamps:
            active[lamp.phase] += lamp.energy_wh(at_ms) * (1 + self.CABLE_LOSS)
            reactive[lamp.phase] += lamp.reactive_energy_varh(at_ms)
        self._count_apparent(at_ms, active, reactive)
        return tuple(
            PhaseEnergy(active[n], max(0.0, reactive[n]), max(0.0, -reactive[n]), self._apparent[n]) for n in range(3)
        )

    def _count_apparent(self, at_ms: int, active: list[float], reactive: list[float]) -> None:
        """Add the apparent energy since the last reading, from the mean powers of that span."""
        last_ms, last_active, last_reactive = self._last
        if at_ms <= last_ms:
            return
        for phase in range(3):
            self._apparent[phase] += math.hypot(
                active[phase] - last_active[phase], reactive[phase] - last_reactive[phase]
            )
        self._last = (at_ms, active, reactive)
