"""Distinct stamps: no two samples of one device may share a millisecond, or a store would keep one of them."""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec.structs import replace

from lentera_model.readings import Sample

REMEMBERED: Final = 256
"""Stamps kept for each device: a backlog that is stamped back in time may interleave with what is live."""


class StampKeeper:
    """Moves a sample to the next free millisecond where its device has one at its stamp already.

    A bridge may publish twice within a millisecond, and a stalled process takes what piled up at one instant. A store
    knows a value by (device, quantity, time), so equal stamps would make two values one. The shift is a millisecond a
    sample, far below what a poll or a broker adds. A sample that is older than others (a broker kept it, the lamp's own
    time dates it) keeps its time.
    """

    def __init__(self) -> None:
        """Begin with no device seen."""
        self._used: dict[str, deque[int]] = {}

    def distinct(self, sample: Sample) -> Sample:
        """Return the sample, moved later if it must be."""
        used = self._used.setdefault(sample.device, deque(maxlen=REMEMBERED))
        stamp_ms = sample.monotonic_ms
        while stamp_ms in used:
            stamp_ms += 1
        used.append(stamp_ms)
        return sample if stamp_ms == sample.monotonic_ms else replace(sample, monotonic_ms=stamp_ms)
