"""What no meter of a city can give, unit by unit: such a number is debris of a wrong map, or of words in a wrong order.

The one home of these limits: the wide ones for each poll, where only nonsense may fail, and the narrow ones for
recognising a meter, where much that is possible is still unlikely.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

DEBRIS: Final = 1e-9
"""What is not 0 and nearer to 0 than this is none: meters resolve no nanovolt, swapped floats are mostly such."""
UNLIKELY_DEBRIS: Final = 1e-7
"""The same while a meter is being recognised."""


@dataclass(frozen=True, slots=True)
class Sanity:
    """Limits of a unit.

    Attributes:
        lowest: below it a value of a poll is not believed.
        highest: above it a value of a poll is not believed.
        unlikely: above this magnitude a map is not the meter's.
        why: what a value beyond them would be.
    """

    lowest: float
    highest: float
    unlikely: float
    why: str


_POWER: Final = Sanity(-1e10, 1e10, 1e7, "more than all power stations of a city give")
_ENERGY: Final = Sanity(-1e15, 1e15, 1e12, "more than a country uses in years")
SANITY: Final[Mapping[str, Sanity]] = MappingProxyType(
    {
        "V": Sanity(-1e6, 1e6, 1000.0, "more than the highest lines of a grid carry"),
        "A": Sanity(-1e6, 1e6, 1e4, "more than a short circuit gives"),
        "W": _POWER,
        "var": _POWER,
        "VA": _POWER,
        "Wh": _ENERGY,
        "varh": _ENERGY,
        "VAh": _ENERGY,
        "Hz": Sanity(0.0, 1000.0, 1000.0, "the frequency of no supply"),
        "deg": Sanity(-1000.0, 1000.0, 361.0, "more than a full turn by far"),
        # Of a fundamental that is almost nothing, distortion may be many times 100 %.
        "%": Sanity(-1e6, 1e6, 1000.0, "no share of anything"),
        # Flags and alarm words of 32 bits have this unit too; factors have a rule of their own.
        "1": Sanity(-1e10, 1e10, 1.05, "more than 32 bits hold"),
        "degC": Sanity(-273.15, 1e4, 1e4, "the temperature of no device"),
        "s": Sanity(-1e11, 1e11, 1e11, "more than three thousand years"),
        "m3": Sanity(-1e12, 1e12, 1e12, "more than the rivers of a country carry"),
    }
)
ANYTHING: Final = Sanity(-math.inf, math.inf, math.inf, "")
"""The limits of a unit that has none."""


def absurdity(unit: str, value: float) -> str:
    """Return why a value can be no measurement; empty if it can."""
    if 0 < abs(value) < DEBRIS:
        return f"{value:.3g} {unit} is no measurement: nothing is measured so near to 0"
    limits = SANITY.get(unit, ANYTHING)
    if value < limits.lowest or value > limits.highest:
        return f"{value:.3g} {unit} is not between {limits.lowest:g} and {limits.highest:g}; it is {limits.why}"
    return ""
