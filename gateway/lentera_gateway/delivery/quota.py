"""What is left out when the month's quota runs short, in a stated order. Pure.

Commands, their results, alarms (whether a device answers) and counters are never left out. Counters, states and the
lamps' commanded levels stay in full until the quota is used up; then counters go each 15 minutes, and of the rest only
the commanded levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from msgspec.structs import replace

from lentera_model.quantities import CATALOGUE, Kind
from lentera_model.readings import Sample
from lentera_model.thinning import means, newest_each

COMMANDED: Final = "level_commanded_percent"
_FIRST_PERCENT: Final = 80
_SECOND_PERCENT: Final = 95
_COUNTERS: Final = frozenset(name for name, found in CATALOGUE.items() if found.kind is Kind.COUNTER)


class Step(IntEnum):
    """How much is left out."""

    FULL = 0
    """Nothing."""
    MEANS_60 = 1
    """From 80 % of the quota on: means of 60 s of instantaneous quantities, sealed each 300 s."""
    MEANS_900 = 2
    """From 95 % on: means of 900 s, sealed each 900 s; a large backlog waits for the new month."""
    COUNTERS = 3
    """From 100 % on: counters each 900 s and commanded levels alone."""


def step_of(used_bytes: int, quota_bytes: int) -> Step:
    """Return the step that the month's bytes ask for; a quota of 0 is none.

    The count falls to 0 with the new month, which an untrusted clock never begins; so a step is left by a new month or
    a raised quota alone.
    """
    if quota_bytes <= 0 or used_bytes * 100 < quota_bytes * _FIRST_PERCENT:
        return Step.FULL
    if used_bytes * 100 < quota_bytes * _SECOND_PERCENT:
        return Step.MEANS_60
    return Step.MEANS_900 if used_bytes < quota_bytes else Step.COUNTERS


@dataclass(frozen=True, slots=True)
class Shape:
    """How a step seals: at which age, and what of the samples.

    Attributes:
        step: which.
        detail_s: one value of each instantaneous quantity in so many seconds is left.
        seal_age_ms: batches are sealed at multiples of this on the boot's clock, so that means are of whole intervals.
    """

    step: Step
    detail_s: int
    seal_age_ms: int

    def reduce(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return what is sealed of some samples."""
        if self.step is not Step.COUNTERS:
            return means(samples, self.detail_s * 1000)
        commanded = [kept for sample in samples if (kept := _only(sample, frozenset({COMMANDED}))) is not None]
        counters = [kept for sample in samples if (kept := _only(sample, _COUNTERS)) is not None]
        return commanded + newest_each(counters, self.detail_s * 1000, counters=True)


SHAPES: Final = {
    Step.MEANS_60: Shape(Step.MEANS_60, 60, 300_000),
    Step.MEANS_900: Shape(Step.MEANS_900, 900, 900_000),
    Step.COUNTERS: Shape(Step.COUNTERS, 900, 900_000),
}


def _only(sample: Sample, names: frozenset[str]) -> Sample | None:
    values = {name: value for name, value in sample.values.items() if name in names}
    return replace(sample, values=values) if values else None
