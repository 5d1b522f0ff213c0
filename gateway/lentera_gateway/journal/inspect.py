"""What waits in the journal's files, worked out from their bytes alone, for a reader beside a running gateway. Pure.

Nothing here is part of the gateway's own way with its journal: no index is kept, no mark is set, no lock is needed. A
segment at a time is enough, so that a full card is looked through in little memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lentera_gateway.journal.framing import Scan, scan
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.records import BatchRecord, ThinnedRecord, decode_record, from_rows
from lentera_gateway.journal.recovery import Recovery, open_samples
from lentera_model.batch import BatchError, ClockFit, decode, peek
from lentera_model.readings import Sample

DAMAGE_SHOWN: Final = 100
"""Places of damage that are named one by one; all are counted."""


class Where(StrEnum):
    """The places in which readings wait, in the order in which they are looked through."""

    MEMORY = "memory"
    CARD = "card"
    QUARANTINE = "quarantine"
    UNSEALED = "unsealed"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sealed batch that waits, or samples that wait to be sealed as one.

    Attributes:
        where: the place.
        key: epoch and sequence, of unsealed samples those that their batch is to have.
        boot_id: the boot whose clock stamped the samples.
        clock: the fit for that boot, None while the gateway does not know the time.
        values: how many values it holds.
        sealed_monotonic_ms: when it was sealed, on the boot's clock; of unsealed samples the newest stamp.
        sealed: its bytes; empty for unsealed samples.
        unsealed: the samples that are in no batch.
        file, offset: where it was found, for messages.
    """

    where: Where
    key: Key
    boot_id: bytes
    clock: ClockFit | None
    values: int
    sealed_monotonic_ms: int
    sealed: bytes
    unsealed: tuple[Sample, ...] = ()
    file: str = ""
    offset: int = 0

    @property
    def sealed_at_ms(self) -> int | None:
        """Return the wall time of the sealing, None while it is not known."""
        return None if self.clock is None else self.sealed_monotonic_ms + self.clock.offset_ms

    def samples(self) -> tuple[Sample, ...]:
        """Return the samples.

        Raises:
            BatchError: the header reads, the body does not.
        """
        return decode(self.sealed).samples if self.sealed else self.unsealed


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from `start` to `end` of a file that do not read, and what is wrong with them."""

    file: str
    start: int
    end: int
    reason: str


@dataclass(slots=True)
class PlaceFacts:
    """What was found in one place.

    Attributes:
        exists: whether its folder or file is there.
        batches, values: that wait.
        undated_values: those of them whose time is not known yet.
        thinned_values: those of them that are what thinning left.
        process_values: those of them that the running process sealed up to its last word about itself.
        bytes: size of its files, settled batches in files not dropped yet included.
        oldest_ms, newest_ms: time of the oldest and newest reading (Unix ms), by the batches sealed first and last.
        damaged_records: stretches of bytes that do not read, and records that this version cannot read.
        damage: the first of them.
        skipped: files that could not be read, with the system's reason.
        denied: whether that reason was that this user may not.
        gone: files that the gateway dropped while they were looked for: what was in them is settled.
    """

    exists: bool = False
    batches: int = 0
    values: int = 0
    undated_values: int = 0
    thinned_values: int = 0
    process_values: int = 0
    bytes: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None
    damaged_records: int = 0
    damage: list[Damage] = field(default_factory=list[Damage])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    denied: bool = False
    gone: int = 0
    _first: Waiting | None = None
    _last: Waiting | None = None

    def note(self, one: Waiting, process: Key | None) -> None:
        """Count a batch. `process` is the last batch that the running process has told of."""
        self.batches += bool(one.sealed)
        self.values += one.values
        if process is not None and one.key.epoch == process.epoch and one.key.sequence <= process.sequence:
            self.process_values += one.values
        at = one.sealed_at_ms
        if at is None:
            self.undated_values += one.values
            return
        if self._first is None or at < (self._first.sealed_at_ms or 0):
            self._first = one
        if self._last is None or at >= (self._last.sealed_at_ms or 0):
            self._last = one

    def note_skipped(self, file: str, error: OSError) -> None:
        """Note a file or folder that could not be read."""
        self.skipped[file] = error.strerror or str(error)
        self.denied = self.denied or isinstance(error, PermissionError)

    def note_damage(self, damage: Damage) -> None:
        """Count a stretch of bytes that do not read."""
        self.damaged_records += 1
        if len(self.damage) < DAMAGE_SHOWN:
            self.damage.append(damage)

    def finish(self) -> None:
        """Read the times of the oldest and newest reading out of the batches that hold them."""
        self.oldest_ms = min(_instants(self._first), default=None)
        self.newest_ms = max(_instants(self._last), default=None)
        self._first = self._last = None


def _instants(one: Waiting | None) -> list[int]:
    if one is None or one.clock is None:
        return []
    try:
        return [sample.monotonic_ms + one.clock.offset_ms for sample in one.samples()]
    except BatchError:  # counted where its readings are asked for
        return [one.sealed_monotonic_ms + one.clock.offset_ms]


class Seen:
    """Which batches were met: of each epoch the runs of their sequence numbers, little even for a full card.

    A batch may lie on both tiers, or twice on the card, where a cut came between the copy and the mark.

    Attributes:
        highest: epoch -> highest sequence met, settled ones included.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.highest: dict[int, int] = {}
        self._runs: dict[int, list[tuple[int, int]]] = {}

    def met(self, key: Key) -> None:
        """Note that a batch of this key was sealed, whatever became of it."""
        self.highest[key.epoch] = max(key.sequence, self.highest.get(key.epoch, 0))

    def add(self, key: Key) -> bool:
        """Note a waiting batch; False when it was met before."""
        self.met(key)
        runs = self._runs.setdefault(key.epoch, [])
        at = bisect_right(runs, key.sequence, key=lambda run: run[0])
        first = last = key.sequence
        if at and runs[at - 1][1] >= first:
            return False
        if at < len(runs) and runs[at][0] == last + 1:
            last = runs.pop(at)[1]
        if at and runs[at - 1][1] == first - 1:
            at -= 1
            first = runs.pop(at)[0]
        runs.insert(at, (first, last))
        return True


def _scanned(file: str, data: bytes, being_written: bool, facts: PlaceFacts) -> Scan:
    found = scan(data)
    for start, end in found.damaged:
        facts.note_damage(Damage(file, start, end, "checksum"))
    if found.torn_tail_bytes and not being_written:
        facts.note_damage(Damage(file, len(data) - found.torn_tail_bytes, len(data), "torn"))
    return found


def batches_of(
    where: Where,
    file: str,
    data: bytes,
    settled: Iterable[Key],
    pins: Mapping[bytes, ClockFit],
    seen: Seen,
    facts: PlaceFacts,
    being_written: bool = False,
) -> Iterator[Waiting]:
    """Yield the batches of a segment's bytes that wait and were not met before.

    Args:
        where: the tier.
        file: name of the segment, for messages.
        data: its bytes, perhaps with half a record at the end if somebody writes at this moment.
        settled: the batches that its marks say are settled.
        pins: boot -> the fit of batches that were sealed before the clock was trusted.
        seen: the batches met so far; those of this segment are added.
        facts: where damage and thinned values are noted. The yielded batches are not counted yet.
        being_written: whether an unfinished record at the end is only not finished yet.
    """
    done, thinned = set(settled), False
    for frame in _scanned(file, data, being_written, facts).frames:
        record = decode_record(frame.record)
        if isinstance(record, ThinnedRecord):
            thinned = True
            continue
        if not isinstance(record, BatchRecord):
            facts.note_damage(Damage(file, frame.offset, frame.offset + frame.size, "unknown"))
            continue
        try:
            found = batch_of(where, record.sealed, pins, file, frame.offset)
        except BatchError as error:
            facts.note_damage(Damage(file, frame.offset, frame.offset + frame.size, error.code))
            continue
        if found.key in done:
            seen.met(found.key)
        elif seen.add(found.key):
            facts.thinned_values += found.values if thinned else 0
            yield found


def batch_of(where: Where, sealed: bytes, pins: Mapping[bytes, ClockFit], file: str, offset: int = 0) -> Waiting:
    """Describe a sealed batch.

    Raises:
        BatchError: its header does not read.
    """
    header = peek(sealed)
    clock = header.clock or pins.get(header.boot_id)
    key = Key(header.key.epoch, header.key.sequence)
    return Waiting(
        where, key, header.boot_id, clock, header.values, header.sealed_monotonic_ms, sealed, (), file, offset
    )


def unsealed_of(file: str, data: bytes, facts: PlaceFacts, being_written: bool = False) -> list[Waiting]:
    """Return the samples of the log of unsealed samples, grouped by the batch that they are meant for, not dated."""
    report = Recovery()
    groups = open_samples(_scanned(file, data, being_written, facts), report)
    for _ in range(report.unknown_records):
        facts.note_damage(Damage(file, 0, len(data), "unknown"))
    found: list[Waiting] = []
    for (key, boot_id), records in groups.items():
        samples = tuple(sample for record in records for sample in from_rows(record.rows))
        values = sum(len(sample.values) for sample in samples)
        newest = max((sample.monotonic_ms for sample in samples), default=0)
        found.append(Waiting(Where.UNSEALED, key, boot_id, None, values, newest, b"", samples, file))
    return found


def still_unsealed(groups: Sequence[Waiting], seen: Seen) -> Iterator[Waiting]:
    """Yield the groups of unsealed samples that are in no sealed batch: a seal empties the log only afterwards."""
    for group in groups:
        if group.key.sequence > seen.highest.get(group.key.epoch, 0):
            yield group
