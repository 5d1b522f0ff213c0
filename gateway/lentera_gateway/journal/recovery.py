"""Read a segment's records back into entries; shared by recovery at the start and by draining the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lentera_gateway.journal.framing import Frame, Scan, scan
from lentera_gateway.journal.index import Entry, Key
from lentera_gateway.journal.records import BatchRecord, MarkRecord, SamplesRecord, decode_record
from lentera_model.batch import BatchError, peek


@dataclass(slots=True)
class Recovery:
    """What was found at the start.

    Attributes:
        batches: sealed batches that wait (card segments that are not scanned yet are not counted).
        samples: samples of the last second(s) that were not sealed yet.
        damaged_records: stretches of damaged bytes that were stepped over.
        torn_bytes: bytes of interrupted last writes.
        unreadable_segments: files that the system could not read.
        unreadable_marks: the same for files of marks; batches settled long ago are sent again, which the cloud knows.
        unknown_records: records with a good checksum that this version does not know.
    """

    batches: int = 0
    samples: int = 0
    damaged_records: int = 0
    torn_bytes: int = 0
    unreadable_segments: int = 0
    unreadable_marks: int = 0
    unknown_records: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing was lost or strange."""
        unreadable = self.unreadable_segments or self.unreadable_marks
        return not (self.damaged_records or self.torn_bytes or unreadable or self.unknown_records)

    def note(self, scan: Scan) -> None:
        """Count the damage of a scanned file."""
        self.damaged_records += len(scan.damaged)
        self.torn_bytes += scan.torn_tail_bytes


def entry_of(frame: Frame, sealed: bytes, order: int, waits_since_ms: int, boot_id: bytes | None) -> Entry | None:
    """Describe a batch found in a segment; None when its header does not read.

    A batch of this boot has waited since it was sealed: a program that is killed again and again brings its batches to
    the card in time all the same.
    """
    try:
        header = peek(sealed)
    except BatchError:
        return None
    key = Key(header.key.epoch, header.key.sequence)
    clocked = header.clock is not None
    if header.boot_id == boot_id:
        waits_since_ms = min(waits_since_ms, header.sealed_monotonic_ms)
    return Entry(key, frame.offset, frame.size, order, waits_since_ms, header.boot_id, clocked, header.values)


def entries_of(
    scan: Scan, waits_since_ms: int, settled: set[Key], report: Recovery, boot_id: bytes | None = None
) -> Iterator[Entry]:
    """Yield the batches of a scanned segment that are not settled; order 0, so they count as backlog.

    Args:
        scan: what the segment holds.
        waits_since_ms: since when its batches wait, as far as nothing better is known.
        settled: batches to leave out.
        report: where damage is counted.
        boot_id: this boot, on whose clock it is known how long a batch waits.
    """
    report.note(scan)
    for frame in scan.frames:
        record = decode_record(frame.record)
        entry = entry_of(frame, record.sealed, 0, waits_since_ms, boot_id) if isinstance(record, BatchRecord) else None
        if entry is None:
            report.unknown_records += 1
        elif entry.key not in settled:
            yield entry


def open_samples(scan: Scan, report: Recovery) -> dict[tuple[Key, bytes], list[SamplesRecord]]:
    """Group the records of the log of unsealed samples by the batch that they were meant for."""
    report.note(scan)
    groups: dict[tuple[Key, bytes], list[SamplesRecord]] = {}
    for frame in scan.frames:
        record = decode_record(frame.record)
        if isinstance(record, SamplesRecord):
            groups.setdefault((Key(record.epoch, record.sequence), record.boot_id), []).append(record)
        else:
            report.unknown_records += 1
    return groups


def settled_keys(marks: bytes) -> set[Key]:
    """Return the keys of the batches that a file of marks says are settled."""
    records = (decode_record(found.record) for found in scan(marks).frames)
    return {Key(record.epoch, record.sequence) for record in records if isinstance(record, MarkRecord)}
