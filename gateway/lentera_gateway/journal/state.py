"""The process's epoch, the last wall time seen, the pinned clock fits: one small file, replaced as a whole.

An epoch must never be used twice with different data, or the cloud would take new batches for replays. So it is the
last one plus one; where no earlier epoch is known (a new or wiped card) or it cannot be kept (a read-only card), it
starts at the wall clock's seconds, or at a random number where the clock is plainly wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.framing import frame, scan
from lentera_gateway.journal.records import EndRecord, PinRecord, StateRecord, decode_record, encode_record
from lentera_gateway.journal.segments import sync_folder, write_durably
from lentera_model.batch import ClockFit

_KEPT_PINS: Final = 8
STATE_NAME: Final = "state"


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What outlives a process.

    Attributes:
        epoch: of this process.
        saved_at_ms: latest wall time known when it was saved; the clock never starts before it.
        pins: boot id -> the one fit for batches that were sealed before the clock was trusted.
        kept: whether the card took it.
        end: the orderly end of an earlier process whose gap is not told yet.
        seal_age_ms: the longest age at which batches were sealed that a power cut now may cost.
    """

    epoch: int
    saved_at_ms: int
    pins: dict[bytes, ClockFit]
    kept: bool = True
    end: EndRecord | None = None
    seal_age_ms: int = 0


def next_epoch(known: int | None, wall_ms: int, randomness: int) -> int:
    """Return this process's epoch. Pure.

    Args:
        known: highest epoch found on disk, None when none was found or it could not be kept.
        wall_ms: the system's wall clock.
        randomness: 30 random bits.
    """
    if known is not None:
        return known + 1
    return wall_ms // 1000 if wall_ms >= BUILD_TIME_MS else 1 + randomness


def unkept_epoch(epoch: int, wall_ms: int, randomness: int) -> int:
    """Return an epoch that cannot be kept, above one that the next boot may come to by counting as well. Pure.

    Args:
        epoch: what counting gave.
        wall_ms: the system's wall clock.
        randomness: 30 random bits, for a clock that stands still or went back from boot to boot.
    """
    by_clock = next_epoch(None, wall_ms, 0)
    return by_clock if by_clock > epoch else epoch + 1 + randomness


def read_state(folder: Path) -> StateRecord | None:
    """Return the state that a folder's file holds, None where it does not read."""
    try:
        return last_state((folder / STATE_NAME).read_bytes())
    except OSError:
        return None


def last_state(data: bytes) -> StateRecord | None:
    """Return the state that a file's bytes hold, None where they do not read."""
    frames = scan(data).frames
    records = [record for found in frames if isinstance(record := decode_record(found.record), StateRecord)]
    return records[-1] if records else None


def pins_of(found: Iterable[StateRecord]) -> dict[bytes, ClockFit]:
    """Return the fits of recent boots, for what was sealed before the clock was trusted."""
    return {
        pin.boot_id: ClockFit(pin.offset_ms, pin.uncertainty_ms, pin.source) for record in found for pin in record.pins
    }


def save_state(folder: Path, state: GatewayState, durable: bool) -> int:
    """Replace the state file of a folder; returns the bytes written.

    Raises:
        OSError: when the folder refuses.
    """
    pins = [
        PinRecord(boot_id, fit.offset_ms, fit.uncertainty_ms, fit.source)
        for boot_id, fit in list(state.pins.items())[-_KEPT_PINS:]
    ]
    data = frame(encode_record(StateRecord(state.epoch, state.saved_at_ms, pins, state.end, state.seal_age_ms)))
    temporary = folder / (STATE_NAME + ".new")
    if durable:
        write_durably(temporary, data)
    else:
        temporary.write_bytes(data)
    temporary.replace(folder / STATE_NAME)
    if durable:
        sync_folder(folder)
    return len(data)


def start_epoch(memory: Path, card: Path, highest_seen: int | None, wall_ms: int, seal_age_ms: int = 0) -> GatewayState:
    """Begin a new epoch and keep it on the card (and in memory, for a card that does not take it).

    Args:
        memory: folder of the memory tier; exists.
        card: folder of the card tier; may be unusable.
        highest_seen: highest epoch among the batches found, for a lost state file.
        wall_ms: the system's wall clock.
        seal_age_ms: the configured age; a longer one of an earlier process is kept until what it may cost is told.
    """
    in_memory = read_state(memory)
    found = [record for record in (in_memory, read_state(card)) if record is not None]
    epochs = [record.epoch for record in found] + ([highest_seen] if highest_seen is not None else [])
    saved_at_ms = max([BUILD_TIME_MS, *(record.saved_at_ms for record in found)])
    epoch = next_epoch(max(epochs, default=None), wall_ms, secrets.randbits(30))
    newest = max(found, key=lambda one: (one.epoch, one.end is not None), default=None)
    seal_age_ms = max([seal_age_ms, *(record.seal_age_ms for record in found)])
    end = None if newest is None else newest.end
    state = GatewayState(epoch, saved_at_ms, pins_of(found), end=end, seal_age_ms=seal_age_ms)
    try:
        save_state(card, state, durable=True)
    except OSError:
        if in_memory is None or in_memory.epoch != epoch - 1:  # else the tmpfs has counted since this boot began
            epoch = unkept_epoch(epoch, wall_ms, secrets.randbits(30))
        state = replace(state, epoch=epoch, kept=False)
    try:
        save_state(memory, state, durable=False)
    except OSError:
        return state  # the card has it, or nothing has: then the epoch is unique by the clock
    return state
