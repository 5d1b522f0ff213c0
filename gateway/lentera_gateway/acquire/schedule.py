"""When each device of a bus is due. Pure: the present is an argument.

A device's instants lie on a grid of its own, start + phase + n x interval, so that nothing drifts however long a poll
takes; the phases spread the devices of a bus over their interval. Instants that a slow bus missed are skipped, counted
and never made up for.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping


class PollSchedule:
    """The next instants of the devices of one bus.

    Attributes:
        skipped: device -> instants that passed while the bus was busy.
    """

    def __init__(self, intervals_ms: Mapping[str, int], start_ms: int) -> None:
        """Lay the grids.

        Args:
            intervals_ms: device -> interval in milliseconds, at least 1.
            start_ms: instant of the first poll.
        """
        self._intervals_ms = dict(intervals_ms)
        count = max(1, len(intervals_ms))
        self._phases_ms = {
            device: start_ms + interval_ms * position // count
            for position, (device, interval_ms) in enumerate(self._intervals_ms.items())
        }
        self._due = [
            (phase_ms, position, device) for position, (device, phase_ms) in enumerate(self._phases_ms.items())
        ]
        heapq.heapify(self._due)
        self.skipped = dict.fromkeys(self._intervals_ms, 0)

    def __bool__(self) -> bool:
        """Whether there is anything to poll."""
        return bool(self._due)

    def next_due(self) -> tuple[str, int]:
        """Return (device, instant in ms) of the next poll; the instant may lie in the past."""
        due_ms, _, device = self._due[0]
        return device, due_ms

    def polled(self, device: str, now_ms: int) -> None:
        """Note that the poll returned by `next_due` is over, and find the device's next instant after now."""
        due_ms, position, _ = heapq.heappop(self._due)
        interval_ms = self._intervals_ms[device]
        missed = max(0, (now_ms - due_ms) // interval_ms)
        self.skipped[device] += missed
        heapq.heappush(self._due, (due_ms + (missed + 1) * interval_ms, position, device))
