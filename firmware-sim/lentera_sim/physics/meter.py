"""A three-phase meter: every quantity of the catalogue's meter names from one instant of grid and load.

Per phase S = U I and S^2 = P^2 + Q^2, hence I = S / U and PF = P / S; totals are sums over the phases (the apparent
total is the arithmetic one). Energy registers are the load's exact integrals on top of what the meter had counted
before.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Mapping

from lentera_sim.errors import PlanError
from lentera_sim.physics.demand import DemandWindow
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import Load, PhaseEnergy, PhasePower
from lentera_sim.physics.noise import channel_key, draw, smooth

_PHASES = ("l1", "l2", "l3")
_PAIRS = (("voltage_l1_l2", 0, 1), ("voltage_l2_l3", 1, 2), ("voltage_l3_l1", 2, 0))
DEMAND_MS = 15 * 60_000


class ThreePhaseMeter:
    """A meter between a grid and a load; `values` gives all it knows at one instant.

    Demands are averages over the 15 minutes before (or since the clock's start), seen at the readings: the only values
    that depend on when the meter is asked.
    """

    def __init__(self, name: str, seed: int, grid: Grid, load: Load, counter_kwh: float | None = None) -> None:
        """Build the meter; `counter_kwh` is its active import at the clock's start (by the seed where None)."""
        self.name = name
        self._grid = grid
        self._load = load
        key = channel_key(seed, name, "meter")
        self._distortion_key = key
        start_kwh = 9_000 + 8_000 * (draw(key, 0) + 1) / 2 if counter_kwh is None else counter_kwh
        self._start_wh = tuple(start_kwh * 1000 * share for share in (0.36, 0.33, 0.31))
        self._demand = DemandWindow(DEMAND_MS)

    def values(self, at_ms: int) -> dict[str, float]:
        """Return every quantity that this meter can give at a simulated time, in the catalogue's SI units."""
        powers = self._load.power(at_ms)
        volts = tuple(self._grid.voltage_v(phase, at_ms) for phase in range(3))
        found = {"frequency": self._grid.frequency_hz(at_ms)}
        found.update(_voltages(volts))
        found.update(_powers(powers))
        found.update(_currents(powers, volts))
        found.update(self._distortions(at_ms, found["power_apparent_total"]))
        found.update(self._energies(self._load.energy(at_ms)))
        found.update(self._demand.update(at_ms, found))
        return found

    def _energies(self, phases: tuple[PhaseEnergy, ...]) -> dict[str, float]:
        """Return the counters: what was counted before the clock's start plus the load's integrals."""
        # Before the start the meter saw the same kind of load: reactive and apparent counters in a usual proportion.
        lagging = any(phase.reactive_import_varh for phase in phases)
        past_reactive = [0.3 * start for start in self._start_wh]
        active = [start + phase.active_wh for start, phase in zip(self._start_wh, phases, strict=True)]
        inductive = [lagging * past + p.reactive_import_varh for past, p in zip(past_reactive, phases, strict=True)]
        capacitive = [
            (not lagging) * past + p.reactive_export_varh for past, p in zip(past_reactive, phases, strict=True)
        ]
        apparent = sum(1.05 * start + p.apparent_vah for start, p in zip(self._start_wh, phases, strict=True))
        found = _counter("energy_active", active, [0.0] * 3)
        found.update(_counter("energy_reactive", inductive, capacitive))
        found.update(
            energy_active_resettable=sum(active),
            energy_active_import_resettable=sum(active),
            energy_active_export_resettable=0.0,
            energy_reactive_inductive=sum(inductive),
            energy_reactive_capacitive=sum(capacitive),
            energy_reactive_import_q1=sum(inductive),
            energy_reactive_import_q2=0.0,
            energy_reactive_export_q3=0.0,
            energy_reactive_export_q4=sum(capacitive),
            energy_apparent=apparent,
            energy_apparent_t1=apparent,
            energy_apparent_import=apparent,
            energy_apparent_export=0.0,
        )
        return found

    def _distortions(self, at_ms: int, apparent_va: float) -> dict[str, float]:
        """Return total harmonic distortions in percent: about 2 % of voltage; of current more at light load."""
        found: dict[str, float] = {}
        for number, phase in enumerate(_PHASES):
            wander = smooth(self._distortion_key + number, at_ms, 30_000)
            found[f"thd_voltage_{phase}"] = 2.1 + 0.2 * number + 0.35 * wander
            found[f"thd_current_{phase}"] = 6.0 + 900.0 / (apparent_va + 60.0) + 0.8 * wander
        for kind in ("voltage", "current"):
            found[f"thd_{kind}_avg"] = sum(found[f"thd_{kind}_{phase}"] for phase in _PHASES) / 3
        return found


def _voltages(volts: tuple[float, ...]) -> dict[str, float]:
    """Phase voltages, and those between phases that stand 120 degrees apart."""
    found = {f"voltage_{phase}": volt for phase, volt in zip(_PHASES, volts, strict=True)}
    for name, first, second in _PAIRS:
        a, b = volts[first], volts[second]
        found[name] = math.sqrt(a * a + b * b + a * b)
    found["voltage_ln_avg"] = found["voltage_avg"] = sum(volts) / 3
    found["voltage_ll_avg"] = sum(found[name] for name, _, _ in _PAIRS) / 3
    return found


def _powers(powers: tuple[PhasePower, ...]) -> dict[str, float]:
    """P, Q, S and PF of the phases and their totals; the loads of this street only take power in."""
    found: dict[str, float] = {}
    for phase, power in zip(_PHASES, powers, strict=True):
        apparent = math.hypot(power.active_w, power.reactive_var)
        found[f"power_active_{phase}"] = power.active_w
        found[f"power_reactive_{phase}"] = power.reactive_var
        found[f"power_apparent_{phase}"] = apparent
        found[f"power_factor_{phase}"] = power.active_w / apparent if apparent else 1.0
    for kind in ("active", "reactive", "apparent"):
        found[f"power_{kind}_total"] = sum(found[f"power_{kind}_{phase}"] for phase in _PHASES)
    active, reactive = found["power_active_total"], found["power_reactive_total"]
    apparent = found["power_apparent_total"]
    found["power_factor_total"] = active / apparent if apparent else 1.0
    found["phase_angle_total"] = math.degrees(math.atan2(reactive, active))
    found["power_active_import_total"] = active
    found["power_active_export_total"] = 0.0
    return found


def _currents(powers: tuple[PhasePower, ...], volts: tuple[float, ...]) -> dict[str, float]:
    """I = S / U, and the neutral as the sum of the three phasors (a lagging current for inductive power)."""
    found: dict[str, float] = {}
    neutral = 0j
    for number, (power, volt) in enumerate(zip(powers, volts, strict=True)):
        phasor = complex(power.active_w, -power.reactive_var) / volt
        found[f"current_{_PHASES[number]}"] = abs(phasor)
        neutral += phasor * cmath.rect(1.0, -2 * math.pi / 3 * number)
    found["current_sum"] = sum(found.values())
    found["current_avg"] = found["current_sum"] / 3
    found["current_n"] = abs(neutral)
    return found


def _counter(base: str, taken: list[float], given: list[float]) -> dict[str, float]:
    """Import and export counters: totals, phases, sum and net; all in tariff 1, for no tariff input is wired."""
    found: dict[str, float] = {}
    kinds: Mapping[str, Iterable[float]] = {
        "import": taken,
        "export": given,
        "sum": [a + b for a, b in zip(taken, given, strict=True)],
        "net": [a - b for a, b in zip(taken, given, strict=True)],
    }
    for kind, phases in kinds.items():
        total = 0.0
        for phase, value in zip(_PHASES, phases, strict=True):
            found[f"{base}_{kind}_{phase}"] = value
            total += value
        found[f"{base}_{kind}"] = found[f"{base}_{kind}_t1"] = total
        found[f"{base}_{kind}_t2"] = 0.0
    return found


def check_quantities(meter: ThreePhaseMeter, at_ms: int, wanted: Iterable[str], profile: str) -> None:
    """Raise PlanError if a profile asks for a quantity that no simulated meter gives."""
    known = meter.values(at_ms)
    missing = [name for name in wanted if name not in known]
    if missing:
        raise PlanError(
            f"{meter.name}: profile {profile} has registers for {', '.join(missing)}, which the simulated meter does "
            "not measure; add them to lentera_sim.physics.meter"
        )
