"""Fewer values of the same readings: the newest of each interval as it was read, or one mean an interval. Pure.

A full journal keeps the newest: what is left is a part of what was read, so a replay of the original contradicts
nothing. A quota's steps send means: they are made before a batch is sealed, so nothing else has the same name.

Intervals lie on the boot's monotonic clock (`monotonic_ms // every_ms`): a batch may not have a clock fit yet, and one
that comes later must not move them. Where one `every_ms` divides another, as 60 s divides 900 s, the coarser thinning
gives the same whether the finer went before it or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from lentera_model.quantities import CATALOGUE, Kind, names_of
from lentera_model.readings import Quality, Sample

_STATES: Final = names_of(Kind.STATE)
_MOMENTS: Final = names_of(Kind.INSTANTANEOUS)
_AVERAGED: Final = frozenset(name for name in _MOMENTS if CATALOGUE[name].unit != "deg" and not name.endswith("_max"))
"""The mean of angles on both sides of 180 degrees is none, and a maximum that a meter holds is its newest."""
_Place = tuple[str, str, int]
"""device, quantity, interval"""


class NewestEach:
    """Takes samples one by one and keeps of each device, quantity and interval the newest.

    Instantaneous quantities are thinned; of states each change is kept as well; counters, and names that the catalogue
    does not hold, stay in full unless `counters` is set. What was kept of some samples can be taken up again: adding it
    and then the next ones gives what adding them all gives.
    """

    def __init__(self, every_ms: int, counters: bool = False, states: bool = True) -> None:
        """Describe the thinning.

        Args:
            every_ms: length of an interval, at least 1.
            counters: thin counters and unknown names too.
            states: thin states too, all but their changes.
        """
        if every_ms < 1:
            raise ValueError(f"an interval has at least 1 ms, not {every_ms}")
        self.every_ms = every_ms
        self.counters = counters
        self.states = states
        self._given: list[Sample | None] = []
        self._left: list[dict[str, float] | None] = []
        self._newest: dict[_Place, tuple[int, int, bool]] = {}
        self._states: dict[tuple[str, str], float] = {}
        self.kept_values = 0
        """Values that are kept of those added so far."""

    @property
    def count(self) -> int:
        """How many samples were added."""
        return len(self._given)

    def add(self, sample: Sample) -> None:
        """Take the next sample."""
        position = len(self._given)
        self._given.append(sample)
        self._left.append(dict(sample.values))
        self.kept_values += len(sample.values)
        interval = sample.monotonic_ms // self.every_ms
        for name, value in sample.values.items():
            if name in _MOMENTS or (self.counters and name not in _STATES):
                self._keep_newest((sample.device, name, interval), sample.monotonic_ms, position, always=False)
            elif name in _STATES and self.states:
                changed = self._states.get((sample.device, name)) != value
                self._states[sample.device, name] = value
                self._keep_newest((sample.device, name, interval), sample.monotonic_ms, position, always=changed)

    def _keep_newest(self, place: _Place, at_ms: int, position: int, always: bool) -> None:
        before = self._newest.get(place)
        if before is not None and before[0] > at_ms:
            if not always:
                self._drop(position, place[1])
            return
        self._newest[place] = at_ms, position, always
        if before is not None and not before[2]:
            self._drop(before[1], place[1])

    def _drop(self, position: int, name: str) -> None:
        left = self._left[position]
        if left is not None:
            del left[name]
            self.kept_values -= 1
            if not left:
                self._given[position] = self._left[position] = None

    def result(self) -> list[Sample | None]:
        """Return what is left of each sample, in the order in which they were added; None where nothing is."""
        return [
            None if sample is None or left is None else _with(sample, left)
            for sample, left in zip(self._given, self._left, strict=True)
        ]


def _with(sample: Sample, values: dict[str, float], quality: Quality | None = None) -> Sample:
    quality = sample.quality if quality is None else quality
    if values == sample.values and quality is sample.quality:
        return sample
    return Sample(sample.device, sample.profile, sample.monotonic_ms, values, quality)


def means(samples: Iterable[Sample], every_ms: int) -> list[Sample]:
    """Put one mean in the place of each interval's instantaneous values; counters and states stay as they are.

    A mean is of one device and quantity and stands where the newest of its values stood: in that sample, with its
    stamp. That sample's quality becomes the worst of the samples that gave values to its means. Angles and held maxima
    have no mean; of those the newest is kept. Names that the catalogue does not hold stay as they are.

    Each value has the same weight, so a mean is one of the time only if all that was read is given: where values were
    left out as unchanged, what changed for a second would weigh as much as what stood for a minute.

    Args:
        samples: in the order in which they were read, every read of the instantaneous quantities.
        every_ms: length of an interval.
    """
    thinning = NewestEach(every_ms, states=False)
    given: dict[_Place, list[float]] = {}
    worst: dict[_Place, Quality] = {}
    for sample in samples:
        thinning.add(sample)
        for name, value in sample.values.items():
            if name in _AVERAGED:
                place = (sample.device, name, sample.monotonic_ms // every_ms)
                given.setdefault(place, []).append(value)
                worst[place] = max(sample.quality, worst.get(place, Quality.GOOD))
    return [_averaged(sample, every_ms, given, worst) for sample in thinning.result() if sample is not None]


def _averaged(
    sample: Sample, every_ms: int, given: Mapping[_Place, list[float]], worst: Mapping[_Place, Quality]
) -> Sample:
    places = {
        name: (sample.device, name, sample.monotonic_ms // every_ms) for name in sample.values if name in _AVERAGED
    }
    values = {name: _mean(given[places[name]]) if name in places else value for name, value in sample.values.items()}
    return _with(sample, values, max((worst[place] for place in places.values()), default=sample.quality))


def _mean(values: list[float]) -> float:
    """Return the mean, never outside the values by a rounding."""
    return min(max(math.fsum(values) / len(values), min(values)), max(values))
