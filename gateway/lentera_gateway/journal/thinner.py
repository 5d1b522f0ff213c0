"""A tier that is nearly full is thinned, oldest first, a little each tick. Runs in the journal's thread only.

A run of adjacent segments becomes one: the new records are written beside the last of them and synced, then take its
name, and only then the others go. So after a cut at any point each batch is there as it was or thinned, or as both:
then the older file, which is sent first, holds all that the other does, which is known for a replay by its name. What
is lost by it is written down before, so that it is told whatever comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from lentera_gateway.journal.index import Entry, Key
from lentera_gateway.journal.places import Places
from lentera_gateway.journal.records import BatchRecord, ThinnedRecord, decode_record, encode_record
from lentera_gateway.journal.segments import Tier, TierWriteError
from lentera_gateway.journal.thinning import RUN_VALUES, STEPS, RunOfBatches, Thinned, header_of, key_of, run_to_thin

TICK_BYTES: Final = 64 * 1024
"""Bytes of batches taken or made in one tick, some 25,000 values: the thread must come back to the next second's."""
_RETRY_MS: Final = 30_000


@dataclass(slots=True)
class _Pass:
    """A run of segments on its way to be thinned.

    Attributes:
        numbers: the segments, oldest first.
        run: their batches.
        where: the segment of each batch.
        records: records that no version here reads, which are kept as they are.
        unread: what is still to be taken.
        thinned: what is left of the batches, as far as that is made.
    """

    numbers: list[int]
    run: RunOfBatches
    where: dict[Key, int] = field(default_factory=dict[Key, int])
    records: list[bytes] = field(default_factory=list[bytes])
    unread: Iterator[int] | None = None
    thinned: list[Thinned] = field(default_factory=list[Thinned])


class Thinner:
    """Keeps one tier below its bound, as far as thinning can."""

    def __init__(self, places: Places, tier: Tier, mark_bytes: int) -> None:
        """Name the tier and the bytes above which it is thinned, below its bound: there must be room to write."""
        self._places = places
        self._tier = tier
        self._mark_bytes = mark_bytes
        self._pass: _Pass | None = None
        self._to_unlink: list[int] = []
        self._not_before_ms = 0
        self.pressed = False
        """Set while the medium is full although the tier is within its bound: it is thinned all the same."""

    def try_again(self) -> None:
        """Forget the last failure: there is room again."""
        self._not_before_ms = 0

    def has_work(self, monotonic_ms: int) -> bool:
        """Whether anything is left to thin, so that nothing needs to be dropped whole yet."""
        if monotonic_ms < self._not_before_ms:
            return False
        return self._pass is not None or self._tier.index.unscanned() is not None or bool(self._next_run())

    def step(self, monotonic_ms: int) -> None:
        """Do a tick's share of the thinning, if the tier is fuller than it should be."""
        if self._to_unlink and not self._unlink():
            return
        if self._tier.index.total_bytes <= self._mark_bytes and not self.pressed:
            self._pass = None
            return
        if monotonic_ms < self._not_before_ms:
            return
        if self._pass is None or not self._pass_holds(self._pass):
            self._pass = self._begin()
        if self._pass is not None and self._go_on(self._pass):
            self._commit(self._pass, monotonic_ms)
            self._pass = None

    def _busy(self) -> set[int]:
        flying = {number for name, number in self._places.in_flight.values() if name == self._tier.name}
        return flying if self._tier.open_number is None else flying | {self._tier.open_number}

    def _next_run(self) -> list[int]:
        return run_to_thin(self._tier.index.segments.values(), self._busy())

    def _pass_holds(self, one: _Pass) -> bool:
        """Whether nobody has dropped what is being thinned, or taken it into flight: that is better sent in full."""
        busy = self._busy()
        return all(number in self._tier.index.segments and number not in busy for number in one.numbers)

    def _begin(self) -> _Pass | None:
        numbers = self._next_run()
        if not numbers:
            return None
        one = _Pass([], RunOfBatches(self._tier.index.segments[numbers[0]].level + 1))
        one.unread = self._take(one, numbers)
        return one

    def _take(self, one: _Pass, numbers: list[int]) -> Iterator[int]:
        """Take the batches of some segments, as many as fit a run; yields the bytes of each."""
        for number in numbers:
            if one.numbers and one.run.kept_values >= RUN_VALUES:
                return
            try:
                found = self._tier.read(number)
            except OSError as error:  # left as it is; the level is noted so that the others' turn comes
                self._places.cannot_read(self._tier, number, error)
                self._tier.index.segments[number].level = one.run.level
                return
            one.numbers.append(number)
            for frame in found.frames:
                self._take_record(one, number, frame.record)
                yield frame.size

    def _take_record(self, one: _Pass, number: int, data: bytes) -> None:
        record = decode_record(data)
        header = header_of(record.sealed) if isinstance(record, BatchRecord) else None
        if header is None or not isinstance(record, BatchRecord):
            one.records.append(data)
            return
        key = key_of(header)
        if key not in self._tier.index.segments[number].settled:
            one.where.setdefault(key, number)
            one.run.add(header, record.sealed)

    def _go_on(self, one: _Pass) -> bool:
        """Take or make a tick's share; True when all is made."""
        done_bytes = 0
        for size in one.unread or ():
            done_bytes += size
            if done_bytes >= TICK_BYTES:
                return False
        while done_bytes < TICK_BYTES:
            thinned = one.run.pack_next()
            if thinned is None:
                return True
            one.thinned.append(thinned)
            done_bytes += 64 + len(thinned.sealed or b"")
        return False

    def _commit(self, one: _Pass, monotonic_ms: int) -> None:
        index = self._tier.index
        left = [thinned for thinned in one.thinned if thinned.key not in index.segments[one.where[thinned.key]].settled]
        if not any(thinned.lost for thinned in left):
            for number in one.numbers:
                index.segments[number].level = one.run.level
            return
        try:
            losses = [thinned.lost for thinned in left if thinned.lost is not None]
            self._places.counters.thinning_card_bytes += self._places.announce(self._tier, losses)
            self._replace(one, [thinned for thinned in left if thinned.sealed is not None])
        except (TierWriteError, OSError) as error:
            self._not_before_ms = monotonic_ms + _RETRY_MS
            if self._tier is self._places.card:
                self._places.card_error = str(error)
            else:
                self._places.memory_error = str(error)
            return
        for thinned in left:
            count_lost(self._places, thinned, one.run)
        self._unlink()

    def _replace(self, one: _Pass, left: list[Thinned]) -> None:
        tier, target = self._tier, one.numbers[-1]
        step = one.run.step
        records = [encode_record(ThinnedRecord(step.detail_s, step.counters)), *one.records]
        first = len(records)
        records += [encode_record(BatchRecord(thinned.sealed)) for thinned in left if thinned.sealed is not None]
        before = tier.written_bytes
        placed = tier.replace(target, records)
        if tier.durable:
            self._places.counters.thinning_card_bytes += tier.written_bytes - before
        known = {
            key: entry for number in one.numbers for key, entry in (tier.index.segments[number].entries or {}).items()
        }
        entries = [
            self._entry(thinned, known.get(thinned.key), *place)
            for thinned, place in zip(left, placed[first:], strict=True)
        ]
        for number in one.numbers[:-1]:
            tier.index.remove(number)
        tier.index.replace(target, sum(size for _, size in placed), entries, one.run.level)
        self._to_unlink = one.numbers[:-1]

    @staticmethod
    def _entry(thinned: Thinned, known: Entry | None, offset: int, size: int) -> Entry:
        if known is not None:
            return replace(known, offset=offset, size=size, values=thinned.values)
        header = thinned.header
        return Entry(thinned.key, offset, size, 0, 0, header.boot_id, header.clock is not None, thinned.values)

    def _unlink(self) -> bool:
        """Remove the files whose batches lie in another one now, once that one's name is durable."""
        try:
            self._tier.sync_names()
            while self._to_unlink:
                self._tier.unlink(self._to_unlink[0])
                del self._to_unlink[0]
        except OSError as error:
            self._places.cannot_read(self._tier, self._to_unlink[0] if self._to_unlink else 0, error)
            return False
        return True


def count_lost(places: Places, thinned: Thinned, run: RunOfBatches) -> None:
    """Count what a batch has lost by a thinning, and note it for the record of known gaps."""
    if thinned.lost is None:
        return
    counters, values = places.counters, thinned.lost.values
    if run.step.counters:
        counters.thinned_counter_values += values
    elif run.step.detail_s == STEPS[0].detail_s:
        counters.thinned_60_s_values += values
    else:
        counters.thinned_900_s_values += values
    places.losses.note(thinned.lost)


def thin_held(places: Places) -> None:
    """Thin the oldest of the batches that no file took, when they come near their bound."""
    held, room_bytes = places.held, TICK_BYTES
    while room_bytes > 0 and held.total_bytes > held.max_bytes * 7 // 8:
        keys = held.run_to_thin(places.in_flight, room_bytes)
        if not keys:
            return
        room_bytes -= sum(len(held.batches[key].sealed) for key in keys)
        run = RunOfBatches(held.batches[keys[0]].level + 1)
        for key in keys:
            batch = held.batches[key]
            header = header_of(batch.sealed)
            if header is not None:
                run.add(header, batch.sealed)
            else:  # whoever delivers it will tell
                held.replace(key, batch.sealed, batch.values, run.level)
        while (thinned := run.pack_next()) is not None:
            held.replace(thinned.key, thinned.sealed, thinned.values, run.level)
            count_lost(places, thinned, run)
