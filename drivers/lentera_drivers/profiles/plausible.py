"""What no device can measure, whatever its profile: for devices on MQTT, whose profiles have no rules of a probe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lentera_drivers.profiles.rules import ProbeRules
from lentera_model.quantities import CATALOGUE, Kind

_RULES: Final = ProbeRules()
_TO_NEUTRAL: Final = ("voltage_l1", "voltage_l2", "voltage_l3", "voltage_ln_avg")
_FULL_FACTOR: Final = 1.02
"""A power factor that rounding may show."""


def _possible(name: str) -> tuple[float, float] | None:
    """Return what a quantity may be at all."""
    if name == "frequency":
        return _RULES.possible_hertz
    if name in _TO_NEUTRAL:
        return _RULES.possible_volts
    if name.startswith("power_factor"):
        return -_FULL_FACTOR, _FULL_FACTOR
    return None


_COUNTERS: Final = frozenset(
    name
    for name, entry in CATALOGUE.items()
    if entry.kind is Kind.COUNTER and "_net" not in name and "resettable" not in name
)
_POSSIBLE: Final = {name: limits for name in CATALOGUE if (limits := _possible(name)) is not None}


def implausible(values: Mapping[str, float], previous: Mapping[str, float]) -> dict[str, str]:
    """Return which values must not be trusted, each with why.

    Args:
        values: of one message, in SI units.
        previous: the last value of each counter of the device.
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        if name in _POSSIBLE:
            low, high = _POSSIBLE[name]
            if value and not low <= value <= high:  # 0 is what devices say without supply
                found[name] = f"{value:.6g} is not between {low:g} and {high:g}"
        elif name in _COUNTERS:
            before = previous.get(name)
            if value < 0:
                found[name] = f"{value:.9g}: a counter is not negative"
            elif before is not None and value < before:
                found[name] = f"the counter fell from {before:.9g} to {value:.9g}"
    return found


def counters_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return the counters among some values, for the next `implausible`."""
    return {name: value for name, value in values.items() if name in _COUNTERS}
