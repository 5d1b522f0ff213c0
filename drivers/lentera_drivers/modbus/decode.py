"""Decoding the reply of a planned request: prepared once, then bytes in, dictionary out.

A board decodes thousands of values a second, so what can be known beforehand is: one `struct` format takes all those of
one order of bytes, with the holes as padding, and scales are pairs of numerator and denominator. What does not fit this
(bits, odd null markers, numbers beyond a float) goes through the profile's own codec, whose results the quick way gives
exactly.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lentera_drivers.profiles import Endianness, RegisterOrder, RegisterType, decode_registers
from lentera_drivers.profiles.register import Register
from lentera_drivers.profiles.registers import exact_scale, order_of

Decoder = Callable[[bytes], dict[str, float]]
"""From a reply's registers (two bytes each, as on the wire) to quantity -> value in SI units; nulls are left out."""

_LETTERS: Final = {
    RegisterType.UINT16: "H",
    RegisterType.INT16: "h",
    RegisterType.UINT32: "I",
    RegisterType.INT32: "i",
    RegisterType.UINT64: "Q",
    RegisterType.INT64: "q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
    RegisterType.ACC32: "I",
}


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A value with the power of ten that its scale register holds."""

    register: Register
    exponent: int


def compile_decoder(
    registers: Iterable[Register],
    address: int,
    order: RegisterOrder,
    exponents: Mapping[int, int | None] | None = None,
) -> Decoder:
    """Prepare the decoding of a reply.

    Args:
        registers: the values to take from it; each must lie in it as a whole.
        address: of the reply's first register.
        order: the meter's; a register's own comes first.
        exponents: address of a scale register -> power of ten. A value whose power is unknown or None is left out.
    """
    known = exponents or {}
    scaled: list[_Scaled] = []
    for register in registers:
        exponent = 0 if register.scale_register is None else known.get(register.scale_register)
        if exponent is not None:
            scaled.append(_Scaled(register, exponent))
    quick: dict[RegisterOrder, list[_Scaled]] = {}
    slow: list[_Scaled] = []
    for one in scaled:
        if _is_quick(one):
            quick.setdefault(order_of(one.register, order), []).append(one)
        else:
            slow.append(one)
    passes = [_quick_pass(members, address, own, order) for own, members in quick.items()]
    if slow:
        passes.append(_slow_pass(slow, address, order))
    if len(passes) == 1:
        return passes[0]
    return _all_of(passes)


def words_of(data: bytes) -> Sequence[int]:
    """Return the registers in a reply as numbers."""
    return struct.unpack(f">{len(data) // 2}H", data)


def _is_quick(one: _Scaled) -> bool:
    """Whether a format letter and a factor say all about a value."""
    register = one.register
    if register.type not in _LETTERS:
        return False
    if not register.type.is_float:
        return True
    # Two roundings are not one, and a null marker that is a finite number is told by its bits alone.
    return not one.exponent and not any(math.isfinite(_float_of(register, marker)) for marker in register.null_markers)


def _float_of(register: Register, marker: int) -> float:
    return struct.unpack(">" + _LETTERS[register.type], marker.to_bytes(2 * register.count))[0]


def _all_of(passes: Sequence[Decoder]) -> Decoder:
    def decode(data: bytes) -> dict[str, float]:
        values: dict[str, float] = {}
        for one in passes:
            values |= one(data)
        return values

    return decode


def _slow_pass(members: Sequence[_Scaled], address: int, order: RegisterOrder) -> Decoder:
    """Return the decoding by the profile's own codec, a value at a time."""

    def decode(data: bytes) -> dict[str, float]:
        words = words_of(data)
        values: dict[str, float] = {}
        for one in members:
            start = one.register.address - address
            part = words[start : start + one.register.count]
            value = decode_registers(one.register, part, order, one.exponent)
            if value is not None:
                values[one.register.quantity] = value
        return values

    return decode


def _quick_pass(members: Sequence[_Scaled], address: int, own: RegisterOrder, order: RegisterOrder) -> Decoder:
    """Return the decoding of values with one order of bytes."""
    ordered = sorted(members, key=lambda one: one.register.address)
    unpack = struct.Struct(_format_of([one.register for one in ordered], address, own)).unpack_from
    names = [one.register.quantity for one in ordered]
    carefully = _slow_pass(ordered, address, order)
    factors = [_factor(one) for one in ordered]
    plain = all(one.register.type.is_float and factor == (1.0, 1) for one, factor in zip(ordered, factors, strict=True))
    numerators, denominators = [factor[0] for factor in factors], [factor[1] for factor in factors]
    nulls = _nulls(ordered)
    # The words of a value in the other order than its bytes: with the bytes of each word swapped, one order is left.
    swap = own.byte_order is not own.word_order
    isfinite = math.isfinite

    def decode(data: bytes) -> dict[str, float]:
        if swap:
            words = array("H", data)
            words.byteswap()
            raw = unpack(words)
        else:
            raw = unpack(data)
        if plain:
            total = sum(raw)
            values = dict(zip(names, raw, strict=True))
        else:
            try:
                numbers = [one * up / down for one, up, down in zip(raw, numerators, denominators, strict=True)]
            except OverflowError:
                return carefully(data)
            total = sum(numbers)
            values = dict(zip(names, numbers, strict=True))
        if not isfinite(total):  # one that is not makes the sum so
            values = {name: value for name, value in values.items() if isfinite(value)}
        for position, name, markers in nulls:
            if raw[position] in markers:
                del values[name]
        return values

    return decode


def _nulls(members: Sequence[_Scaled]) -> list[tuple[int, str, frozenset[int]]]:
    """Return position, quantity and null markers of the integers that have some."""
    return [
        (
            position,
            one.register.quantity,
            frozenset(_as_read(one.register, marker) for marker in one.register.null_markers),
        )
        for position, one in enumerate(members)
        if one.register.null_markers and not one.register.type.is_float
    ]


def _format_of(registers: Sequence[Register], address: int, order: RegisterOrder) -> str:
    """Write the format: the values with padding for what lies between them."""
    parts: list[str] = []
    at = address
    for register in registers:
        if register.address > at:
            parts.append(f"{2 * (register.address - at)}x")
        parts.append(_LETTERS[register.type])
        at = register.end
    return (">" if order.word_order is Endianness.BIG else "<") + "".join(parts)


def _factor(one: _Scaled) -> tuple[float, int]:
    """Return numerator and denominator of a scale, as the codec applies it."""
    if one.register.type.is_float:
        return one.register.scale, 1
    scale = exact_scale(one.register.scale, one.exponent)
    return scale.numerator, scale.denominator


def _as_read(register: Register, marker: int) -> int:
    """Return a null marker as the format reads it: signed types give negative numbers."""
    bits = 16 * register.type.words
    return marker - (1 << bits) if register.type.is_signed and marker >> (bits - 1) else marker
