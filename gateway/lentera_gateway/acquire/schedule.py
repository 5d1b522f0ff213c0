"""When each device of a bus is due, at each of its paces. Pure: the present is an argument.

The instants of a pace lie on a grid of its own, start + phase + n x interval, so that nothing drifts however long a
poll takes; the phases spread the devices of a bus over their interval, and the paces of one device share its phase.
Instants that a slow bus missed are skipped, counted and never made up for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from lentera_gateway.acquire.lateness import Lateness
from lentera_model.config import DeviceConfig

_LATE_SHARE: Final = 10
_LATE_LEAST_MS: Final = 20


class Poll(NamedTuple):
    """What is polled: a device at one of its paces (an index into its `pace_table`)."""

    device: str
    pace: int = 0


def intervals_of(devices: Iterable[DeviceConfig]) -> dict[Poll, int]:
    """Return every poll of some devices with its interval in milliseconds.

    The paces of a device come slowest first: at an instant where several are due, the slow ones tell what they want
    before the fast request goes out in which their values ride.
    """
    found: dict[Poll, int] = {}
    for device in devices:
        table = device.pace_table()
        for pace in sorted(range(len(table)), key=lambda index: (-table[index].every_s, index)):
            if table[pace].quantities != ():
                found[Poll(device.id, pace)] = round(table[pace].every_s * 1000)
    return found


class PollSchedule:
    """The next instants of the polls of one bus.

    Attributes:
        lateness: how each poll kept its instants.
    """

    def __init__(self, intervals_ms: Mapping[Poll, int], start_ms: int) -> None:
        """Lay the grids.

        Args:
            intervals_ms: poll -> interval in milliseconds, at least 1.
            start_ms: instant of the first poll.
        """
        self._intervals_ms = dict(intervals_ms)
        shortest: dict[str, int] = {}
        for poll, interval_ms in self._intervals_ms.items():
            shortest[poll.device] = min(interval_ms, shortest.get(poll.device, interval_ms))
        phases = {
            device: start_ms + interval_ms * position // len(shortest)
            for position, (device, interval_ms) in enumerate(shortest.items())
        }
        self._due = [(phases[poll.device], position, poll) for position, poll in enumerate(self._intervals_ms)]
        heapq.heapify(self._due)
        self.lateness = {poll: Lateness() for poll in self._intervals_ms}
        self._began_ms: int | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to poll."""
        return bool(self._due)

    def next_due(self) -> tuple[Poll, int]:
        """Return (poll, instant in ms) of the next poll; the instant may lie in the past."""
        due_ms, _, poll = self._due[0]
        return poll, due_ms

    def interval_ms(self, poll: Poll) -> int:
        """Return the interval of one of the polls."""
        return self._intervals_ms[poll]

    def began(self, now_ms: int) -> bool:
        """Note that the poll returned by `next_due` begins now; whether that is late."""
        due_ms, _, poll = self._due[0]
        self._began_ms = now_ms
        is_late = now_ms - due_ms > max(_LATE_LEAST_MS, self._intervals_ms[poll] // _LATE_SHARE)
        if is_late:
            self.lateness[poll].late += 1
        return is_late

    def polled(self, now_ms: int) -> int:
        """Note that the poll returned by `next_due` is over; find its next instant, return how many were skipped."""
        due_ms, position, poll = self._due[0]
        interval_ms = self._intervals_ms[poll]
        missed = max(0, (now_ms - due_ms) // interval_ms)
        lateness = self.lateness[poll]
        if self._began_ms is not None:
            lateness.took(now_ms - self._began_ms)
            self._began_ms = None
        lateness.missed(due_ms + interval_ms, missed)
        heapq.heapreplace(self._due, (due_ms + (missed + 1) * interval_ms, position, poll))
        return missed

    def load_percent(self) -> float:
        """Return how much of the bus's time its polls would take if none were skipped; above 100 some must be."""
        return sum(
            100 * (self.lateness[poll].usual_ms or 0.0) / interval_ms
            for poll, interval_ms in self._intervals_ms.items()
        )

    def cycles(self) -> dict[str, tuple[int, int]]:
        """Return device -> (polls that began late, instants skipped), over all its paces."""
        found: dict[str, tuple[int, int]] = {}
        for poll, lateness in self.lateness.items():
            late, skipped = found.get(poll.device, (0, 0))
            found[poll.device] = late + lateness.late, skipped + lateness.skipped
        return found
