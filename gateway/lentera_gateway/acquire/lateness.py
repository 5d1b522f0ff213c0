"""What a bus that is too busy does to its polls, counted poll by poll. Pure: the present is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_ON_TIME_TO_END: Final = 3
"""Polls in a row that lost none before a bus counts as keeping its pace again."""
_NEWEST_SHARE: Final = 0.2
"""How much the newest poll counts in the usual time of a poll: one slow answer is no busy bus."""


@dataclass(frozen=True, slots=True)
class LostCycles:
    """A stretch in which a bus had no time for all of a poll's instants.

    Attributes:
        since_ms: the first instant that was lost, on the boot's monotonic clock.
        count: how many were.
    """

    since_ms: int
    count: int


@dataclass(slots=True)
class Lateness:
    """How one poll kept its instants.

    Attributes:
        late: polls that began later than a tenth of their interval.
        skipped: instants that passed while the bus was busy; they are never made up for.
        lost: the stretch of lost instants that still goes on, None while the bus keeps this poll's pace.
        usual_ms: how long a poll takes of late, None before the first.
    """

    late: int = 0
    skipped: int = 0
    lost: LostCycles | None = None
    usual_ms: float | None = None
    _kept: int = 0

    def took(self, duration_ms: int) -> None:
        """Note how long a poll took."""
        usual_ms = self.usual_ms
        self.usual_ms = duration_ms if usual_ms is None else usual_ms + _NEWEST_SHARE * (duration_ms - usual_ms)

    def missed(self, first_ms: int, count: int) -> None:
        """Note that a poll is over, and how many instants from `first_ms` on passed meanwhile."""
        if count:
            since_ms, before = (first_ms, 0) if self.lost is None else (self.lost.since_ms, self.lost.count)
            self.lost, self._kept = LostCycles(since_ms, before + count), 0
            self.skipped += count
        elif self.lost is not None:
            self._kept += 1
            if self._kept >= _ON_TIME_TO_END:
                self.lost = None
