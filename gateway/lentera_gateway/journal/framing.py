"""How one record lies in a segment file, and how records are found again after any cut.

    offset  bytes  meaning
    0       2      marker A5 4A: where a scan may start again after damage
    2       4      length of the record, little-endian, 1 to MAX_RECORD_BYTES
    6       4      CRC32C (Castagnoli) of the four length bytes and the record
    10      length the record

A record is valid by its checksum alone: there is no index to repair and nothing to roll back. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

import google_crc32c

from lentera_model.errors import LenteraError

MARKER: Final = b"\xa5\x4a"
MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
_HEAD = struct.Struct("<2sII")
HEAD_BYTES: Final = _HEAD.size


class RecordSizeError(LenteraError):
    """A record is empty or larger than the journal carries."""

    code: ClassVar[str] = "journal_record_size"


@dataclass(frozen=True, slots=True)
class Frame:
    """One valid record: where its frame starts, how long the frame is, and the record itself."""

    offset: int
    size: int
    record: bytes


@dataclass(slots=True)
class Scan:
    """What a segment holds.

    Attributes:
        frames: the valid records in the order they were written.
        damaged: (from, to) byte ranges in which no valid record starts, with a valid record after them.
        torn_tail_bytes: bytes after the last valid record: the write that a cut interrupted.
    """

    frames: list[Frame] = field(default_factory=list)
    damaged: list[tuple[int, int]] = field(default_factory=list)
    torn_tail_bytes: int = 0


def _checksum(length_bytes: bytes, record: bytes) -> int:
    return google_crc32c.extend(google_crc32c.value(length_bytes), record)


def frame(record: bytes) -> bytes:
    """Wrap a record for appending to a segment.

    Raises:
        RecordSizeError: when the record is empty or longer than MAX_RECORD_BYTES.
    """
    if not 0 < len(record) <= MAX_RECORD_BYTES:
        raise RecordSizeError(f"a journal record has 1 to {MAX_RECORD_BYTES} bytes, this one has {len(record)}")
    length_bytes = len(record).to_bytes(4, "little")
    return _HEAD.pack(MARKER, len(record), _checksum(length_bytes, record)) + record


def read_frame(data: bytes, offset: int) -> Frame | None:
    """Return the valid record that starts at `offset`, or None when there is none (torn, damaged, not a start)."""
    if offset + HEAD_BYTES > len(data):
        return None
    marker, length, crc = _HEAD.unpack_from(data, offset)
    end = offset + HEAD_BYTES + length
    if marker != MARKER or not 0 < length <= MAX_RECORD_BYTES or end > len(data):
        return None
    record = data[offset + HEAD_BYTES : end]
    if _checksum(data[offset + 2 : offset + 6], record) != crc:
        return None
    return Frame(offset, end - offset, record)


def _resume(data: bytes, offset: int) -> Iterator[Frame]:
    """Yield the first valid record after `offset`, looking only where the marker stands."""
    while (offset := data.find(MARKER, offset)) >= 0:
        if (found := read_frame(data, offset)) is not None:
            yield found
            return
        offset += 1


def scan(data: bytes) -> Scan:
    """Find every valid record of a segment; damage is stepped over and reported, never fatal."""
    result = Scan()
    offset = 0
    while offset < len(data):
        found = read_frame(data, offset)
        if found is None:
            found = next(_resume(data, offset + 1), None)
            if found is None:
                result.torn_tail_bytes = len(data) - offset
                break
            result.damaged.append((offset, found.offset))
        result.frames.append(found)
        offset = found.offset + found.size
    return result
