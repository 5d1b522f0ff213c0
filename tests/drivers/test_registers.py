"""Registers to values and back: exact up to the register's resolution, in every order."""

import math
import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.profiles import (
    Endianness,
    RegisterOrder,
    RegisterType,
    RegisterValueError,
    decode_registers,
    encode_registers,
)

BIG = RegisterOrder()
ORDERS = [RegisterOrder(byte, word) for byte in Endianness for word in Endianness]
INTEGERS = [kind for kind in RegisterType if not kind.is_float and not kind.is_bits]
SCALES = [1.0, 0.1, 0.01, 0.001, 10.0, 100.0, 1000.0, 0.25, -1.0]


@dataclass(frozen=True)
class Layout:
    type: RegisterType
    scale: float = 1.0
    null_markers: tuple[int, ...] = ()
    quantity: str = "voltage_l1"
    bit_mask: int | None = None
    byte_order: Endianness | None = None
    word_order: Endianness | None = None


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("uint16", [0xFFFE], 65534),
        ("int16", [0xFFFE], -2),
        ("uint32", [0x0001, 0x0002], 65538),
        ("int32", [0xFFFF, 0xFFFF], -1),
        ("uint64", [0, 1, 0, 0], 4294967296),
        ("int64", [0x8000, 0, 0, 0], -(2**63)),
        ("float32", [0x4366, 0x3333], struct.unpack(">f", b"\x43\x66\x33\x33")[0]),
        ("float64", [0x406C, 0xD999, 0x9999, 0x999A], 230.8),
        ("acc32", [0x8000, 0], 2147483648),
    ],
)
def test_known_words(kind, words, value):
    layout = Layout(RegisterType(kind))
    assert decode_registers(layout, words, BIG) == value
    assert encode_registers(layout, value, BIG) == words


def test_orders_of_bytes_and_words():
    layout = Layout(RegisterType.UINT32)
    expected = {("big", "big"): [0x0102, 0x0304], ("big", "little"): [0x0304, 0x0102]}
    expected |= {("little", "big"): [0x0201, 0x0403], ("little", "little"): [0x0403, 0x0201]}
    for order in ORDERS:
        words = expected[order.byte_order.value, order.word_order.value]
        assert decode_registers(layout, words, order) == 0x01020304
        assert encode_registers(layout, 0x01020304, order) == words


def test_a_decimal_scale_gives_the_decimal():
    assert decode_registers(Layout(RegisterType.UINT16, 0.1), [2301], BIG) == 230.1
    assert decode_registers(Layout(RegisterType.UINT16, 0.001), [3], BIG) == 0.003
    assert decode_registers(Layout(RegisterType.UINT64, 10.0), [0, 0, 0, 1234], BIG) == 12340


@given(st.sampled_from(INTEGERS), st.sampled_from(SCALES), st.sampled_from(ORDERS), st.data())
def test_words_of_integers_survive(kind, scale, order, data):
    low, high = kind.raw_range
    raw = data.draw(st.integers(max(low, -(2**53)), min(high, 2**53)))
    words = encode_registers(Layout(kind), raw, order)
    layout = Layout(kind, scale)
    value = decode_registers(layout, words, order)
    assert value is not None
    if abs(raw) < 2**50:
        assert encode_registers(layout, value, order) == words


@given(st.sampled_from(INTEGERS), st.sampled_from([s for s in SCALES if s > 0]), st.sampled_from(ORDERS), st.data())
def test_values_survive_up_to_half_a_step(kind, scale, order, data):
    low, high = (end * scale for end in kind.raw_range)
    value = data.draw(st.floats(max(low, -1e12), min(high, 1e12)))
    decoded = decode_registers(Layout(kind, scale), encode_registers(Layout(kind, scale), value, order), order)
    assert decoded is not None
    assert abs(decoded - value) <= scale / 2 * (1 + 1e-9) + abs(value) * 1e-15


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(ORDERS))
def test_float32_survives(value, order):
    layout = Layout(RegisterType.FLOAT32)
    assert decode_registers(layout, encode_registers(layout, value, order), order) == value


@given(st.floats(-1e9, 1e9), st.sampled_from([1.0, 1000.0]), st.sampled_from(ORDERS))
def test_a_decoded_float_encodes_to_the_same_words(value, scale, order):
    layout = Layout(RegisterType.FLOAT32, scale)
    words = encode_registers(layout, value, order)
    decoded = decode_registers(layout, words, order)
    assert decoded is not None
    assert decoded == pytest.approx(value, rel=2**-23, abs=1e-30)
    assert encode_registers(layout, decoded, order) == words


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(RegisterType.UINT32, null_markers=(0xFFFFFFFF,)), [0xFFFF, 0xFFFF]),
        (Layout(RegisterType.INT16, null_markers=(0x7FFF,)), [0x7FFF]),
        (Layout(RegisterType.INT16, null_markers=(0x8000,)), [0x8000]),
        (Layout(RegisterType.ACC32, null_markers=(0,)), [0, 0]),
        (Layout(RegisterType.FLOAT32), [0x7FC0, 0]),
        (Layout(RegisterType.FLOAT32), [0x7F80, 0]),
        (Layout(RegisterType.FLOAT64, 10.0), [0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF]),
    ],
)
def test_null_markers_and_numbers_that_are_none(layout, words):
    assert decode_registers(layout, words, BIG) is None


def test_none_encodes_to_the_null_marker():
    assert encode_registers(Layout(RegisterType.INT32, null_markers=(0x7FFFFFFF,)), None, BIG) == [0x7FFF, 0xFFFF]
    words = encode_registers(Layout(RegisterType.FLOAT64), None, BIG)
    assert decode_registers(Layout(RegisterType.FLOAT64), words, BIG) is None


@pytest.mark.parametrize(
    ("layout", "value", "named"),
    [
        (Layout(RegisterType.UINT16), -1, "does not fit uint16"),
        (Layout(RegisterType.UINT16, 0.1), 6554, "does not fit uint16"),
        (Layout(RegisterType.FLOAT32), 1e39, "does not fit float32"),
        (Layout(RegisterType.UINT16, null_markers=(0xFFFF,)), 65535, "null marker"),
        (Layout(RegisterType.UINT16), math.nan, "not finite"),
        (Layout(RegisterType.UINT16), None, "no null marker"),
    ],
)
def test_what_cannot_be_encoded_says_why(layout, value, named):
    with pytest.raises(RegisterValueError, match=named) as raised:
        encode_registers(layout, value, BIG)
    assert "voltage_l1" in str(raised.value)


def test_a_wrong_number_of_words_is_refused():
    with pytest.raises(RegisterValueError, match="needs 2 registers, got 3"):
        decode_registers(Layout(RegisterType.UINT32), [1, 2, 3], BIG)
