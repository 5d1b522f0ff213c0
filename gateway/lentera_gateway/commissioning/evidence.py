"""What a unit's values say for or against a profile: laws that values of a real meter obey.

Each law gives bits: how unlikely it is that registers of another meaning obey it by chance (6 bits: one in 64), none
where the values say nothing (all zero, by day when the feeders are off), and `BROKEN` where they contradict it. The
figures are estimates for weighing profiles against each other, nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lentera_drivers.profiles.sanity import ANYTHING, SANITY, UNLIKELY_DEBRIS
from lentera_model.quantities import CATALOGUE

PHASES: Final = ("l1", "l2", "l3")
ALIVE_V: Final = (150.0, 270.0)
"""Volts between phase and neutral: rural feeders reach 150 V."""
HERTZ: Final = (45.0, 55.0)
LOAD_W: Final = 50.0
"""Below this, products of small currents are too coarse to judge."""
BROKEN: Final = -1000.0

_VOLT_BITS: Final = 6.0
_HERTZ_BITS: Final = 7.0
_LAW_BITS: Final = 7.0
_COUNTER_BITS: Final = 2.0
_SPREAD: Final = 0.06
_LOAD_SPREAD: Final = 0.3
_COUNTER_SPREAD: Final = 0.01
_COUNTER_GRAIN_WH: Final = 2500.0
"""Counters of whole kWh differ by their last digit, and phases are rounded on their own."""
_SINGLE_PHASE_WH: Final = 2e9
"""100 A at 230 V for ten years."""


@dataclass(frozen=True, slots=True)
class Law:
    """A law, what it says (bits, or `BROKEN`), and the numbers for people."""

    name: str
    bits: float
    detail: str = ""


Together = Callable[[tuple[str, ...]], bool]
"""Whether quantities came in one answer: loads change between two."""


def weigh(values: Mapping[str, float], together: Together, *, single_phase: bool = False) -> list[Law]:
    """Return what every law says about these values (SI units by quantity)."""
    found = [*_sane(values, single_phase), *_volts(values), *_between_phases(values), *_averages(values)]
    found += [*_powers(values, together), *_counters(values)]
    return [law for law in found if law.bits]


def is_alive(values: Mapping[str, float]) -> bool:
    """Whether at least one phase has volts."""
    return any(values.get(f"voltage_{phase}", 0.0) >= ALIVE_V[0] for phase in PHASES)


def dead_phases(values: Mapping[str, float]) -> tuple[str, ...]:
    """Return the phases that are measured and have no volts."""
    return tuple(phase for phase in PHASES if values.get(f"voltage_{phase}", ALIVE_V[0]) < ALIVE_V[0])


def has_load(values: Mapping[str, float]) -> bool:
    """Whether current or power flows."""
    return any(
        abs(value) > (0.02 if name.startswith("current_l") else 5.0)
        for name, value in values.items()
        if name.startswith(("current_l", "power_active"))
    )


def _sane(values: Mapping[str, float], single_phase: bool) -> Iterator[Law]:
    """No quantity may be absurd for what it is: words in the wrong order mostly are."""
    for name, value in values.items():
        known = CATALOGUE.get(name)
        limit = SANITY.get(known.unit if known else "", ANYTHING).unlikely
        if single_phase and name.startswith("energy"):
            limit = _SINGLE_PHASE_WH
        below = value < 0 and name.startswith(("voltage", "thd", "energy_apparent"))
        if abs(value) > limit or 0 < abs(value) < UNLIKELY_DEBRIS or below:
            yield Law("sane", BROKEN, f"{name} would be {value:g}")


def _volts(values: Mapping[str, float]) -> Iterator[Law]:
    known = [values[f"voltage_{phase}"] for phase in PHASES if f"voltage_{phase}" in values]
    for value in known:
        if value > ALIVE_V[1]:
            yield Law("volts", BROKEN, f"{value:g} V between phase and neutral")
        else:
            yield Law("volts", _VOLT_BITS if value >= ALIVE_V[0] else 0.0, f"{value:.1f} V")
    hertz = values.get("frequency")
    if hertz is None:
        return
    if HERTZ[0] <= hertz <= HERTZ[1]:
        yield Law("hertz", _HERTZ_BITS, f"{hertz:.2f} Hz")
    elif hertz or is_alive(values):
        yield Law("hertz", BROKEN, f"{hertz:g} Hz")


def _between_phases(values: Mapping[str, float]) -> Iterator[Law]:
    """U12 is sqrt(U1 U1 + U2 U2 + U1 U2) for phases 120 degrees apart; a dead phase counts as 0 V."""
    pairs: list[float] = []
    for first, second in (("l1", "l2"), ("l2", "l3"), ("l3", "l1")):
        a, b = values.get(f"voltage_{first}"), values.get(f"voltage_{second}")
        if a is None or b is None:
            return
        pairs.append(math.sqrt(a * a + b * b + a * b))
        yield from _same(f"volts {first} {second}", values.get(f"voltage_{first}_{second}"), pairs[-1], _SPREAD, 5.0)
    yield from _same("mean volts of pairs", values.get("voltage_ll_avg"), sum(pairs) / 3, _SPREAD, 5.0)


def _averages(values: Mapping[str, float]) -> Iterator[Law]:
    volts = [values[f"voltage_{phase}"] for phase in PHASES if f"voltage_{phase}" in values]
    if len(volts) == len(PHASES):
        # Meters differ in whether a dead phase counts: all phases alive, or no judgement.
        usable = all(value >= ALIVE_V[0] for value in volts)
        for name in ("voltage_ln_avg", "voltage_avg"):
            value = values.get(name)
            if usable and value is not None:
                yield from _same(name, value, sum(volts) / 3, _SPREAD, 5.0)
            elif value == 0 and max(volts) >= ALIVE_V[0]:
                yield Law(name, BROKEN, f"{name} would be 0 V beside {max(volts):.0f} V")


def _powers(values: Mapping[str, float], together: Together) -> Iterator[Law]:
    """P is the sum of the phases, I the sum of the phases, and P = U I PF, where they came in one answer."""
    for kind in ("active", "apparent"):
        names = tuple(f"power_{kind}_{phase}" for phase in PHASES)
        total = f"power_{kind}_total"
        if all(name in values for name in (*names, total)):
            expected = sum(values[name] for name in names)
            strict = together((*names, total))
            yield from _load(f"sum of {kind} power", values[total], expected, strict)
    for phase in PHASES:
        volts, amperes = values.get(f"voltage_{phase}"), values.get(f"current_{phase}")
        power, factor = values.get(f"power_active_{phase}"), values.get(f"power_factor_{phase}")
        apparent = values.get(f"power_apparent_{phase}")
        if volts is None or amperes is None:
            continue
        product = volts * abs(amperes)
        near = together((f"current_{phase}", f"power_active_{phase}"))
        if power is not None and factor is not None:
            yield from _load(f"U I PF of {phase}", abs(power), product * abs(factor), near)
        elif apparent is not None:
            yield from _load(f"U I of {phase}", apparent, product, near)
        elif power is not None and abs(power) > product * (1 + _LOAD_SPREAD) + LOAD_W and near:
            yield Law(f"P below U I of {phase}", BROKEN, f"{power:g} W at {product:g} VA")
        elif power is not None and abs(power) > LOAD_W and abs(power) >= 0.3 * product:
            yield Law(f"P below U I of {phase}", _COUNTER_BITS)


def _load(name: str, value: float, expected: float, strict: bool) -> Iterator[Law]:
    """Compare powers: close is a proof where there is load, far is a contradiction if they are of one instant."""
    size = max(abs(value), abs(expected))
    if size < LOAD_W:
        return
    away = abs(value - expected)
    if away <= 0.08 * size:
        yield Law(name, _LAW_BITS, f"{value:.0f} and {expected:.0f}")
    elif strict and away > _LOAD_SPREAD * size + LOAD_W:
        yield Law(name, BROKEN, f"{value:g} and {expected:g}")


def _counters(values: Mapping[str, float]) -> Iterator[Law]:
    """Counters are there, add up over directions, phases and tariffs, and apparent energy is no less than active."""
    for name in ("energy_active_import", "energy_active_sum"):
        if values.get(name, 0.0) > _COUNTER_GRAIN_WH:
            yield Law(name, _COUNTER_BITS)
    for base in ("energy_active", "energy_reactive"):
        taken, given, total = (values.get(f"{base}_{part}") for part in ("import", "export", "sum"))
        if taken is not None and given is not None and total is not None:
            expected = taken - given if abs(total - (taken - given)) < abs(total - (taken + given)) else taken + given
            yield from _sum(f"{base}_sum", total, expected)
        for part in ("import", "export", "sum"):
            name = f"{base}_{part}"
            phases = [values.get(f"{name}_{phase}") for phase in PHASES]
            if name in values and None not in phases:
                yield from _sum(f"{name} of phases", values[name], sum(value or 0.0 for value in phases))
            tariffs = [values.get(f"{name}_{tariff}") for tariff in ("t1", "t2")]
            if name in values and None not in tariffs:
                yield from _tariffs(name, values[name], sum(value or 0.0 for value in tariffs))
    active = values.get("energy_active_import", 0.0)
    for name in ("energy_apparent", "energy_apparent_import"):
        apparent = values.get(name)
        if apparent is not None and active > 2 * _COUNTER_GRAIN_WH:
            yield Law(name, _COUNTER_BITS if apparent >= 0.9 * active else BROKEN, f"{apparent:g} VAh, {active:g} Wh")


def _sum(name: str, value: float, expected: float) -> Iterator[Law]:
    size = max(abs(value), abs(expected))
    if size <= 2 * _COUNTER_GRAIN_WH:
        return
    near = abs(value - expected) <= _COUNTER_SPREAD * size + _COUNTER_GRAIN_WH
    yield Law(name, _LAW_BITS if near else BROKEN, f"{value:g} and {expected:g}")


def _tariffs(name: str, value: float, expected: float) -> Iterator[Law]:
    """A meter may have more tariffs than a profile names: their sum may be less, not nothing and not more."""
    if value <= 2 * _COUNTER_GRAIN_WH:
        return
    if abs(value - expected) <= _COUNTER_SPREAD * value + _COUNTER_GRAIN_WH:
        yield Law(f"{name} of tariffs", _LAW_BITS)
    elif expected == 0 or expected > 1.05 * value:
        yield Law(f"{name} of tariffs", BROKEN, f"{value:g} and {expected:g}")


def _same(name: str, value: float | None, expected: float, spread: float, least: float) -> Iterator[Law]:
    if value is None or max(abs(value), abs(expected)) < least:
        return
    near = abs(value - expected) <= spread * max(abs(value), abs(expected))
    yield Law(name, _VOLT_BITS if near else BROKEN, f"{value:g} and {expected:g}")
