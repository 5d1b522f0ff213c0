"""Changes of alarms and settings, which do not wait for the long sealing of a quota's step. Pure.

Under a step a batch may wait for 15 minutes, and sealing it early would break a mean in two. So the change alone is
sealed, by itself and at once: some hundred bytes. One that follows within ten seconds waits for the end of them, so
that a lamp that flickers does not use up what the step saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from lentera_model.readings import Sample

URGENT: Final = frozenset({"lamp_failure", "device_fault", "alarm", "level_commanded_percent", "level_percent"})
"""The states whose changes are urgent."""
LEAST_CHANGE: Final = 1.0
"""Percent of light, or one in a code: a level that is measured trembles by less."""
EVERY_MS: Final = 10_000


class Urgent:
    """Tells changes from repetitions, and holds those that are to be sealed apart."""

    def __init__(self) -> None:
        """Begin with nothing known: the first value of each state is a change."""
        self.waiting: list[Sample] = []
        self._last: dict[tuple[str, str], float] = {}
        self._sealed_ms: int | None = None

    def part(self, samples: Sequence[Sample], apart: bool) -> list[Sample]:
        """Look at the next samples; return them without what is urgent, which waits here.

        Args:
            samples: in the order in which they were read.
            apart: whether changes are to be sealed apart now; else they stay where they are, and are only remembered.
        """
        return [sample for given in samples if (sample := self._part(given, apart)) is not None]

    def _part(self, sample: Sample, apart: bool) -> Sample | None:
        if URGENT.isdisjoint(sample.values):
            return sample
        changed = [name for name in URGENT & sample.values.keys() if self._changes(sample.device, name, sample.values)]
        if not changed or not apart:
            return sample
        rest = {name: value for name, value in sample.values.items() if name not in changed}
        urgent = {name: value for name, value in sample.values.items() if name in changed}
        self.waiting.append(replace(sample, values=urgent))
        return replace(sample, values=rest) if rest else None

    def _changes(self, device: str, name: str, values: Mapping[str, float]) -> bool:
        before = self._last.get((device, name))
        if before is not None and abs(values[name] - before) < LEAST_CHANGE:
            return False
        self._last[device, name] = values[name]
        return True

    def due(self, now_ms: int) -> bool:
        """Whether something waits, and may be sealed by itself now."""
        return bool(self.waiting) and (self._sealed_ms is None or now_ms - self._sealed_ms >= EVERY_MS)

    def take(self) -> list[Sample]:
        """Give away what waits, to go with everything else."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def take_apart(self, now_ms: int) -> list[Sample]:
        """Give away what waits, to be sealed by itself at this time."""
        self._sealed_ms = now_ms
        return self.take()
