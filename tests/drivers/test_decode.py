"""The prepared decoder gives exactly what the profiles' own codec gives, for every profile and pattern of bits."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lentera_drivers.modbus.decode import compile_decoder, words_of
from lentera_drivers.modbus.plan import plan_device, serial_cost
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import Endianness, MeterProfile, RegisterOrder, list_profiles, load_profile
from lentera_drivers.profiles.register import Register
from lentera_drivers.profiles.registers import RegisterType, decode_registers, exponent_of
from lentera_model.config import PaceRow
from lentera_model.quantities import CATALOGUE

METERS = [profile for profile in map(load_profile, list_profiles()) if isinstance(profile, MeterProfile)]
LINE = serial_cost(LineSettings(9600, "N", 1))
ODD = st.sampled_from([0x0000, 0xFFFF, 0x8000, 0x7FFF, 0x7F80, 0x7FC0, 0xFF80, 0x0001])
WORDS = st.integers(0, 0xFFFF) | ODD


def bytes_of(words: list[int]) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


def by_codec(registers, address, order, words, exponents) -> dict[str, float]:
    values = {}
    for register in registers:
        exponent = 0 if register.scale_register is None else exponents.get(register.scale_register)
        start = register.address - address
        if exponent is None:
            continue
        value = decode_registers(register, words[start : start + register.count], order, exponent)
        if value is not None:
            values[register.quantity] = value
    return values


@pytest.mark.parametrize("profile", METERS, ids=lambda profile: profile.id)
@settings(max_examples=15)
@given(data=st.data())
def test_every_profile_is_decoded_as_its_codec_does(profile, data):
    for planned in plan_device(profile, (PaceRow(1.0, None),), LINE):
        block = planned.block
        words = data.draw(st.lists(WORDS, min_size=block.count, max_size=block.count))
        exponents = {
            at: exponent_of(data.draw(WORDS | st.integers(0xFFF6, 0xFFFF))) for _, at in profile.scale_registers
        }
        decode = compile_decoder(block.registers, block.address, profile.order, exponents)
        wanted = by_codec(block.registers, block.address, profile.order, words, exponents)
        assert decode(bytes_of(words)) == wanted


NUMBERS = [kind for kind in RegisterType if not kind.is_bits]


@settings(max_examples=300)
@given(
    kinds=st.lists(
        st.tuples(
            st.sampled_from(NUMBERS),
            st.sampled_from([1.0, 0.1, 0.001, -1.0, 1000.0, 3.6e6, 1e-9]),
            st.sampled_from([None, *Endianness]),
            st.sampled_from([None, *Endianness]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=8,
    ),
    order=st.builds(RegisterOrder, st.sampled_from(list(Endianness)), st.sampled_from(list(Endianness))),
    data=st.data(),
)
def test_every_type_order_scale_and_marker_is_decoded_as_the_codec_does(kinds, order, data):
    registers, at = [], 100
    names = list(CATALOGUE.values())
    for position, (kind, scale, byte_order, word_order, gap) in enumerate(kinds):
        at += gap
        words = data.draw(st.lists(WORDS, min_size=kind.words, max_size=kind.words))
        markers = (int.from_bytes(bytes_of(words)),) if data.draw(st.booleans()) else ()
        registers.append(
            Register(
                quantity=names[position].name,
                unit=names[position].unit,
                address=at,
                count=kind.words,
                type=kind,
                scale=scale,
                byte_order=byte_order,
                word_order=word_order,
                null_markers=markers,
            )
        )
        at += kind.words
    words = data.draw(st.lists(WORDS, min_size=at - 100, max_size=at - 100))
    for register in registers:  # markers come up often
        if register.null_markers and data.draw(st.booleans()):
            start = register.address - 100
            words[start : start + register.count] = words_of(register.null_markers[0].to_bytes(2 * register.count))
    decode = compile_decoder(registers, 100, order)
    assert decode(bytes_of(words)) == by_codec(registers, 100, order, words, {})


def test_a_value_whose_power_of_ten_is_unknown_is_left_out():
    register = Register(quantity="frequency", unit="Hz", address=0, count=1, type=RegisterType.UINT16, scale_register=1)
    data = bytes_of([5001, 0xFFFE])
    assert compile_decoder([register], 0, RegisterOrder(), {})(data) == {}
    assert compile_decoder([register], 0, RegisterOrder(), {1: None})(data) == {}
    assert compile_decoder([register], 0, RegisterOrder(), {1: -2})(data) == {"frequency": 50.01}
