"""What is kept of samples, whatever the format: which can be carried, and how many digits of their values."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from lentera_model.batch.types import InvalidSampleError
from lentera_model.identifiers import InvalidIdError, check_id
from lentera_model.quantities import CATALOGUE, Kind, stored_precision
from lentera_model.readings import Sample

FLOAT32_BYTES: Final = 4
FLOAT64_BYTES: Final = 8
LETTERS: Final = {FLOAT32_BYTES: "f", FLOAT64_BYTES: "d"}
MAX_STAMP_MS: Final = 1 << 48
"""Stamps are milliseconds since a boot; 48 bits are 8,900 years."""

known_id = lru_cache(maxsize=4096)(check_id)
"""`check_id` with a memory: the same few identifiers come again with every batch. What is not valid is not kept."""


def width_of(name: str) -> int:
    """Bytes of the float that keeps a quantity's values: 8 for counters and names that are not known, else 4."""
    found = CATALOGUE.get(name)
    return FLOAT64_BYTES if found is None or found.kind is Kind.COUNTER else FLOAT32_BYTES


def check_sample(sample: Sample, shapes: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Return a sample's quantities; `shapes` are those whose names have been looked at.

    Raises:
        InvalidSampleError: no batch can carry it.
    """
    if not 0 <= sample.monotonic_ms < MAX_STAMP_MS:
        raise InvalidSampleError(f"device {sample.device!r}: stamp {sample.monotonic_ms} ms is out of bounds")
    shape = tuple(sample.values)
    try:
        known_id("device", sample.device)
        known_id("profile", sample.profile)
        if shape not in shapes:
            for name in shape:
                check_id("quantity", name)
            shapes.add(shape)
    except InvalidIdError as error:
        raise InvalidSampleError(str(error)) from error
    return shape


def stored_values(
    name: str, width: int, values: Sequence[float], rows: Sequence[Sample]
) -> tuple[Sequence[float], bytes]:
    """Return a quantity's values in stored precision, the whole column at once, and as little-endian floats.

    Args:
        name: the quantity.
        width: bytes of its precision.
        values: at least one.
        rows: whose they are.

    Raises:
        InvalidSampleError: a value is not finite, or beyond what is stored.
    """
    form = f"<{len(values)}{LETTERS[width]}"
    try:
        packed = struct.pack(form, *values)
    except OverflowError:
        packed = struct.pack(form, *[stored_precision(name, value) for value in values])
    stored = struct.unpack(form, packed)
    if not math.isfinite(sum(stored)):  # one that is not makes the sum so; many large ones may as well
        for row, value in zip(rows, stored, strict=True):
            if not math.isfinite(value):
                raise InvalidSampleError(f"device {row.device!r}: {name} is {row.values[name]!r}, not a finite value")
    return stored, packed
