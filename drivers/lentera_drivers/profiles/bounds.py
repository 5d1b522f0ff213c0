"""What each value of a poll may be at all, and what values that are no measurement say of the order of words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lentera_drivers.profiles.counting import counters_of
from lentera_drivers.profiles.meter import MeterProfile
from lentera_drivers.profiles.sanity import ANYTHING, DEBRIS, SANITY, absurdity

FULL_FACTOR: Final = 1.02
"""A power factor that rounding may show."""
_NO_LIMITS: Final = (-math.inf, math.inf)
_NOTHING: Final = frozenset[str]()
_TO_NEUTRAL: Final = ("voltage_l1", "voltage_l2", "voltage_l3", "voltage_ln_avg")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the values of a profile may be, prepared.

    Attributes:
        limits: quantity -> smallest and largest value in a poll.
        quick: the same without what is negative or nearly 0, which takes a closer look.
        units: quantity -> unit.
        of_words: the quantities that take several registers.
    """

    limits: Mapping[str, tuple[float, float]]
    quick: Mapping[str, tuple[float, float]]
    units: Mapping[str, str]
    of_words: tuple[str, ...]

    @classmethod
    def of(cls, profile: MeterProfile) -> Bounds:
        """Prepare the limits of a profile."""
        limits = _limits_of(profile)
        return cls(
            limits,
            {name: (max(low, DEBRIS), high) for name, (low, high) in limits.items()},
            {one.quantity: one.unit for one in profile.registers},
            tuple(one.quantity for one in profile.registers if one.count > 1),
        )

    def find(self, values: Mapping[str, float], found: dict[str, str]) -> frozenset[str]:
        """Say what is wrong with values beyond their limits, and return those that are no measurement at all."""
        quick_of, none = self.quick.get, _NO_LIMITS
        odd: list[str] = []
        for name, value in values.items():
            low, high = quick_of(name, none)
            if not low <= value <= high and value:  # 0 is what meters say without voltage or load
                odd.append(name)
        return self._judge(values, odd, found) if odd else _NOTHING

    def _judge(self, values: Mapping[str, float], odd: Sequence[str], found: dict[str, str]) -> frozenset[str]:
        """Look closer at values that are not plainly well."""
        absurd: set[str] = set()
        for name in odd:
            value, (low, high) = values[name], self.limits.get(name, _NO_LIMITS)
            why = absurdity(self.units.get(name, ""), value)
            if why:
                found[name] = why
                absurd.add(name)
            elif not low <= value <= high:
                unit = " Hz" if name == "frequency" else ""
                found[name] = f"{value:.6g}{unit} is not between {low:g} and {high:g}"
        return frozenset(absurd)

    def doubt_words(self, values: Mapping[str, float], absurd: frozenset[str], found: dict[str, str]) -> None:
        """Doubt all values of several registers where the frequency or most volts are absurd.

        Debris of swapped words looks possible now and then; volts that fit speak for the order of words, whatever
        the frequency is.
        """
        given = [name for name in self.of_words if name in values]
        volts = [name for name in given if self.units[name] == "V" and values[name]]
        wrong = [name for name in volts if name in found]
        witnesses = [name for name in wrong if name in absurd] if 2 * len(wrong) > len(volts) else []
        if not witnesses and "frequency" in absurd and "frequency" in given and 2 * len(wrong) >= len(volts):
            witnesses = ["frequency"]
        if not witnesses:
            return
        one = witnesses[0]
        said = f"words or bytes may be swapped ({one} {values[one]:.3g} {self.units[one]}): check word_order"
        for name in given:
            found[name] = f"{found[name]}; {said}" if name in found else said


def _limits_of(profile: MeterProfile) -> dict[str, tuple[float, float]]:
    """Return what a value may be: by its unit, and by the rules that the profile does not skip."""
    rules = profile.probe
    found: dict[str, tuple[float, float]] = {}
    for register in profile.registers:
        sane = SANITY.get(register.unit, ANYTHING)
        found[register.quantity] = sane.lowest, sane.highest
        if register.quantity in _TO_NEUTRAL and "volts" not in rules.skip:
            found[register.quantity] = rules.possible_volts
        elif register.quantity == "frequency" and "hertz" not in rules.skip:
            found[register.quantity] = rules.possible_hertz
        elif register.quantity.startswith("power_factor") and "power_factor" not in rules.skip:
            found[register.quantity] = -FULL_FACTOR, FULL_FACTOR
    return found | {one.quantity: (0.0, SANITY.get(one.unit, ANYTHING).highest) for one in counters_of(profile)}
