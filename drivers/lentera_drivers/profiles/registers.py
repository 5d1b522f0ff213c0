"""From 16-bit registers to a value in SI units, and back.

The simulator encodes with the inverse of what the driver decodes with, so `decode(encode(v))` is `v` rounded to what
the register can carry, and `encode(decode(words))` is `words` again (up to the 53 bits that a Python float holds).

A scale such as 0.1 is applied as a division by 10, which gives the float nearest to the decimal that the meter means
(2301 -> 230.1) instead of 230.10000000000002.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar, Final, Protocol

from lentera_model.errors import LenteraError


class RegisterType(StrEnum):
    """How the bits of a value's registers are to be read."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    ACC32 = "acc32"
    """SunSpec's accumulator: an unsigned counter of 32 bits, 0 when the device does not count."""
    BITS16 = "bits16"
    """One bit or some neighbouring bits of a register: `bit` or `mask` says which."""
    BITS32 = "bits32"
    """The same of two registers."""

    @property
    def words(self) -> int:
        """Number of 16-bit registers."""
        return struct.calcsize(_FORMATS[self]) // 2

    @property
    def is_float(self) -> bool:
        """Whether it is an IEEE 754 number."""
        return self in (RegisterType.FLOAT32, RegisterType.FLOAT64)

    @property
    def is_bits(self) -> bool:
        """Whether it is a part of its registers, which others may share."""
        return self in (RegisterType.BITS16, RegisterType.BITS32)

    @property
    def is_signed(self) -> bool:
        """Whether it can be negative."""
        return _FORMATS[self][-1] not in "HIQ"

    @property
    def raw_range(self) -> tuple[int, int]:
        """Smallest and largest raw integer. Only for integer types; for bits before the mask."""
        bits = 16 * self.words
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.is_signed else (0, (1 << bits) - 1)


_FORMATS: Final = {
    RegisterType.UINT16: ">H",
    RegisterType.INT16: ">h",
    RegisterType.UINT32: ">I",
    RegisterType.INT32: ">i",
    RegisterType.UINT64: ">Q",
    RegisterType.INT64: ">q",
    RegisterType.FLOAT32: ">f",
    RegisterType.FLOAT64: ">d",
    RegisterType.ACC32: ">I",
    RegisterType.BITS16: ">H",
    RegisterType.BITS32: ">I",
}
EXPONENTS: Final = range(-10, 11)
"""Exponents that a scale register may hold (SunSpec's type sunssf)."""


class Endianness(StrEnum):
    """Which part comes first: `big` is the most significant one."""

    BIG = "big"
    LITTLE = "little"


@dataclass(frozen=True, slots=True)
class RegisterOrder:
    """Order of the bytes inside one register, and of the registers of one value (Modbus itself: both big)."""

    byte_order: Endianness = Endianness.BIG
    word_order: Endianness = Endianness.BIG


class RegisterLayout(Protocol):
    """What encoding and decoding need of a register; `profiles.Register` has it."""

    @property
    def quantity(self) -> str:
        """Name in the catalogue."""
        ...

    @property
    def type(self) -> RegisterType:
        """How the bits are to be read."""
        ...

    @property
    def scale(self) -> float:
        """Value in SI units = raw number * scale."""
        ...

    @property
    def null_markers(self) -> tuple[int, ...]:
        """Raw unsigned numbers that mean "no value"."""
        ...

    @property
    def bit_mask(self) -> int | None:
        """Which bits of the raw number are the value; None for all."""
        ...

    @property
    def byte_order(self) -> Endianness | None:
        """Its own order of bytes, None for the meter's."""
        ...

    @property
    def word_order(self) -> Endianness | None:
        """Its own order of registers, None for the meter's."""
        ...


class RegisterValueError(LenteraError):
    """A value does not fit its register, or a register's words are not as many as its type needs."""

    code: ClassVar[str] = "register_value"


def order_of(register: RegisterLayout, order: RegisterOrder) -> RegisterOrder:
    """Return the order that a register's bytes come in: its own where it has one, else the meter's."""
    if register.byte_order is None and register.word_order is None:
        return order
    return RegisterOrder(register.byte_order or order.byte_order, register.word_order or order.word_order)


def exponent_of(word: int) -> int | None:
    """Read a scale register: a signed power of ten; None where the device has none, or it is no exponent."""
    exponent = word - 0x10000 if word & 0x8000 else word
    return exponent if exponent in EXPONENTS else None


def decode_registers(
    register: RegisterLayout, words: Sequence[int], order: RegisterOrder, exponent: int = 0
) -> float | None:
    """Read a value in the quantity's SI unit.

    Args:
        register: how the value is written.
        words: its registers, lowest address first.
        order: the meter's; the register's own comes first.
        exponent: what its scale register holds: the value is raw * scale * 10**exponent.

    Returns:
        The value, or None when the device says that it has none (a null marker, a NaN or an infinite float).

    Raises:
        RegisterValueError: the number of words is not what the type needs.
    """
    data = _bytes_of(register, words, order_of(register, order))
    if register.null_markers and int.from_bytes(data) in register.null_markers:
        return None
    raw = struct.unpack(_FORMATS[register.type], data)[0]
    if register.type.is_float:
        value = raw * register.scale * 10.0**exponent if exponent else raw * register.scale
        return value if math.isfinite(value) else None
    if register.bit_mask is not None:
        raw = (raw & register.bit_mask) >> shift_of(register.bit_mask)
    scale = exact_scale(register.scale, exponent)
    try:
        return float(raw * scale.numerator / scale.denominator)
    except OverflowError:
        return None


def encode_registers(
    register: RegisterLayout, value: float | None, order: RegisterOrder, exponent: int = 0
) -> list[int]:
    """Return the registers that carry `value` (SI unit, rounded to the resolution); None gives the null marker.

    Of a bit field only its own bits are set: fields that share registers are put together by OR.

    Raises:
        RegisterValueError: the value does not fit, would read as a null marker, or is None where there is no marker.
    """
    order = order_of(register, order)
    data = _null_bytes(register) if value is None else _value_bytes(register, value, exponent)
    words = [int.from_bytes(data[at : at + 2], order.byte_order.value) for at in range(0, len(data), 2)]
    return words if order.word_order is Endianness.BIG else words[::-1]


def shift_of(mask: int) -> int:
    """Return the position of a mask's lowest bit."""
    return (mask & -mask).bit_length() - 1


@lru_cache(maxsize=256)
def exact_scale(scale: float, exponent: int = 0) -> Fraction:
    """Return a scale as the decimal that was written, times 10**exponent: 0.1 is a tenth, not the float beside it."""
    return Fraction(repr(scale)) * Fraction(10) ** exponent


def _bytes_of(register: RegisterLayout, words: Sequence[int], order: RegisterOrder) -> bytes:
    if len(words) != register.type.words:
        needed = f"{register.type} needs {register.type.words} registers"
        raise RegisterValueError(f"{register.quantity}: {needed}, got {len(words)}; check `count`")
    ordered = words if order.word_order is Endianness.BIG else reversed(words)
    return b"".join(word.to_bytes(2, order.byte_order.value) for word in ordered)


def _value_bytes(register: RegisterLayout, value: float, exponent: int) -> bytes:
    if not math.isfinite(value):
        raise RegisterValueError(
            f"{register.quantity}: {value} is not finite; encode None to say that there is no value"
        )
    form = _FORMATS[register.type]
    try:
        if register.type.is_float:
            data = struct.pack(form, value / (register.scale * 10.0**exponent if exponent else register.scale))
        else:
            data = struct.pack(form, _raw_of(register, round(Fraction(value) / exact_scale(register.scale, exponent))))
    except (struct.error, OverflowError) as error:
        raise RegisterValueError(
            f"{register.quantity}: {value} at scale {register.scale} does not fit {register.type}; check the scale"
        ) from error
    if int.from_bytes(data) in register.null_markers:
        raise RegisterValueError(f"{register.quantity}: {value} would read as the null marker {data.hex()}")
    return data


def _raw_of(register: RegisterLayout, number: int) -> int:
    """Put a whole number where the mask says."""
    mask = register.bit_mask
    if mask is None:
        return number
    raw = number << shift_of(mask)
    if number < 0 or raw & ~mask:
        raise OverflowError(f"{number} does not fit the bits {mask:#x}")
    return raw


def _null_bytes(register: RegisterLayout) -> bytes:
    size = register.type.words * 2
    if register.null_markers:
        return register.null_markers[0].to_bytes(size)
    if register.type.is_float:
        return struct.pack(_FORMATS[register.type], math.nan)
    raise RegisterValueError(f"{register.quantity}: the profile has no null marker, so no value cannot be encoded")
