"""Measured values as whole numbers without losing one bit of them, and back.

Meters and lamps say 230.1 V or 12345 Wh: such a column is whole numbers of a power of ten. What is no decimal is taken
by the bits of its IEEE float, in an order in which near values have near numbers; a counter that a register told as a
float32 in kWh, by the bits of that float32.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from lentera_model.batch.bits import signed_bits
from lentera_model.batch.stored import FLOAT32_BYTES, FLOAT64_BYTES, LETTERS
from lentera_model.batch.types import CorruptBatchError

_EXPONENTS: Final = range(-3, 6)
"""Powers of ten that a resolution may be of: 1000 (whole kWh, in Wh) down to 0.00001."""
FORM_BITS: Final = 4
_AS_FLOAT32: Final = len(_EXPONENTS)
_AS_FLOAT32_THOUSANDS: Final = _AS_FLOAT32 + 1
_AS_FLOAT64: Final = _AS_FLOAT32 + 2
FORMS: Final = _AS_FLOAT32 + 3

_EXACT: Final = 1 << 53
_LARGEST: Final = 1e300
_DIGITS_OF_WIDTH: Final = {FLOAT32_BYTES: 22, FLOAT64_BYTES: 51}
"""Bits of a float that a decimal may be told by: the last two are left out, or any float would be a fine decimal."""
_UNIT: Final = -_EXPONENTS[0]
_FLIP32: Final = (1 << 31) - 1
_FLIP64: Final = (1 << 63) - 1
_THOUSAND: Final = 1000.0


def _scaled(numbers: Sequence[int], exponent: int) -> list[float]:
    """Return number / 10^exponent of each, rounded to the nearest float once."""
    if exponent > 0:
        scale = 10**exponent
        return [number / scale for number in numbers]
    scale = 10**-exponent
    return list(map(float, numbers if scale == 1 else [number * scale for number in numbers]))


def _whole(values: Sequence[float], exponent: int) -> list[int]:
    """Return the whole numbers of 10^-exponent that are nearest to the values."""
    if exponent > 0:
        scale = 10.0**exponent
        return [round(value * scale) for value in values]
    scale = 10.0**-exponent
    return [round(value / scale) for value in values]


def _decimals(values: Sequence[float], packed: bytes, width: int) -> tuple[int, Sequence[int]] | None:
    """Return the coarsest resolution in which the values are whole, bit for bit, and the whole numbers; None: none."""
    letter = LETTERS[width]
    largest = max(values)
    probes = (largest, values[0], values[len(values) // 2], values[-1])
    if max(probes) > _LARGEST or min(probes) < -_LARGEST:
        return None
    bits = struct.pack(f"<4{letter}", *probes)
    # Whole in a coarse resolution is whole in every finer one: the finest that the float can tell apart says at once
    # whether to look for any.
    digits = _DIGITS_OF_WIDTH[width] - math.frexp(largest)[1]  # after the point, in bits
    finest = max(0, min(len(_EXPONENTS) - 1, digits * 301 // 1000 - _EXPONENTS[0]))
    if _packed(_whole(probes, _EXPONENTS[finest]), _EXPONENTS[finest], letter) != bits:
        return None
    for exponent in _EXPONENTS[: finest + 1]:
        if _packed(_whole(probes, exponent), exponent, letter) == bits:
            numbers = _whole(values, exponent)
            if max(numbers) < _EXACT and min(numbers) > -_EXACT and _packed(numbers, exponent, letter) == packed:
                return exponent - _EXPONENTS[0], numbers
    return None


def _packed(numbers: Sequence[int], exponent: int, letter: str) -> bytes | None:
    try:
        return struct.pack(f"<{len(numbers)}{letter}", *_scaled(numbers, exponent))
    except OverflowError:
        return None


def _bits_needed(numbers: Sequence[int]) -> int:
    low, high = min(numbers), max(numbers)
    return signed_bits(low) + (high - low).bit_length() * len(numbers)


def _ordered(numbers: Sequence[int], flip: int) -> Sequence[int]:
    """Turn the bits of floats (as signed integers) into integers in the floats' order, or back."""
    return numbers if min(numbers) >= 0 else [number if number >= 0 else number ^ flip for number in numbers]


def to_integers(values: Sequence[float], packed: bytes, width: int) -> tuple[int, Sequence[int]]:
    """Return a form and the values as whole numbers of that form.

    Args:
        values: at least one, finite, already rounded to the precision that `width` keeps.
        packed: the same as little-endian floats of `width` bytes.
        width: bytes of that precision: 4 or 8.
    """
    count = len(values)
    if count > 1 and packed == packed[:width] * count:
        form, [number] = to_integers(values[:1], packed[:width], width)
        return form, [number] * count
    found = _decimals(values, packed, width)
    if found is not None and (width == FLOAT64_BYTES or found[0] <= _UNIT):
        return found
    if width == FLOAT32_BYTES:
        floats = (_AS_FLOAT32, _ordered(struct.unpack(f"<{count}i", packed), _FLIP32))
    else:
        floats = _thousands(values, packed) or (_AS_FLOAT64, _ordered(struct.unpack(f"<{count}q", packed), _FLIP64))
    # A float of four digits before the point is "whole" in thousandths, but its own bits may be the coarser measure.
    return floats if found is None or _bits_needed(floats[1]) < _bits_needed(found[1]) else found


def _thousands(values: Sequence[float], packed: bytes) -> tuple[int, Sequence[int]] | None:
    """Return the bits of the float32 of which the values are the thousandfold, None where they are not."""
    try:
        narrow = struct.pack(f"<{len(values)}f", *[value / _THOUSAND for value in values])
    except OverflowError:
        return None
    again = [value * _THOUSAND for value in struct.unpack(f"<{len(values)}f", narrow)]
    if struct.pack(f"<{len(values)}d", *again) != packed:
        return None
    return _AS_FLOAT32_THOUSANDS, _ordered(struct.unpack(f"<{len(values)}i", narrow), _FLIP32)


def from_integers(form: int, numbers: Sequence[int], width: int) -> Sequence[float]:
    """Return the values that the whole numbers of a form stand for.

    Raises:
        CorruptBatchError: a number is out of the form's range, or stands for no finite value.
    """
    count = len(numbers)
    if count > 1 and min(numbers) == max(numbers):
        return list(from_integers(form, numbers[:1], width)) * count
    try:
        if form < _AS_FLOAT32:
            if max(numbers) >= _EXACT or min(numbers) <= -_EXACT:
                raise CorruptBatchError("a decimal number in the batch's body has more than 53 bits")
            values: Sequence[float] = _scaled(numbers, _EXPONENTS[form])
            if width == FLOAT32_BYTES:
                values = struct.unpack(f"<{count}f", struct.pack(f"<{count}f", *values))
        elif form == _AS_FLOAT64:
            values = struct.unpack(f"<{count}d", struct.pack(f"<{count}q", *_ordered(numbers, _FLIP64)))
        elif form < FORMS:
            values = struct.unpack(f"<{count}f", struct.pack(f"<{count}i", *_ordered(numbers, _FLIP32)))
            if form == _AS_FLOAT32_THOUSANDS:
                values = [value * _THOUSAND for value in values]
        else:
            raise CorruptBatchError(f"a column of the batch's body is of form {form}, which format 2 does not have")
    except (struct.error, OverflowError) as error:
        raise CorruptBatchError(f"a number in the batch's body does not fit its form: {error}") from error
    if not math.isfinite(sum(values)) and not all(map(math.isfinite, values)):
        raise CorruptBatchError("the batch's body holds a value that is not finite")
    return values
