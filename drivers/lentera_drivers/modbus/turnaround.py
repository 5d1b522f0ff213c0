"""How long units take to begin their answers, in bounded memory."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

_KEPT: Final = 15
_ENOUGH: Final = 5
_WORST_FADES: Final = 0.999


class Turnarounds:
    """The last few turnarounds of each unit, and the worst of the line, which fades slowly."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._last: dict[int, deque[float]] = {}
        self.worst_ms = 0.0

    def note(self, unit: int, turnaround_ms: float) -> None:
        """Note one."""
        last = self._last.get(unit)
        if last is None:
            last = self._last[unit] = deque(maxlen=_KEPT)
        last.append(turnaround_ms)
        self.worst_ms = max(turnaround_ms, self.worst_ms * _WORST_FADES)

    def typical_ms(self, unit: int) -> float | None:
        """Return the median of a unit's last ones; None before there are a few."""
        last = self._last.get(unit)
        return None if last is None or len(last) < _ENOUGH else median(last)
