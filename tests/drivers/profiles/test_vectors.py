"""Words on the wire worked out by hand, for every type and order and for every meter that comes along."""

import math
import struct

import pytest

from lentera_drivers.profiles import (
    Endianness,
    MeterProfile,
    Register,
    RegisterOrder,
    RegisterType,
    decode_registers,
    encode_registers,
    list_profiles,
    load_profile,
)
from lentera_drivers.profiles.registers import exact_scale

METERS = [profile for name in list_profiles() if isinstance(profile := load_profile(name), MeterProfile)]

# type, its bytes with the most significant first, what they mean by IEEE 754 or two's complement
BY_HAND = [
    ("uint16", "5a0a", 23050),
    ("uint16", "ffff", 65535),
    ("int16", "8000", -32768),
    ("int16", "ff38", -200),
    ("uint32", "0001e208", 123400),
    ("uint32", "ffffffff", 4294967295),
    ("int32", "fffffffe", -2),
    ("int32", "80000000", -2147483648),
    ("acc32", "0012d687", 1234567),
    ("uint64", "00000000004b5f70", 4939632),
    ("uint64", "0020000000000001", 9007199254740992),  # 2**53 + 1 has no float of its own: the even one
    ("int64", "ffffffffffffff38", -200),
    ("int64", "8000000000000000", -9223372036854775808),
    ("float32", "43668000", 230.5),  # 1.80078125 x 2**7
    ("float32", "c2c80000", -100.0),
    ("float32", "00000001", 2.0**-149),
    ("float32", "7f7fffff", (2 - 2.0**-23) * 2.0**127),
    ("float64", "4132d45000000000", 1234000.0),  # 0x12d450 / 2**20 x 2**20
    ("float64", "bff0000000000001", -1.0000000000000002),
    ("bits16", "8001", 0x8001),
    ("bits32", "80000001", 0x80000001),
]

# Where each meter has its voltage and a counter, and their words for 230.5 V and 1234 kWh.
F230, F1234, WH1234 = (0x4366, 0x8000), (0x449A, 0x4000), (0x4996, 0xA280)
EACH_METER = {
    "abb_b23": (23296, (0, 2305), "energy_active_import", 20480, (0, 0, 1, 0xE208)),
    "bgetech_ds100": (1024, (3, 0x8464), "energy_active_import", 270, (1, 0xE208)),
    "bgetech_ws100": (256, (3, 0x8464), "energy_active_export", 280, (1, 0xE208)),
    "carlo_gavazzi_em111_em112": (0, (2305, 0), "energy_active_import", 16, (12340, 0)),
    "carlo_gavazzi_em24_e1": (0, (2305, 0), "energy_active_import", 52, (12340, 0)),
    "carlo_gavazzi_em24_rs485": (0, (2305, 0), "energy_active_import", 66, (12340, 0)),
    "carlo_gavazzi_em330_em340": (0, (2305, 0), "energy_active_export", 78, (12340, 0)),
    "chint_ddsu666": (8192, F230, "energy_active_import", 16384, F1234),
    "chint_dtsu666": (8198, (0x4510, 0x1000), "energy_active_import", 4126, F1234),
    "eastron_sdm120": (0, F230, "energy_active_import", 72, F1234),
    "eastron_sdm230": (0, F230, "energy_active_sum_t1", 4876, F1234),
    "eastron_sdm630": (0, F230, "energy_active_export", 74, F1234),
    "eastron_sdm72d_m": (None, (), "energy_active_resettable", 384, F1234),
    "eastron_sdm72d_m_v2": (0, F230, "energy_active_net", 396, F1234),
    "finder_7m24": (2500, F230, "energy_active_import", 2752, WH1234),
    "finder_7m38": (2500, F230, "energy_active_export", 2756, WH1234),
    "inepro_pro380": (20482, F230, "energy_active_import", 24588, F1234),
    "janitza_b23": (19000, F230, "energy_active_import", 19068, WH1234),
    "janitza_umg604": (1317, F230, "energy_active_import", 9851, WH1234),
    "janitza_umg96rm": (19000, F230, "energy_active_export", 19076, WH1234),
    "lovato_dmg610": (1, (0, 0x5A0A), "energy_active_import", 6943, (0, 0, 1, 0xE208)),
    "orno_or_we_514_515": (305, (0x5A0A,), "energy_active_sum", 40960, (1, 0xE208)),
    "orno_or_we_516_517": (14, F230, "energy_active_import", 264, F1234),
    "schneider_iem3155_iem3255": (3027, F230, "energy_active_import", 3203, (0, 0, 0x12, 0xD450)),
    "schneider_pm3200": (3028, F230, "energy_active_import", 3204, (0, 0, 0x12, 0xD450)),
    "schneider_pm5110": (3027, F230, "energy_active_export", 3207, (0, 0, 0x12, 0xD450)),
    "siemens_7kt1665": (1, (0, 0x5A0A), "energy_active_import", 6687, (0x12, 0xD450)),
    "siemens_pac3200": (1, F230, "energy_active_import_t1", 801, (0x4132, 0xD450, 0, 0)),
    "socomec_countis_e23_e28": (50520, (0, 0x5A0A), "energy_active_import", 50946, (1, 0xE208)),
    "socomec_diris_a10": (50520, (0, 0x5A0A), "energy_active_import", 50780, (0, 1234)),
    "socomec_diris_b30": (18444, (0, 0x5A0A), "energy_active_import", 19843, (0, 1234)),
    "sunspec_201": (8, (2305,), "energy_active_import", 46, (0, 0x3034)),
    "sunspec_203": (8, (2305,), "energy_active_import", 46, (0, 0x3034)),
}
SUNSPEC_SCALES = {15: 0xFFFF, 54: 0x0002}  # V_SF -1, TotWh_SF 2


def arranged(most_significant_first: str, order: RegisterOrder) -> list[int]:
    """Bytes as a meter of that order sends them, by slicing alone."""
    pairs = [most_significant_first[at : at + 4] for at in range(0, len(most_significant_first), 4)]
    if order.byte_order is Endianness.LITTLE:
        pairs = [pair[2:] + pair[:2] for pair in pairs]
    if order.word_order is Endianness.LITTLE:
        pairs = pairs[::-1]
    return [int(pair, 16) for pair in pairs]


def register_of(kind: str, **more) -> Register:
    counter = {"quantity": "energy_active_import", "unit": "Wh", "address": 0, "type": kind}
    words = RegisterType(kind).words
    bits = {"mask": (1 << 16 * words) - 1} if kind.startswith("bits") else {}
    return Register.model_validate(counter | {"count": words} | bits | more)


@pytest.mark.parametrize(
    "order", [RegisterOrder(byte, word) for byte in Endianness for word in Endianness], ids=lambda order: str(order)
)
@pytest.mark.parametrize(("kind", "written", "value"), BY_HAND)
def test_every_type_in_every_order(kind, written, value, order):
    register, words = register_of(kind), arranged(written, order)
    assert decode_registers(register, words, order) == value
    if written != "0020000000000001":
        assert encode_registers(register, value, order) == words
    own = register.model_copy(update={"byte_order": order.byte_order, "word_order": order.word_order})
    for other in (RegisterOrder(), RegisterOrder(Endianness.LITTLE, Endianness.LITTLE)):
        assert decode_registers(own, words, other) == value, "a register's own order comes before the meter's"


def test_each_type_has_a_vector():
    assert {kind for kind, _, _ in BY_HAND} == {kind.value for kind in RegisterType}
    assert set(EACH_METER) == {profile.id for profile in METERS}


@pytest.mark.parametrize("name", EACH_METER)
def test_each_meter_reads_its_voltage_and_its_counter(name):
    at, volts, counter, counter_at, energy = EACH_METER[name]
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    image = dict(enumerate(energy, start=counter_at))
    if at is not None:
        image |= dict(enumerate(volts, start=at))
    if profile.address_mode == "relative":
        image |= SUNSPEC_SCALES
    values = profile.decode(image)
    assert values[counter] == 1_234_000
    assert at is None or values["voltage_l1"] == 230.5


def ends(register: Register) -> list[int | float]:
    """The smallest and largest raw numbers that a register carries and that are no null marker."""
    if register.type is RegisterType.FLOAT32:
        return [-3.0e38, 3.0e38, 0.0]
    if register.type is RegisterType.FLOAT64:
        return [-1e300, 1e300, 0.0]
    low, high = register.type.raw_range
    size = 1 << 16 * register.count
    return [
        low + ((low % size) in register.null_markers),
        high - 4095 if register.count == 4 else high - (high in register.null_markers),  # a float has 53 bits
        1,
        2**53 if high > 2**53 else high // 2,
    ]


@pytest.mark.parametrize("profile", METERS, ids=lambda profile: profile.id)
def test_every_register_carries_its_ends(profile):
    for register in profile.registers:
        for raw in ends(register):
            if register.type.is_float:
                form = ">f" if register.type is RegisterType.FLOAT32 else ">d"
                raw = struct.unpack(form, struct.pack(form, raw))[0] / max(1.0, register.scale)
                value = raw * register.scale
            else:
                value = float(raw * exact_scale(register.scale))
            words = encode_registers(register, value, profile.order)
            assert len(words) == register.count
            decoded = decode_registers(register, words, profile.order)
            assert decoded is not None, register.quantity
            assert math.isclose(decoded, value, rel_tol=2**-23), (register.quantity, raw)
            if not register.type.is_float and abs(raw) <= 2**53:
                assert decoded == value


@pytest.mark.parametrize("profile", METERS, ids=lambda profile: profile.id)
def test_null_markers_are_no_values(profile):
    for register in profile.registers:
        for marker in register.null_markers:
            words = arranged(f"{marker:0{4 * register.count}x}", profile.order)
            assert decode_registers(register, words, profile.order) is None
        if register.null_markers:
            assert decode_registers(register, encode_registers(register, None, profile.order), profile.order) is None


def test_nulls_of_abb_and_sunspec():
    abb, sunspec = load_profile("abb_b23"), load_profile("sunspec_203")
    assert isinstance(abb, MeterProfile)
    assert isinstance(sunspec, MeterProfile)
    written = {register.quantity: register.null_markers for register in abb.registers}
    assert written["energy_active_import"] == (0xFFFF_FFFF_FFFF_FFFF,)
    assert written["power_active_total"] == (0x7FFF_FFFF,)
    assert written["power_factor_l1"] == (0x7FFF,)
    written = {register.quantity: register.null_markers for register in sunspec.registers}
    assert (written["voltage_l1"], written["energy_active_import"]) == ((0x8000,), (0,))
    image = dict.fromkeys(range(2, 107), 0x8000) | {22: 0x8000}
    assert "power_active_total" not in sunspec.decode(image), "a scale that is not implemented makes no value"


@pytest.mark.parametrize(
    ("profile", "quantity", "limit"),
    [
        ("orno_or_we_514_515", "energy_active_sum", 42_949_672_960),  # uint32 x 0.01 kWh
        ("carlo_gavazzi_em24_rs485", "energy_active_import", 214_748_364_800),  # int32 x 0.1 kWh
        ("siemens_7kt1665", "energy_active_import", 4_294_967_296),  # uint32 x 1 Wh
        ("schneider_pm5110", "energy_active_import", 2**63),
        ("eastron_sdm630", "energy_active_import", None),  # a float has no dial that its type would tell
        ("siemens_pac3200", "energy_active_import_t1", None),
        ("sunspec_203", "energy_active_import", None),  # until its scale is known
        ("abb_b23", "voltage_l1", None),  # no counter
    ],
)
def test_where_a_counter_begins_again(profile, quantity, limit):
    found = load_profile(profile)
    assert isinstance(found, MeterProfile)
    register = next(register for register in found.registers if register.quantity == quantity)
    assert register.rolls_over_at == limit
