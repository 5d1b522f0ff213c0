"""How many values were due and what became of them, summed up over quantities, devices and hours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Completeness:
    """The sum of any quantities, devices and hours.

    Attributes:
        declared: whether it is known of any of it how many values are due.
        expected, received, unchanged, estimated, missing: see `completeness`; `received` is never more than is due.
        extra: stored beyond that: read by hand, or told more often than agreed.
        unscheduled: stored where no number is due: events, and devices whose gateway does not tell its paces.
        reasons: why `missing` are missing.
    """

    declared: bool = False
    expected: int = 0
    received: int = 0
    unchanged: int = 0
    estimated: int = 0
    missing: int = 0
    extra: int = 0
    unscheduled: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """The part of what is due that is there or known to be unchanged, 0 to 1; None where nothing is due."""
        return None if not self.expected else (self.expected - self.missing) / self.expected

    def times(self, number: int) -> Completeness:
        """Return the sum of so many of the same."""
        if number == 1:
            return self
        reasons = {reason: count * number for reason, count in self.reasons.items()}
        return Completeness(
            self.declared,
            self.expected * number,
            self.received * number,
            self.unchanged * number,
            self.estimated * number,
            self.missing * number,
            self.extra * number,
            self.unscheduled * number,
            reasons,
        )

    def __add__(self, other: Completeness) -> Completeness:
        """Add two sums."""
        return Completeness(
            self.declared or other.declared,
            self.expected + other.expected,
            self.received + other.received,
            self.unchanged + other.unchanged,
            self.estimated + other.estimated,
            self.missing + other.missing,
            self.extra + other.extra,
            self.unscheduled + other.unscheduled,
            added(self.reasons, other.reasons) if other.reasons else self.reasons,
        )


NOTHING: Final = Completeness()


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Add counts by reason."""
    found = dict(one)
    for reason, count in other.items():
        found[reason] = found.get(reason, 0) + count
    return found
