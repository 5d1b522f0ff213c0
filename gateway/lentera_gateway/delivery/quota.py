"""What is left out when the month's quota runs short, in a stated order. Pure.

Commands, their results, alarms and counters are never left out. An alarm is whether a device answers, which is a
message of its own, or a state that `lentera_gateway.journal.urgent` names: its changes wait for no step's sealing.
Counters stay in full at every step, and states as well until the quota is used up: then each change of one is left,
and one value in each batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from msgspec.structs import replace

from lentera_model.quantities import Kind, names_of
from lentera_model.readings import Sample
from lentera_model.thinning import means

COMMANDED: Final = "level_commanded_percent"
_FIRST_PERCENT: Final = 80
_SECOND_PERCENT: Final = 95
_MOMENTS: Final = names_of(Kind.INSTANTANEOUS)
_REPEATING: Final = names_of(Kind.STATE) - {COMMANDED}


class Step(IntEnum):
    """How much is left out."""

    FULL = 0
    """Nothing."""
    MEANS_60 = 1
    """From 80 % of the quota on: means of 60 s of instantaneous quantities, sealed each 300 s."""
    MEANS_900 = 2
    """From 95 % on: means of 900 s, sealed each 900 s; a large backlog waits for the new month."""
    COUNTERS = 3
    """From 100 % on: no instantaneous quantity; counters in full, states where they change, sealed each 900 s."""


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
        detail_s: one value of each instantaneous quantity in so many seconds is left; 0: none is.
        seal_age_ms: batches are sealed at multiples of this on the boot's clock, so that means are of whole intervals.
    """

    step: Step
    detail_s: int
    seal_age_ms: int

    def reduce(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return what is sealed of some samples, given in the order in which they were read."""
        if self.detail_s:
            return means(samples, self.detail_s * 1000)
        return list(_without_moments(samples))


SHAPES: Final = {
    Step.MEANS_60: Shape(Step.MEANS_60, 60, 300_000),
    Step.MEANS_900: Shape(Step.MEANS_900, 900, 900_000),
    Step.COUNTERS: Shape(Step.COUNTERS, 0, 900_000),
}


def _without_moments(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Leave out instantaneous values, and of each state the repetitions among these samples."""
    last: dict[tuple[str, str], float] = {}
    for sample in samples:
        values = dict[str, float]()
        for name, value in sample.values.items():
            if name in _MOMENTS or (name in _REPEATING and last.get((sample.device, name)) == value):
                continue
            last[sample.device, name] = value
            values[name] = value
        if values:
            yield sample if len(values) == len(sample.values) else replace(sample, values=values)
