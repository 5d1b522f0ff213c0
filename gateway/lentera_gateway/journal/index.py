"""Which batches wait in which segment of a tier. Pure: no file is touched here.

A segment of the card may hold thousands of batches and the card thousands of segments, so the entries of a card segment
are kept in memory only while it is written or drained; otherwise a count and the (few) settled keys stand for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """A batch of this gateway: the epoch of the process that sealed it and its sequence number in that epoch."""

    epoch: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a waiting batch lies.

    Attributes:
        key: epoch and sequence.
        offset: of its frame in the segment.
        size: bytes of its frame.
        order: counts up within the process; recovered batches come before fresh ones.
        waits_since_ms: CLOCK_BOOTTIME at which its power-loss budget began.
        boot_id: the boot on whose clock it was sealed.
        clocked: whether its envelope carries a clock fit.
        values: how many values it holds.
    """

    key: Key
    offset: int
    size: int
    order: int
    waits_since_ms: int
    boot_id: bytes
    clocked: bool
    values: int


@dataclass(slots=True)
class Segment:
    """Book-keeping of one segment file.

    `entries` is None while the entries are not loaded; `scanned` is False while even their count is not known. `level`
    is how far its batches were thinned: how many of thinning.STEPS they have seen.
    """

    number: int
    size: int = 0
    count: int = 0
    entries: dict[Key, Entry] | None = field(default_factory=dict)
    settled: set[Key] = field(default_factory=set)
    scanned: bool = True
    level: int = 0

    @property
    def waiting(self) -> int:
        """Batches that are neither acknowledged nor moved nor quarantined."""
        return self.count - len(self.settled)


class TierIndex:
    """The segments of one tier in the order they were written."""

    def __init__(self) -> None:
        """Start with no segment."""
        self.segments: dict[int, Segment] = {}
        self.total_bytes = 0
        self.waiting = 0

    def start(self, number: int) -> Segment:
        """Note a new, empty segment."""
        segment = self.segments[number] = Segment(number)
        return segment

    def found(self, number: int, size: int) -> Segment:
        """Note a segment that an earlier process left."""
        segment = self.segments[number] = Segment(number, size, entries=None, scanned=False)
        self.total_bytes += size
        return segment

    def grow(self, number: int, size: int) -> None:
        """Note `size` bytes appended to a segment."""
        self.segments[number].size += size
        self.total_bytes += size

    def add(self, number: int, entry: Entry) -> None:
        """Note a waiting batch in a segment (its bytes are noted by `grow` or `start`)."""
        segment = self.segments[number]
        segment.count += 1
        self.waiting += 1
        if segment.entries is not None:
            segment.entries[entry.key] = entry

    def settle(self, number: int, key: Key) -> bool:
        """Note that a batch needs this segment no more. Returns False when it did not wait here."""
        segment = self.segments.get(number)
        if segment is None or key in segment.settled:
            return False
        if segment.entries is not None and segment.entries.pop(key, None) is None:
            return False
        segment.settled.add(key)
        self.waiting -= 1
        return True

    def unload(self, number: int) -> None:
        """Forget where the batches of a segment lie; its counts stay."""
        self.segments[number].entries = None

    def load(self, number: int, entries: Iterable[Entry], settled_before: Iterable[Key] = ()) -> None:
        """Give a segment its entries back, without those settled since, or by an earlier process."""
        segment = self.segments[number]
        waited = segment.waiting
        segment.settled.update(settled_before)
        segment.scanned = True
        segment.entries = {entry.key: entry for entry in entries if entry.key not in segment.settled}
        segment.count = len(segment.entries) + len(segment.settled)
        self.waiting += segment.waiting - waited

    def replace(self, number: int, size: int, entries: Iterable[Entry], level: int) -> None:
        """Note that a segment's file holds other batches now; whether its entries are loaded stays as it was."""
        segment = self.segments[number]
        found = {entry.key: entry for entry in entries}
        self.total_bytes += size - segment.size
        self.waiting += len(found) - segment.waiting
        segment.size, segment.count, segment.level = size, len(found), level
        segment.settled = set()
        segment.entries = None if segment.entries is None else found

    def remove(self, number: int) -> Segment:
        """Forget a segment whose file is gone; returns what it held."""
        segment = self.segments.pop(number)
        self.total_bytes -= segment.size
        self.waiting -= segment.waiting
        return segment

    def find(self, key: Key) -> int | None:
        """Return the loaded segment in which a batch waits."""
        for number, segment in self.segments.items():
            if segment.entries is not None and key in segment.entries:
                return number
        return None

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Yield (segment number, entry) of all loaded waiting batches, oldest first."""
        for number, segment in self.segments.items():
            if segment.entries is not None:
                for entry in segment.entries.values():
                    yield number, entry

    def done(self, open_number: int | None) -> list[int]:
        """Return the segments that can be dropped: scanned, nothing waits in them, and they are not being written."""
        return [
            number
            for number, segment in self.segments.items()
            if number != open_number and segment.scanned and segment.waiting == 0
        ]

    def unscanned(self) -> int | None:
        """Return the oldest segment whose batches are not known yet."""
        return next((number for number, segment in self.segments.items() if not segment.scanned), None)
