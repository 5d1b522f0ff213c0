"""The places where a sealed batch can be: the memory tier, the card tier, or held in the process.

A batch is in exactly one of them. It leaves only by an acknowledgement, into quarantine, or, counted, because a tier is
full. Runs in the journal's thread only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from lentera_gateway.journal.damage import MAX_STRETCHES, DamageReason, Moment, Stretch, moments, unreadable
from lentera_gateway.journal.damaged import FOLDER, DamagedCopies
from lentera_gateway.journal.framing import Scan
from lentera_gateway.journal.held import HeldBatch, HeldBatches
from lentera_gateway.journal.index import Entry, Key
from lentera_gateway.journal.intents import Intents
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.losses import Loss, Losses, losses_of_dropped
from lentera_gateway.journal.policy import to_evict
from lentera_gateway.journal.records import BatchRecord, Fate, decode_record, encode_record
from lentera_gateway.journal.recovery import Recovery, entries_of
from lentera_gateway.journal.segments import Tier, TierWriteError
from lentera_gateway.journal.status import Counters
from lentera_gateway.journal.thinning import header_of, key_of

_NEIGHBOURS: Final = 4
"""Segments that are looked at for one in which a batch reads."""


class Places:
    """Both tiers, the held batches, what is in flight, and the counters.

    Attributes:
        in_flight: batches that the present connection has taken, with the tier's name ("held" for none) and segment.
        stretches: values that do not read any more and are not told yet.
        memory_error, card_error: why a tier does not take data now, or None.
    """

    def __init__(self, limits: JournalLimits) -> None:
        """Describe the places; nothing is touched."""
        self.limits = limits
        marks = limits.memory_dir / "marks"
        self.memory = Tier("memory", limits.memory_dir / "segments", marks, limits.memory_segment_bytes, durable=False)
        self.card = Tier("card", limits.card_dir / "segments", marks, limits.card_segment_bytes, durable=True)
        self.held = HeldBatches(limits.memory_max_bytes)
        self.in_flight: dict[Key, tuple[str, int]] = {}
        self.counters = Counters()
        self.losses = Losses()
        self.intents = Intents(limits.memory_dir, limits.card_dir)
        self.stretches: list[Stretch] = []
        self.damaged = DamagedCopies(limits.card_dir / "quarantine" / FOLDER)
        self.recovery = Recovery()
        self.memory_error: str | None = None
        self.card_error: str | None = None

    def keep(self, key: Key, batch: HeldBatch) -> None:
        """Put a fresh batch onto the memory tier, or hold it when the tier refuses."""
        if not self.to_memory_tier(key, batch):
            dropped = self.held.put(key, batch)
            self.counters.dropped_batches += len(dropped)
            self.counters.dropped_values += sum(one.values for one in dropped)
            for loss in losses_of_dropped([one.sealed for one in dropped])[1]:
                self.losses.note(loss)

    def to_memory_tier(self, key: Key, batch: HeldBatch) -> bool:
        """Write a batch to the memory tier; False, with the reason noted, when it is full."""
        record = encode_record(BatchRecord(batch.sealed))
        room = self.limits.memory_max_bytes - self.memory.index.total_bytes
        if len(record) > room and not self._make_memory_room():
            self.memory_error = f"{self.memory.folder}: its {self.limits.memory_max_bytes} bytes are full"
            return False
        try:
            number, offset, size = self.memory.append(record)
        except TierWriteError as error:
            self.memory_error = str(error)
            return False
        self.memory_error = None
        self.memory.index.add(
            number,
            Entry(
                key, offset, size, batch.order, batch.sealed_monotonic_ms, batch.boot_id, batch.clocked, batch.values
            ),
        )
        return True

    def _make_memory_room(self) -> bool:
        self.drop_done()
        keep = self.limits.memory_max_bytes - self.limits.memory_segment_bytes
        segments = self.memory.index.segments.values()
        for number in to_evict(segments, self.memory.index.total_bytes, keep, self.memory.open_number):
            self.give_up(self.memory, number)
        return self.memory.index.total_bytes < self.limits.memory_max_bytes

    def load_card_segment(self, number: int) -> None:
        """Read the entries of a card segment back into the index; an unreadable file is left alone and reported."""
        try:
            found = self.card.read(number)
        except OSError as error:
            self.recovery.unreadable_segments += 1
            self.card_error = f"segment {number} cannot be read: {error.strerror or error}"
            self.card.index.remove(number)
            return
        segment = self.card.index.segments[number]
        settled: set[Key] = set()
        first_look, strange_before = not segment.scanned, self.recovery.unknown_records
        if first_look:
            settled, problems = self.card.settled_before(number)
            self.recovery.unreadable_marks += len(problems)
            self.card_error = "; ".join(problems) or self.card_error
        report = self.recovery if first_look else Recovery()
        self.card.index.load(number, entries_of(found, 0, settled, report), settled)
        if first_look:
            self.keep_damage(self.card, number, found, self.recovery.unknown_records - strange_before)

    def keep_damage(self, tier: Tier, number: int, found: Scan, strange: int) -> None:
        """Copy what does not read of a segment that is looked at for the first time; it is stepped over and told.

        Args:
            tier: where it lies.
            number: which segment.
            found: what it holds.
            strange: how many of its records are whole and say nothing to this version.
        """
        if not (found.damaged or found.torn_tail_bytes or strange):
            return
        for start, end in found.damaged:
            self._copy_damaged(tier, number, start, end)
        for start, end in unreadable(found):
            self._tell_damaged(tier, number, found, start, end)

    def _tell_damaged(
        self, tier: Tier, number: int, found: Scan, start: int, end: int, reason: DamageReason = "damaged"
    ) -> None:
        """Note that values were in these bytes of a segment, between what reads before and after them."""
        read = moments(found)
        before = next((moment for offset, moment in reversed(read) if offset < start), None)
        after = next((moment for offset, moment in read if offset >= end), None)
        before, after = before or self.moment_before(tier, number), after or self._after(tier, number)
        self.note_stretch(Stretch(before, after, reason))

    def note_stretch(self, stretch: Stretch) -> None:
        """Note values that do not read any more, to be told with the next tick."""
        self.stretches.append(stretch)
        if len(self.stretches) > MAX_STRETCHES:
            self.stretches = [Stretch(None, None)]

    def moment_before(self, tier: Tier, number: int | None = None) -> Moment | None:
        """Return when the last batch was sealed that reads before a segment, or on the whole tier."""
        older = [one for one in sorted(tier.index.segments, reverse=True) if number is None or one < number]
        for one in older[:_NEIGHBOURS]:
            if read := self._moments(tier, one):
                return read[-1]
        return self.moment_before(self.card) if tier is self.memory else None

    def _after(self, tier: Tier, number: int) -> Moment | None:
        for one in [one for one in sorted(tier.index.segments) if one > number][:_NEIGHBOURS]:
            if read := self._moments(tier, one):
                return read[0]
        return None

    def _moments(self, tier: Tier, number: int) -> list[Moment]:
        try:
            return [moment for _, moment in moments(tier.read(number))]
        except OSError:  # said where the segment itself is looked at
            return []

    def _copy_damaged(self, tier: Tier, number: int, start: int, end: int) -> None:
        try:
            self.counters.written_card_bytes += self.damaged.put(tier.name, tier.path(number), start, end, "checksum")
        except OSError as error:  # the damage is counted all the same
            self.card_error = f"{self.damaged.folder}: {error.strerror or error}"

    def lose(self, tier: Tier, number: int, entry: Entry) -> None:
        """Give a batch up whose bytes turned out to be damaged; a copy of them is kept."""
        self.counters.damaged_batches += 1
        self._copy_damaged(tier, number, entry.offset, entry.offset + entry.size)
        self._tell_unreadable(tier, number, entry)
        tier.mark(number, entry.key, Fate.QUARANTINED)

    def _tell_unreadable(self, tier: Tier, number: int, entry: Entry) -> None:
        try:
            found = tier.read(number)
        except OSError:  # gone: what the neighbours say is left
            found = Scan()
        self._tell_damaged(tier, number, found, entry.offset, entry.offset + entry.size)

    def tell_unreadable(self, key: Key) -> None:
        """Note that a waiting batch has the bytes that were written, and that its samples do not read all the same."""
        where = None if key in self.held.batches else self._entry_of(key)
        if where is None:
            self.note_stretch(Stretch(None, None))
        else:
            self._tell_unreadable(*where)

    def read(self, tier: Tier, number: int, entry: Entry) -> bytes | None:
        """Return a batch's sealed bytes, or None when they are damaged.

        Raises:
            OSError: when the file cannot be read now.
        """
        found = tier.read_at(number, entry.offset, entry.size)
        record = None if found is None else decode_record(found.record)
        return record.sealed if isinstance(record, BatchRecord) else None

    def cannot_read(self, tier: Tier, number: int, error: OSError) -> None:
        """Note why a segment's batch cannot be read now."""
        problem = f"{tier.folder}: segment {number} cannot be read: {error.strerror or error}"
        if tier is self.card:
            self.card_error = problem
        else:
            self.memory_error = problem

    def find(self, key: Key) -> tuple[str, int] | None:
        """Return (tier, segment) of a waiting batch as far as its segment is loaded."""
        for tier in (self.memory, self.card):
            number = tier.index.find(key)
            if number is not None:
                return tier.name, number
        return None

    def tier(self, name: str) -> Tier:
        """Return a tier by its name."""
        return self.memory if name == "memory" else self.card

    def sealed_bytes(self, key: Key) -> bytes | None:
        """Return a waiting batch's bytes, or None.

        Raises:
            OSError: when its file cannot be read now.
        """
        if key in self.held.batches:
            return self.held.batches[key].sealed
        where = self._entry_of(key)
        return None if where is None else self.read(*where)

    def _entry_of(self, key: Key) -> tuple[Tier, int, Entry] | None:
        """Return where a waiting batch lies on a tier."""
        place = self.in_flight.get(key)
        place = place if place is not None and place[0] != "held" else self.find(key)
        if place is None:
            return None
        tier = self.tier(place[0])
        segment = tier.index.segments.get(place[1])
        if tier is self.card and segment is not None and segment.entries is None:
            self.load_card_segment(place[1])
        entry = (segment.entries or {}).get(key) if segment is not None else None
        return None if entry is None else (tier, place[1], entry)

    def settle(self, key: Key, fate: Fate = Fate.ACKNOWLEDGED) -> bool:
        """Forget a batch. False when no such batch waits (a late or repeated acknowledgement)."""
        place = self.in_flight.pop(key, None)
        if self.held.remove(key) is not None:
            return True
        if place is None or place[0] == "held":
            place = self.find(key)
            if place is None:
                return False
        tier = self.tier(place[0])
        tier.mark(place[1], key, fate)
        self.drop_done()
        return True

    def oldest_waits_since_ms(self) -> int | None:
        """Return since when the oldest batch waits; None when none does, or when it is on the card."""
        if self.card.index.waiting or self.card.index.unscanned() is not None:
            return None
        held = [batch.sealed_monotonic_ms for batch in self.held.batches.values()]
        oldest = next(self.memory.index.entries(), None)
        return min(held if oldest is None else [*held, oldest[1].waits_since_ms], default=None)

    def drop_done(self) -> None:
        """Remove the segments in which nothing waits any more."""
        for tier in (self.memory, self.card):
            for number in tier.index.done(tier.open_number):
                try:
                    tier.drop(number)
                except OSError as error:  # a card turned read-only: the file will be replayed after a restart
                    self.card_error = f"{tier.folder}: {error.strerror or error}"

    def give_up(self, tier: Tier, number: int) -> None:
        """Drop a segment with what waits in it, counted: its tier is full."""
        segment = tier.index.segments[number]
        self.counters.dropped_batches += segment.waiting
        headers, losses = losses_of_dropped(self._waiting_in(tier, number))
        self.counters.dropped_values += sum(header.values for header in headers)
        announced = self._announce_if_it_can(tier, losses)
        for key in [key for key, place in self.in_flight.items() if place == (tier.name, number)]:
            del self.in_flight[key]
        try:
            tier.drop(number)
        except OSError as error:
            self.card_error = f"{tier.folder}: {error.strerror or error}"
        if not announced:  # there is room now
            self._announce_if_it_can(tier, losses)
        for loss in losses:
            self.losses.note(loss)

    def announce(self, tier: Tier, losses: Sequence[Loss]) -> int:
        """Write down on a tier what it is about to give up, before it does; returns the bytes that the card took.

        Raises:
            OSError: the tier does not take it.
        """
        written = self.intents.announce(losses, tier.durable)
        self.counters.written_card_bytes += written
        return written

    def _announce_if_it_can(self, tier: Tier, losses: Sequence[Loss]) -> bool:
        """Announce what a full tier drops whole: it must, so a card without any room leaves the word to memory."""
        try:
            self.announce(tier, losses)
        except OSError:
            with contextlib.suppress(OSError):  # then only this process knows it
                self.announce(self.memory, losses)
            return False
        return True

    def _waiting_in(self, tier: Tier, number: int) -> list[bytes]:
        """Return the sealed bytes of a segment's batches, settled ones left out; none, told, when it cannot be read."""
        settled = tier.index.segments[number].settled
        try:
            records = [decode_record(frame.record) for frame in tier.read(number).frames]
        except OSError as error:
            self.cannot_read(tier, number, error)
            self._tell_damaged(tier, number, Scan(), 0, 0, "journal_dropped")
            return []
        sealed = [record.sealed for record in records if isinstance(record, BatchRecord)]
        return [one for one in sealed if (header := header_of(one)) is not None and key_of(header) not in settled]
