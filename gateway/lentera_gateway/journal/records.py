"""What the journal's records say, in msgpack. Pure.

The tags are part of the format on disk: a number once given is never given to another meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from lentera_model.readings import Quality, Sample

SampleRow = tuple[str, str, int, int, dict[str, float]]
"""device, profile, monotonic_ms, quality, values"""


class Fate(IntEnum):
    """Why a segment no longer has to be kept for a batch."""

    ACKNOWLEDGED = 1
    MOVED_TO_CARD = 2
    QUARANTINED = 3


class SamplesRecord(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """Samples that are not in a sealed batch yet; void once a batch with this epoch and sequence exists."""

    epoch: int
    sequence: int
    boot_id: bytes
    rows: list[SampleRow]


class BatchRecord(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """A sealed batch as the bytes that travel."""

    sealed: bytes


class MarkRecord(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """The batch of this epoch and sequence has met its fate."""

    epoch: int
    sequence: int
    fate: int


class PinRecord(msgspec.Struct, array_like=True, frozen=True):
    """The one clock fit that all batches of a boot get that were sealed before the clock was trusted."""

    boot_id: bytes
    offset_ms: int
    uncertainty_ms: int
    source: str


class EndRecord(msgspec.Struct, array_like=True, frozen=True):
    """An orderly end whose gap is not told yet: of which boot, when, and the wall clock (0 where it was not known)."""

    boot_id: bytes
    monotonic_ms: int
    at_ms: int
    uncertainty_ms: int


class StateRecord(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """What outlives a process: its epoch, the latest wall time seen, the pinned fits of recent boots.

    `seal_age_ms` is 0 in the records of a version that did not keep it.
    """

    epoch: int
    saved_at_ms: int
    pins: list[PinRecord]
    end: EndRecord | None = None
    seal_age_ms: int = 0


class CommandRecord(msgspec.Struct, tag=5, array_like=True, frozen=True):
    """The last known state of a command's execution; a later record of the same id replaces it.

    `expires_at_ms` is 0 in the records of a version that did not keep it.
    """

    execution_id: str
    device: str
    sequence: int
    attempt: int
    state: str
    reason: str | None
    reason_text: str | None
    confirmed_by: str | None
    result: dict[str, float] | None
    monotonic_ms: int
    expires_at_ms: int = 0


class ReportRecord(msgspec.Struct, tag=6, array_like=True, frozen=True):
    """A GapReport or Tally as the bytes that travel; a later record of the same epoch and number replaces it."""

    message: bytes


class AliveRecord(msgspec.Struct, tag=9, array_like=True, frozen=True):
    """The process lives; of what it took, everything stamped before this survives it."""

    boot_id: bytes
    monotonic_ms: int


class DraftRecord(msgspec.Struct, tag=10, array_like=True, frozen=True):
    """A known gap that is no report yet, because the wall clock of its boot is not known or others may join it.

    Its beginning is on the boot's clock, or, where another boot ended then, in Unix milliseconds. `clock` is the fit
    that its values have, where they have one of their own.
    """

    reason: str
    boot_id: bytes
    from_monotonic_ms: int | None
    from_ms: int | None
    to_monotonic_ms: int
    devices: list[str]
    detail_s: int
    values: int
    uncertainty_ms: int
    joins: bool
    clock: PinRecord | None = None


class NotedRecord(msgspec.Struct, tag=7, array_like=True, frozen=True):
    """The cloud has the report of this epoch and number."""

    epoch: int
    number: int


class SinceRecord(msgspec.Struct, tag=11, array_like=True, frozen=True):
    """None of the reports around it, up to the next of these, is about a time before this one (Unix ms)."""

    from_ms: int


class ThinnedRecord(msgspec.Struct, tag=8, array_like=True, frozen=True):
    """The batches of this segment were thinned: one value of a quantity in `detail_s`, counters too or not."""

    detail_s: int
    counters: bool


Record = (
    SamplesRecord
    | BatchRecord
    | MarkRecord
    | StateRecord
    | CommandRecord
    | ReportRecord
    | NotedRecord
    | SinceRecord
    | ThinnedRecord
    | AliveRecord
    | DraftRecord
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """Return the bytes of a record."""
    return _ENCODER.encode(record)


def decode_record(data: bytes) -> Record | None:
    """Return the record, or None for bytes with a good checksum that this version does not know (a newer format)."""
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError:
        return None


def to_row(sample: Sample) -> SampleRow:
    """Return what a SamplesRecord keeps of a sample: all of it."""
    return (sample.device, sample.profile, sample.monotonic_ms, int(sample.quality), dict(sample.values))


def from_rows(rows: Sequence[SampleRow]) -> list[Sample]:
    """Return the samples of a SamplesRecord."""
    return [
        Sample(device=device, profile=profile, monotonic_ms=at, values=values, quality=Quality(quality))
        for device, profile, at, quality, values in rows
    ]
