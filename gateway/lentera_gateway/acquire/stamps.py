"""Distinct stamps: no two samples of one device may share a millisecond, or a store would keep one of them."""

from __future__ import annotations

from dataclasses import replace

from lentera_model.readings import Sample


class StampKeeper:
    """Moves a sample to the next free millisecond where its device has one at or after its stamp already.

    A bridge may publish twice within a millisecond, and a stalled process takes what piled up at one instant. A store
    knows a value by (device, quantity, time), so equal stamps would make two values one. The shift is a millisecond a
    sample, far below what a poll or a broker adds, and it keeps the order of arrival.
    """

    def __init__(self) -> None:
        """Begin with no device seen."""
        self._last_ms: dict[str, int] = {}

    def distinct(self, sample: Sample) -> Sample:
        """Return the sample, moved later if it must be."""
        last_ms = self._last_ms.get(sample.device)
        stamp_ms = sample.monotonic_ms if last_ms is None else max(sample.monotonic_ms, last_ms + 1)
        self._last_ms[sample.device] = stamp_ms
        return sample if stamp_ms == sample.monotonic_ms else replace(sample, monotonic_ms=stamp_ms)
