"""Turn samples into sealed batches: cut by size, and never stopped by one sample that no batch can carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lentera_model.batch import BatchKey, ClockFit, InvalidSampleError, encode
from lentera_model.readings import Sample

MAX_VALUES: Final = 20_000
"""Values a batch: some 50 KB sealed, a few seconds on a slow mobile link; far below every reader's limits."""


def portions(samples: Sequence[Sample], max_values: int = MAX_VALUES) -> Iterator[Sequence[Sample]]:
    """Cut samples into runs of at most `max_values` values (a larger single sample goes alone), in order."""
    start = values = 0
    for position, sample in enumerate(samples):
        if position > start and values + len(sample.values) > max_values:
            yield samples[start:position]
            start, values = position, 0
        values += len(sample.values)
    if start < len(samples):
        yield samples[start:]


def _carried(sample: Sample, key: BatchKey, boot_id: bytes) -> bool:
    try:
        encode(key, boot_id, 0, [sample])
    except InvalidSampleError:
        return False
    return True


def seal_samples(
    key: BatchKey, boot_id: bytes, sealed_monotonic_ms: int, samples: Sequence[Sample], clock: ClockFit | None
) -> tuple[bytes | None, int]:
    """Seal samples as one batch. Returns (its bytes or None when nothing could be carried, samples refused).

    A sample that no batch can carry (a driver's mistake) is left out and counted; the others are sealed all the same.
    """
    try:
        return encode(key, boot_id, sealed_monotonic_ms, samples, clock), 0
    except InvalidSampleError:
        good = [sample for sample in samples if _carried(sample, key, boot_id)]
    sealed = encode(key, boot_id, sealed_monotonic_ms, good, clock) if good else None
    return sealed, len(samples) - len(good)
