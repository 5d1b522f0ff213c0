"""What became of each read that was due, counted by hours of UTC: the gateway's own account of what is missing. Pure.

A read is concluded when its poll is over. One whose values come by themselves (a lamp's reports) or in the answer to
another request is concluded at its next instant: at least one value in between is enough. A read that brought values
counts in the hour of their stamp, in which the cloud counts them too; one that brought none counts when it was due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lentera_gateway.acquire.schedule import Poll, intervals_of
from lentera_model.config import DeviceConfig
from lentera_model.readings import Sample

HOUR_MS: Final = 3_600_000
SLOT_MS: Final = 60_000
"""While the time is not known, reads are counted by slots of the boot's clock; each falls into an hour later."""
MAX_SLOTS: Final = 1_500
"""A day of them; then the oldest are forgotten, and the cloud goes by the paces alone."""
LONGEST_WAIT_MS: Final = 900_000
"""An hour is held back for the reads that are concluded after its end, at most for so long."""
SILENT: Final = "silent"
SKIPPED: Final = "skipped"
"""The bus had no time for an instant."""


@dataclass(slots=True)
class Counts:
    """Reads of one pace of one device: that brought a value to store, only unchanged ones, or none and why."""

    taken: int = 0
    unchanged: int = 0
    missed: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Add another count."""
        self.taken += other.taken
        self.unchanged += other.unchanged
        for reason, count in other.missed.items():
            self.missed[reason] = self.missed.get(reason, 0) + count


ByPoll = dict[Poll, Counts]


class ReadTally:
    """Counts reads. Times are of the boot's monotonic clock, in milliseconds.

    Attributes:
        hours: start of the hour in Unix ms -> counts. slots: start of a slot -> counts, while the time is not known.
    """

    def __init__(self, devices: Iterable[DeviceConfig]) -> None:
        """Begin to count the reads of these devices, at each of their paces."""
        devices = list(devices)
        self.hours: dict[int, ByPoll] = {}
        self.slots: dict[int, ByPoll] = {}
        self.intervals_ms = intervals_of(devices)
        self._offset_ms: int | None = None
        self._polls: dict[str, list[tuple[Poll, frozenset[str] | None]]] = {}
        self._named: dict[str, frozenset[str]] = {}
        for device in devices:
            table = device.pace_table()
            named = frozenset(name for pace in device.paces for name in pace.quantities)
            self._named[device.id] = named
            for index, pace in enumerate(table):
                poll = Poll(device.id, index)
                if poll in self.intervals_ms:
                    names = None if pace.quantities is None else frozenset(pace.quantities)
                    self._polls.setdefault(device.id, []).append((poll, names))
        self._fresh: dict[Poll, tuple[int, bool]] = {}
        self._asked_ms: dict[Poll, int] = {}
        self._failure: dict[Poll, str] = {}
        self.wait_ms = min(LONGEST_WAIT_MS, max(self.intervals_ms.values(), default=0)) + SLOT_MS

    def clock_known(self, offset_ms: int | None) -> None:
        """Learn how far Unix time is ahead of the monotonic clock; None while nobody knows."""
        self._offset_ms = offset_ms
        if offset_ms is not None:
            for slot, counts in self.slots.items():
                _add(self.hours.setdefault(_hour(slot + SLOT_MS // 2 + offset_ms), {}), counts)
            self.slots.clear()

    def took(self, sample: Sample, news: Sample | None) -> None:
        """Note a sample that came, and the part of it that is stored (None: all of it was unchanged)."""
        polls = self._polls.get(sample.device, ())
        for poll, names in polls:
            if len(polls) == 1:
                came, kept = True, news is not None
            else:
                named = self._named[sample.device]
                came = _has(sample, names, named)
                kept = news is not None and _has(news, names, named)
            if came:
                first_ms, before = self._fresh.get(poll, (sample.monotonic_ms, False))
                self._fresh[poll] = first_ms, before or kept

    def concluded(
        self, poll: Poll, now_ms: int, failure: str | None, otherwise: Callable[[], str] = lambda: SILENT
    ) -> None:
        """Note that a poll is over.

        Args:
            poll: which.
            now_ms: when.
            failure: why it brought nothing; None when the driver had no complaint.
            otherwise: tells why there is no value though nobody complained, if there has been none since the last time.
        """
        asked_ms = self._asked_ms.get(poll)
        self._asked_ms[poll] = now_ms
        fresh = self._fresh.pop(poll, None)
        if fresh is not None:
            counts = self._counts(poll, fresh[0])
            counts.taken += fresh[1]
            counts.unchanged += not fresh[1]
        elif failure is not None:
            self._miss(poll, now_ms, failure)
            for other, _ in self._polls.get(poll.device, ()):
                self._failure.setdefault(other, failure)
            return
        elif asked_ms is not None:  # at its first instant, what comes by itself has only begun to be waited for
            self._miss(poll, asked_ms, self._failure.get(poll) or otherwise())
        self._failure.pop(poll, None)

    def skipped(self, poll: Poll, first_ms: int, count: int) -> None:
        """Note instants of a poll, the first at `first_ms`, for which the bus had no time."""
        every_ms = self.intervals_ms.get(poll, HOUR_MS)
        while count > 0:
            share = min(count, -(-(self._end_ms(first_ms) - first_ms) // every_ms))
            self._miss(poll, first_ms, SKIPPED, share)
            first_ms, count = first_ms + share * every_ms, count - share

    def flush(self) -> None:
        """At the end: what came since the last instants counts too."""
        for poll, (stamp_ms, kept) in self._fresh.items():
            counts = self._counts(poll, stamp_ms)
            counts.taken += kept
            counts.unchanged += not kept
        self._fresh.clear()

    def take_hours(self, before_ms: int) -> dict[int, ByPoll]:
        """Give away the hours that ended by `before_ms` (Unix); they are counted here no more."""
        over = sorted(hour for hour in self.hours if hour + HOUR_MS <= before_ms)
        return {hour: self.hours.pop(hour) for hour in over}

    def restore(self, hours: Mapping[int, ByPoll], slots: Mapping[int, ByPoll]) -> None:
        """Go on with what an earlier process of this gateway has counted."""
        for kept, found in ((self.hours, hours), (self.slots, slots)):
            for start, counts in found.items():
                known = {poll: one for poll, one in counts.items() if poll in self.intervals_ms}
                _add(kept.setdefault(start, {}), known)

    def _miss(self, poll: Poll, at_ms: int, reason: str, count: int = 1) -> None:
        missed = self._counts(poll, at_ms).missed
        missed[reason] = missed.get(reason, 0) + count

    def _end_ms(self, at_ms: int) -> int:
        """Return where the hour or slot of an instant ends, on the monotonic clock."""
        length_ms, offset_ms = (SLOT_MS, 0) if self._offset_ms is None else (HOUR_MS, self._offset_ms)
        return at_ms + length_ms - (at_ms + offset_ms) % length_ms

    def _counts(self, poll: Poll, at_ms: int) -> Counts:
        if self._offset_ms is not None:
            place = self.hours.setdefault(_hour(at_ms + self._offset_ms), {})
        else:
            place = self.slots.setdefault(at_ms // SLOT_MS * SLOT_MS, {})
            while len(self.slots) > MAX_SLOTS:
                del self.slots[min(self.slots)]
        return place.setdefault(poll, Counts())


def _hour(at_ms: int) -> int:
    return at_ms // HOUR_MS * HOUR_MS


def _has(sample: Sample, names: frozenset[str] | None, named: frozenset[str]) -> bool:
    if names is None:
        return not named.issuperset(sample.values)
    return not names.isdisjoint(sample.values)


def _add(place: ByPoll, counts: ByPoll) -> None:
    for poll, one in counts.items():
        place.setdefault(poll, Counts()).add(one)
