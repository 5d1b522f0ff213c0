"""Between which times values lay that do not read: told by what was sealed before and after them. Pure.

A batch holds what was taken since the one before it was sealed, so damaged bytes between two batches that read can only
have held values of the time between these. Whose values they were nobody can say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.framing import Scan
from lentera_gateway.journal.records import BatchRecord, DraftRecord, PinRecord, SamplesRecord, decode_record
from lentera_model.batch import BatchError, ClockFit, peek

LATE_MS: Final = 10_000
"""A sample may be sealed in a later batch than its stamp says, by the length of a poll."""
MAX_STRETCHES: Final = 256
"""Stretches that wait to be told; of more it is said that anything up to now may be missing."""
DamageReason = Literal["damaged", "journal_dropped"]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a batch was sealed, on its boot's clock, and the fit that it carries."""

    boot_id: bytes
    clock: ClockFit | None
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Values that do not read any more lie between two moments.

    Attributes:
        before: the last that reads before them; None: nothing does.
        after: the first that reads after them; None: nothing does, so they may be as young as the moment of telling.
        reason: of the known gap.
    """

    before: Moment | None
    after: Moment | None
    reason: DamageReason = "damaged"


def moments(found: Scan) -> list[tuple[int, Moment]]:
    """Return (offset, moment) of each batch of a segment whose header reads."""
    read: list[tuple[int, Moment]] = []
    for frame in found.frames:
        record = decode_record(frame.record)
        try:
            header = peek(record.sealed) if isinstance(record, BatchRecord) else None
        except BatchError:
            continue
        if header is not None:
            read.append((frame.offset, Moment(header.boot_id, header.clock, header.sealed_monotonic_ms)))
    return read


def unreadable(found: Scan) -> list[tuple[int, int]]:
    """Return the (from, to) byte ranges of a segment that hold no batch that reads, its torn end among them."""
    readable = {offset for offset, _ in moments(found)}
    strange = [(one.offset, one.offset + one.size) for one in found.frames if one.offset not in readable]
    end = max([0, *(one.offset + one.size for one in found.frames)])
    torn = [(end, end + found.torn_tail_bytes)] if found.torn_tail_bytes else []
    return sorted([*found.damaged, *strange, *torn])


def unreadable_log(found: Scan, sealed: Moment | None) -> Stretch | None:
    """Return what is lost of the log of samples that are in no batch yet; `sealed` is what came before all of it."""
    if not found.damaged and not found.torn_tail_bytes:
        return None
    first = min(start for start, _ in [*found.damaged, (1 << 62, 0)])
    before = sealed
    for frame in found.frames:
        record = decode_record(frame.record)
        if frame.offset < first and isinstance(record, SamplesRecord) and record.rows:
            before = Moment(record.boot_id, None, max(row[2] for row in record.rows))
    return Stretch(before, None)


def draft_of_stretch(
    stretch: Stretch, boot_id: bytes, fits: Mapping[bytes, ClockFit], started_ms: int, now_ms: int
) -> DraftRecord:
    """Return the draft of the gap that damaged bytes make.

    Args:
        stretch: between what they lie.
        boot_id: this boot.
        fits: the fits of boots whose batches may carry none.
        started_ms: when this process began, on this boot's clock.
        now_ms: the moment of telling, on this boot's clock.
    """
    before, after = stretch.before, stretch.after
    if after is None or not (after.clock or after.boot_id in fits or after.boot_id == boot_id):
        after = Moment(boot_id, None, max(started_ms, now_ms))
    from_monotonic_ms = from_ms = clock = None
    if after.clock is not None:
        clock = PinRecord(after.boot_id, after.clock.offset_ms, after.clock.uncertainty_ms, after.clock.source)
    if before is not None and before.boot_id == after.boot_id:
        from_monotonic_ms = max(0, before.monotonic_ms - LATE_MS)
    else:
        from_ms = BUILD_TIME_MS
        fit = None if before is None else before.clock or fits.get(before.boot_id)
        if before is not None and fit is not None:
            from_ms = before.monotonic_ms - LATE_MS + fit.offset_ms - fit.uncertainty_ms
    return DraftRecord(
        *(stretch.reason, after.boot_id, from_monotonic_ms, from_ms, after.monotonic_ms, [], 0, 0, 0),
        joins=True,
        clock=clock,
    )
