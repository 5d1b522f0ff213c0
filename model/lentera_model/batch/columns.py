"""Columns of numbers as bytes that compress well: differences of scaled integers, or floats, with like bytes together.

Shuffling puts the first bytes of all numbers before the second bytes of all, and so on: the slowly changing bytes of
neighbouring values then stand beside each other, where zstd finds them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from lentera_model.batch.types import CorruptBatchError, InvalidSampleError
from lentera_model.quantities import round_to_float32

_INT64_MAX: Final = (1 << 63) - 1
_UINT64_MAX: Final = (1 << 64) - 1
_WIDTHS: Final = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
_LETTER_OF_WIDTH: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_STEPS: Final = tuple((zigzag >> 1) ^ -(zigzag & 1) for zigzag in range(256))
"""The difference that each zigzag of one byte stands for: most columns have no wider ones."""
_MAX_DECIMALS: Final = 3
"""Registers carry thousandths at the most (0.001 A); finer values are stored as floats."""
_EXACT_INTEGERS: Final = 1 << 53

FLOAT32: Final = 4
FLOAT64: Final = 8


class IntegerColumn(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Integers as a first value and zigzag differences, each `width` bytes (0: all equal), little-endian, shuffled."""

    first: int
    width: int
    data: bytes


class DecimalColumn(msgspec.Struct, frozen=True, array_like=True, tag="d", forbid_unknown_fields=True):
    """Floats that are whole numbers of 10^-decimals: value = integer / 10^decimals."""

    decimals: int
    integers: IntegerColumn


class FloatColumn(msgspec.Struct, frozen=True, array_like=True, tag="f", forbid_unknown_fields=True):
    """IEEE 754 floats of `width` 4 or 8 bytes, little-endian, shuffled."""

    width: int
    data: bytes


def shuffle(data: bytes, width: int) -> bytes:
    """Put the k-th bytes of all `width`-byte items together, for each k."""
    return data if width == 1 else b"".join([data[k::width] for k in range(width)])


def unshuffle(data: bytes, width: int) -> bytes:
    """Undo `shuffle`; `len(data)` must be a multiple of `width`."""
    if width == 1:
        return data
    count = len(data) // width
    items = bytearray(len(data))
    for k in range(width):
        items[k::width] = data[k * count : (k + 1) * count]
    return bytes(items)


def pack_integers(numbers: Sequence[int]) -> IntegerColumn:
    """Pack at least one integer of 64 bits.

    Raises:
        InvalidSampleError: a number or a difference does not fit 64 bits.
    """
    deltas = [later - earlier for earlier, later in pairwise(numbers)]
    zigzags = [delta << 1 if delta >= 0 else (-delta << 1) - 1 for delta in deltas]
    top = max(zigzags, default=0)
    if top > _UINT64_MAX or max(numbers) > _INT64_MAX or min(numbers) < -_INT64_MAX:
        raise InvalidSampleError(f"an integer of a batch needs more than 64 bits (largest step {top >> 1})")
    if top == 0:
        return IntegerColumn(numbers[0], 0, b"")
    width, letter = next((w, c) for w, c in _WIDTHS if top < 1 << (8 * w))
    return IntegerColumn(numbers[0], width, shuffle(struct.pack(f"<{len(zigzags)}{letter}", *zigzags), width))


def unpack_integers(column: IntegerColumn, count: int) -> list[int]:
    """Unpack `count` (at least 1) integers.

    Raises:
        CorruptBatchError: width, length or a value is impossible.
    """
    if column.width == 0 and not column.data:
        return [column.first] * count
    letter = _LETTER_OF_WIDTH.get(column.width)
    if letter is None or len(column.data) != (count - 1) * column.width:
        raise CorruptBatchError(
            f"an integer column of {count} rows has width {column.width} and {len(column.data)} bytes: no match"
        )
    if column.width == 1:
        steps = map(_STEPS.__getitem__, column.data)
    else:
        zigzags = struct.unpack(f"<{count - 1}{letter}", unshuffle(column.data, column.width))
        steps = [(zigzag >> 1) ^ -(zigzag & 1) for zigzag in zigzags]
    numbers = list(accumulate(steps, initial=column.first))
    if max(numbers) > _INT64_MAX or min(numbers) < -_INT64_MAX:
        raise CorruptBatchError("an integer column leaves the range of 64 bits")
    return numbers


def _as_decimals(values: Sequence[float], decimals: int, keep: Callable[[float], float]) -> list[int] | None:
    """Return the values as whole numbers of 10^-decimals if not one digit that is kept is lost, else None."""
    scale = 10**decimals
    numbers: list[int] = []
    for value in values:
        number = round(value * scale)
        if abs(number) >= _EXACT_INTEGERS or keep(number / scale) != value:
            return None
        numbers.append(number)
    return numbers


def pack_values(values: Sequence[float], width: int) -> DecimalColumn | FloatColumn:
    """Pack at least one value, as scaled integers where that is exact and smaller, else as floats.

    Args:
        values: finite values, already rounded to the precision that `width` keeps.
        width: 4 (float32 is enough) or 8 (all digits count).
    """
    keep = round_to_float32 if width == FLOAT32 else float
    probe = values[:1]
    for decimals in range(_MAX_DECIMALS + 1):
        if _as_decimals(probe, decimals, keep) is None:
            continue
        numbers = _as_decimals(values, decimals, keep)
        if numbers is not None:
            integers = pack_integers(numbers)
            if integers.width < width:
                return DecimalColumn(decimals, integers)
            break
    letter = "f" if width == FLOAT32 else "d"
    return FloatColumn(width, shuffle(struct.pack(f"<{len(values)}{letter}", *values), width))


def _as_float32(values: Sequence[float]) -> list[float]:
    """Round a column to float32, all of it at once; what is beyond float32's range becomes infinite."""
    form = struct.Struct(f"{len(values)}f")
    try:
        return list(form.unpack(form.pack(*values)))
    except OverflowError:
        return [round_to_float32(value) for value in values]


def unpack_values(column: DecimalColumn | FloatColumn, count: int, width: int) -> list[float]:
    """Unpack `count` (at least 1) values, rounded to the precision that `width` keeps.

    Raises:
        CorruptBatchError: the column contradicts itself or holds a value that is not finite.
    """
    if isinstance(column, DecimalColumn):
        if not 0 <= column.decimals <= _MAX_DECIMALS:
            raise CorruptBatchError(f"a decimal column has {column.decimals} decimals, not 0 to {_MAX_DECIMALS}")
        scale = 10**column.decimals
        exact = [number / scale for number in unpack_integers(column.integers, count)]
        return _as_float32(exact) if width == FLOAT32 else exact
    if column.width not in (FLOAT32, FLOAT64) or len(column.data) != count * column.width:
        raise CorruptBatchError(
            f"a float column of {count} rows has width {column.width} and {len(column.data)} bytes, which do not agree"
        )
    letter = "f" if column.width == FLOAT32 else "d"
    values = list(struct.unpack(f"<{count}{letter}", unshuffle(column.data, column.width)))
    if not all(map(math.isfinite, values)):
        raise CorruptBatchError("a float column holds a value that is not finite")
    return values
