"""Do the readings of a meter fit its profile? Rules that know no bus, only numbers in SI units.

Two questions with different limits. `probe` asks "is this the map of this meter?": a voltage that no feeder has, or
power that is not the sum of its phases, shows a wrong map, word order or offset. By day the feeders are off and every
load is zero: what then cannot be decided is NEEDS_LOAD, never guessed. `failed_quantities` asks of a known meter, at
each poll, which of its values must not be trusted: an outage (0 V) or a sag is true and stays good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lentera_drivers.profiles.bounds import FULL_FACTOR, Bounds
from lentera_drivers.profiles.counting import counters_of, rolled
from lentera_drivers.profiles.meter import MeterProfile
from lentera_drivers.profiles.register import Register

_PHASES: Final = ("l1", "l2", "l3")
_DEAD_PHASE_V: Final = 15.0
"""Below it a phase is not connected, which is no fault of the map as long as another phase shows a voltage."""
_CHECKERS_KEPT: Final = 256

Values = Mapping[str, float]


class Verdict(StrEnum):
    """What a rule says."""

    PASSED = "passed"
    FAILED = "failed"
    NEEDS_LOAD = "needs_load"
    """The values fit, but without a load they would also fit a wrong map."""
    UNKNOWN = "unknown"
    """Quantities that the rule needs are absent."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's answer; `quantities` are those that failed, or else those that were looked at."""

    rule: str
    verdict: Verdict
    quantities: tuple[str, ...]
    detail: str


def probe(profile: MeterProfile, values: Values, previous: Values | None = None) -> tuple[Finding, ...]:
    """Hold readings against every rule of identification that the profile does not skip.

    Args:
        profile: whose map was read with.
        values: quantity to value in SI units; whatever was read.
        previous: an earlier reading of the same meter, for the counters.
    """
    checker = _checker(profile)
    rules: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("volts", lambda: _volts(checker, values)),
        ("hertz", lambda: _hertz(checker, values)),
        ("power_factor", lambda: _factors(checker, values)),
        ("power_sum", lambda: _sums(checker, values)),
        ("power_product", lambda: _products(checker, values)),
        ("counters", lambda: _counters(checker, values, previous)),
    )
    return tuple(rule() for name, rule in rules if name not in profile.probe.skip)


def failed_quantities(profile: MeterProfile, values: Values) -> dict[str, str]:
    """Return which of a poll's values must not be trusted, each with why; the profile's rules are prepared once.

    What its counters did since earlier polls is judged by `CountersOf`.

    Args:
        profile: of the meter that was polled.
        values: what was decoded.
    """
    return _checker(profile).failed(values)


@dataclass(frozen=True, slots=True)
class _Product:
    """Active power that U x I x PF must show. `factor` is None where the meter tells no power factor of the phase.

    `slack_w` is what may lie between them at any load, `slack_a` what a step of the current makes of it by the voltage,
    `share` what may lie between them of the apparent power; below `load_w` nothing can be told.
    """

    power: str
    volts: str
    current: str
    factor: str | None
    slack_w: float
    slack_a: float
    share: float
    load_w: float


@dataclass(frozen=True, slots=True)
class _Checker:
    """A profile's rules, prepared."""

    profile: MeterProfile
    volts: tuple[str, ...]
    bounds: Bounds
    has_frequency: bool
    factors: tuple[str, ...]
    sum_of: tuple[str, ...]
    sum_slack_w: float
    sum_share: float
    products: tuple[_Product, ...]
    counters: tuple[tuple[str, float | None], ...]
    polled_sum: bool
    polled_products: tuple[_Product, ...]

    def failed(self, values: Values) -> dict[str, str]:
        found: dict[str, str] = {}
        absurd = self.bounds.find(values, found)
        if self.polled_sum and _sum_fault(self, values):
            for name in self.sum_of:
                found.setdefault(name, "the powers of the phases do not make the total")
        for product in self.polled_products:
            if _product_fault(product, values):
                for name in (product.power, product.volts, product.current):
                    found.setdefault(name, _product_said(product, values))
        if absurd:
            self.bounds.doubt_words(values, absurd, found)
        return found


_CHECKERS: dict[int, _Checker] = {}


def _checker(profile: MeterProfile) -> _Checker:
    """Return the prepared rules of a profile; a kept one holds its profile, so an id cannot become another's."""
    found = _CHECKERS.get(id(profile))
    if found is None:
        if len(_CHECKERS) >= _CHECKERS_KEPT:
            _CHECKERS.clear()
        found = _CHECKERS[id(profile)] = _prepare(profile)
    return found


def _prepare(profile: MeterProfile) -> _Checker:
    rules, known = profile.probe, {register.quantity: register for register in profile.registers}
    volts = tuple(name for name in (*(f"voltage_{phase}" for phase in _PHASES), "voltage_ln_avg") if name in known)
    factors = tuple(name for name in _each("power_factor") if name in known)
    phases = tuple(name for name in (f"power_active_{phase}" for phase in _PHASES) if name in known)
    whole = "power_active_total" in known and len(phases) == profile.phases > 1 and "power_sum" not in rules.skip
    sum_of = ("power_active_total", *phases) if whole else ()
    products = tuple(_products_of(profile, known)) if "power_product" not in rules.skip else ()
    counting = tuple((one.quantity, one.rolls_over_at) for one in counters_of(profile))
    return _Checker(
        profile=profile,
        volts=volts if "volts" not in rules.skip else (),
        bounds=Bounds.of(profile),
        has_frequency="frequency" in known and "hertz" not in rules.skip,
        factors=factors if "power_factor" not in rules.skip else (),
        sum_of=sum_of,
        sum_slack_w=rules.tolerance_w + sum(_resolution(known[name]) for name in sum_of),
        sum_share=rules.tolerance_percent / 100,
        products=products,
        counters=counting,
        polled_sum=bool(sum_of) and _in_one_read(profile, [known[name] for name in sum_of]),
        polled_products=tuple(
            product
            for product in products
            if _in_one_read(profile, [known[name] for name in _names(product) if name in known])
        ),
    )


def _each(base: str) -> tuple[str, ...]:
    return (f"{base}_total", *(f"{base}_{phase}" for phase in _PHASES))


def _names(product: _Product) -> tuple[str, ...]:
    names = (product.power, product.volts, product.current)
    return names if product.factor is None else (*names, product.factor)


def _products_of(profile: MeterProfile, known: Mapping[str, Register]) -> Iterator[_Product]:
    """Yield each phase with voltage, current and power; the total of a single-phase meter stands for its phase."""
    for phase in _PHASES[: profile.phases]:
        power, factor = f"power_active_{phase}", f"power_factor_{phase}"
        if profile.phases == 1 and power not in known:
            power, factor = "power_active_total", "power_factor_total"
        volts, current = f"voltage_{phase}", f"current_{phase}"
        if all(name in known for name in (power, volts, current)):
            rules = profile.probe
            yield _Product(
                power,
                volts,
                current,
                factor if factor in known else None,
                slack_w=rules.tolerance_w + _resolution(known[power]),
                slack_a=_resolution(known[current]),
                share=rules.tolerance_percent / 100,
                load_w=rules.load_w,
            )


def _resolution(register: Register) -> float:
    """Return the step of a value in its unit; a scale that stands in another register is not known here."""
    return 0.0 if register.type.is_float or register.scale_register is not None else abs(register.scale)


def _in_one_read(profile: MeterProfile, registers: Sequence[Register]) -> bool:
    """Whether values come with one reply as a rule: of two replies, a lamp may have been switched on in between."""
    codes = {profile.function_code_of(register) for register in registers}
    span = max(register.end for register in registers) - min(register.address for register in registers)
    return len(codes) == 1 and span <= profile.max_registers_per_read


def _volts(checker: _Checker, values: Values) -> Finding:
    low, high = checker.profile.probe.volts
    given = {name: values[name] for name in checker.volts if name in values}
    live = {name: value for name, value in given.items() if not 0 <= value < _DEAD_PHASE_V}
    average = "voltage_ln_avg"
    if average in live and len([name for name in given if name != average]) > len(live) - 1:
        del live[average]  # with a phase missing the average is no phase's voltage
    wrong = {name: value for name, value in live.items() if not low <= value <= high}
    if not given:
        return Finding("volts", Verdict.UNKNOWN, (), "no voltage to neutral was read")
    if wrong or not live:
        said = ", ".join(f"{name} {value:.6g} V" for name, value in (wrong or given).items())
        return Finding("volts", Verdict.FAILED, tuple(wrong or given), f"{said}: not between {low:g} and {high:g} V")
    said = ", ".join(f"{value:.1f}" for value in live.values())
    return Finding("volts", Verdict.PASSED, tuple(given), f"{said} V")


def _hertz(checker: _Checker, values: Values) -> Finding:
    low, high = checker.profile.probe.hertz
    value = values.get("frequency") if checker.has_frequency else None
    if value is None:
        return Finding("hertz", Verdict.UNKNOWN, (), "no frequency was read")
    if not low <= value <= high:
        return Finding(
            "hertz", Verdict.FAILED, ("frequency",), f"frequency {value:.6g} Hz: not between {low:g} and {high:g} Hz"
        )
    return Finding("hertz", Verdict.PASSED, ("frequency",), f"{value:.2f} Hz")


def _factors(checker: _Checker, values: Values) -> Finding:
    given = {name: values[name] for name in checker.factors if name in values}
    wrong = {name: value for name, value in given.items() if not abs(value) <= FULL_FACTOR}
    if not given:
        return Finding("power_factor", Verdict.UNKNOWN, (), "no power factor was read")
    if wrong:
        said = ", ".join(f"{name} {value:.6g}" for name, value in wrong.items())
        return Finding("power_factor", Verdict.FAILED, tuple(wrong), f"{said}: not between -1 and 1")
    return Finding("power_factor", Verdict.PASSED, tuple(given), "between -1 and 1")


def _sum_fault(checker: _Checker, values: Values) -> bool:
    """Whether all of total and phases are there and do not fit together."""
    get = values.get
    total = get(checker.sum_of[0])
    if total is None:
        return False
    together = size = 0.0
    for name in checker.sum_of[1:]:
        value = get(name)
        if value is None:
            return False
        together += value
        size += abs(value)
    return not abs(total - together) <= checker.sum_slack_w + checker.sum_share * max(size, abs(total))


def _sums(checker: _Checker, values: Values) -> Finding:
    names = checker.sum_of
    if not names or any(name not in values for name in names):
        return Finding("power_sum", Verdict.UNKNOWN, (), "active power of all phases and their total was not read")
    total, phases = values[names[0]], [values[name] for name in names[1:]]
    said = f"total {total:.6g} W, phases {' + '.join(f'{value:.6g}' for value in phases)} W"
    if _sum_fault(checker, values):
        return Finding("power_sum", Verdict.FAILED, names, said)
    if max(abs(value) for value in (total, *phases)) < max(checker.profile.probe.load_w, 2 * checker.sum_slack_w):
        return Finding("power_sum", Verdict.NEEDS_LOAD, names, f"no load: {said}")
    return Finding("power_sum", Verdict.PASSED, names, said)


def _product_fault(product: _Product, values: Values) -> bool | None:
    """Whether P and U x I x PF differ; None where something is absent or there is no load to tell.

    Without a power factor P can only be held against its largest value, U x I.
    """
    get = values.get
    power, volts, current = get(product.power), get(product.volts), get(product.current)
    if power is None or volts is None or current is None:
        return None
    apparent = abs(volts * current)
    slack = product.slack_w + abs(volts) * product.slack_a + product.share * apparent
    size = abs(power)
    larger = apparent if apparent > size else size
    if larger < product.load_w or larger < 2 * slack:
        return None
    factor = None if product.factor is None else get(product.factor)
    if factor is None or abs(factor) > FULL_FACTOR:
        return not size <= apparent + slack
    return not abs(size - apparent * abs(factor)) <= slack


def _products(checker: _Checker, values: Values) -> Finding:
    rule = "power_product"
    given = [product for product in checker.products if all(name in values for name in _names(product)[:3])]
    if not given:
        return Finding(rule, Verdict.UNKNOWN, (), "voltage, current and active power of one phase were not read")
    answers = [(product, _product_fault(product, values)) for product in given]
    wrong = [product for product, fault in answers if fault]
    if wrong:
        names = tuple(dict.fromkeys(name for product in wrong for name in _names(product)))
        said = "; ".join(_product_said(product, values) for product in wrong)
        return Finding(rule, Verdict.FAILED, names, said)
    names = tuple(dict.fromkeys(name for product in given for name in _names(product)))
    decided = [product for product, fault in answers if fault is False and product.factor in values]
    if decided:
        return Finding(rule, Verdict.PASSED, names, _product_said(decided[0], values))
    if any(fault is False for _, fault in answers):
        return Finding(rule, Verdict.PASSED, names, "no more than U x I; no power factor was read")
    return Finding(rule, Verdict.NEEDS_LOAD, names, "no load on any phase")


def _product_said(product: _Product, values: Values) -> str:
    factor = None if product.factor is None else values.get(product.factor)
    parts = f"{values[product.volts]:.6g} V x {values[product.current]:.6g} A"
    parts += "" if factor is None else f" x {factor:.4g}"
    return f"{product.power} {values[product.power]:.6g} W, {parts}"


def _counters(checker: _Checker, values: Values, previous: Values | None) -> Finding:
    given = [name for name, _ in checker.counters if name in values]
    negative = [name for name in given if not values[name] >= 0]
    if negative:
        said = ", ".join(f"{name} {values[name]:.9g}" for name in negative)
        return Finding("counters", Verdict.FAILED, tuple(negative), f"{said}: a counter is not negative")
    if previous is None or not any(name in previous for name in given):
        return Finding("counters", Verdict.UNKNOWN, tuple(given), "needs two readings")
    fallen = [
        name
        for name, limit in checker.counters
        if name in values
        and name in previous
        and values[name] < previous[name]
        and not rolled(previous[name], values[name], limit)
    ]
    if fallen:
        said = ", ".join(f"{name} from {previous[name]:.9g} to {values[name]:.9g}" for name in fallen)
        return Finding("counters", Verdict.FAILED, tuple(fallen), f"fell: {said}")
    return Finding("counters", Verdict.PASSED, tuple(given), "none fell")
