"""A SunSpec device in memory: its marker is found wherever it stands, its chain walked, a broken one refused."""

import struct

import pytest

from lentera_drivers.profiles import AddressMode, MeterProfile, exponent_of, load_profile
from lentera_drivers.profiles.meter import ProfileAddressError
from lentera_drivers.profiles.sunspec import COMMON_IDENTITY, SunSpecError, discover
from lentera_model.errors import LenteraError


class RefusedError(LenteraError):
    """What a bus says for an illegal address."""


class Device:
    """Holding registers in memory; whatever is not in them is refused, as a device does."""

    def __init__(self, base: int, models: list[tuple[int, list[int]]], end: tuple[int, ...] = (0xFFFF, 0)) -> None:
        words = [0x5375, 0x6E53]
        for model_id, points in models:
            words += [model_id, len(points), *points]
        words += end
        self.registers = dict(enumerate(words, start=base))
        self.asked: list[tuple[int, int]] = []

    async def read(self, address: int, count: int) -> list[int]:
        self.asked.append((address, count))
        if any(place not in self.registers for place in range(address, address + count)):
            raise RefusedError(f"illegal address {address}")
        return [self.registers[place] for place in range(address, address + count)]


def common() -> tuple[int, list[int]]:
    points = [0] * 66
    for at, text in ((0, "Lentera"), (16, "Meter 3"), (40, "1.2"), (48, "SN-0042")):
        data = text.encode().ljust(-(-len(text) // 2) * 2, b"\0")
        points[at : at + len(data) // 2] = struct.unpack(f">{len(data) // 2}H", data)
    return (1, points)


def meter_203() -> tuple[int, list[int]]:
    """A model 203 written down by hand: 230.1 V with V_SF -1, 5.25 A with A_SF -2, 3.6 kW with W_SF 1."""
    points = [0x8000] * 105
    for offset, word in {
        2: 1575, 3: 525, 4: 525, 5: 525, 6: 0xFFFE,  # current_sum, l1, l2, l3, A_SF
        7: 2301, 8: 2301, 9: 2302, 10: 2300, 11: 3985, 12: 3985, 13: 3986, 14: 3984, 15: 0xFFFF,
        16: 5001, 17: 0xFFFE,
        18: 360, 19: 120, 20: 120, 21: 120, 22: 1,
        33: 99, 34: 99, 35: 99, 36: 99, 37: 0,
        38: 0, 39: 0,  # exported energy: not accumulated
        46: 0x0012, 47: 0xD687, 54: 0,  # 1 234 567 Wh
    }.items():  # fmt: skip
        points[offset - 2] = word
    return (203, points)


def profile_203() -> MeterProfile:
    profile = load_profile("sunspec_203")
    assert isinstance(profile, MeterProfile)
    return profile


@pytest.mark.parametrize("base", [40000, 50000, 0])
async def test_the_marker_is_found_at_each_place(base):
    device = Device(base, [common(), (64001, [7] * 12), meter_203()])
    found = await discover(device.read)
    assert found.base_address == base
    assert [(model.id, model.base_address, model.length) for model in found.models] == [
        (1, base + 2, 66),
        (64001, base + 70, 12),
        (203, base + 84, 105),
    ]
    assert len(device.asked) <= 3 + 4, "the marker and one question a model"


async def test_a_profile_is_placed_and_its_values_are_scaled_by_their_registers():
    device = Device(40000, [common(), meter_203()])
    found = await discover(device.read)
    profile = found.place(profile_203())
    assert profile.address_mode is AddressMode.ABSOLUTE
    values = profile.decode(device.registers)
    assert values["voltage_l1"] == 230.1
    assert values["voltage_l1_l2"] == 398.5
    assert values["current_l1"] == 5.25
    assert values["frequency"] == 50.01
    assert values["power_active_total"] == 3600
    assert values["power_factor_l1"] == 0.99
    assert values["energy_active_import"] == 1234567
    assert "energy_active_export" not in values, "0 in an accumulator means that nothing is accumulated"
    assert "power_reactive_total" not in values, "0x8000 means that there is no such value"


async def test_scales_that_were_read_can_be_put_into_the_profile():
    device = Device(40000, [common(), meter_203()])
    placed = (await discover(device.read)).place(profile_203())
    words = {address: (await device.read(address, 1))[0] for _, address in placed.scale_registers}
    fixed = placed.with_scales({address: exponent_of(word) for address, word in words.items()})
    assert fixed.scale_registers == ()
    assert fixed.decode(device.registers) == placed.decode(device.registers)
    energy = next(register for register in fixed.registers if register.quantity == "energy_active_import")
    assert energy.rolls_over_at == 4294967296, "4.29 GWh: an acc32 in Wh"
    assert not any(register.quantity.startswith("power_reactive") for register in fixed.registers)
    with pytest.raises(ProfileAddressError, match="has absolute addresses"):
        placed.at(0)


async def test_the_common_model_tells_who_it_is():
    device = Device(40000, [common(), meter_203()])
    found = await discover(device.read)
    said = {}
    for entry in COMMON_IDENTITY:
        words = await device.read(found.common.base_address + entry.address, entry.count)
        said[entry.what.value] = entry.read(words, profile_203().order)
    assert said == {"manufacturer": "Lentera", "model_name": "Meter 3", "firmware": "1.2", "serial_number": "SN-0042"}


async def test_a_device_that_ends_with_the_id_alone():
    device = Device(0, [common(), meter_203()], end=(0xFFFF,))
    assert [model.id for model in (await discover(device.read)).models] == [1, 203]


def broken(models: list[tuple[int, list[int]]], end: tuple[int, ...] = (0xFFFF, 0), **words: int) -> Device:
    device = Device(40000, models, end)
    device.registers.update({int(place[1:]): word for place, word in words.items()})
    return device


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (broken([meter_203()]), "the first model has id 203, the common model 1 must come first"),
        (broken([]), "broken after the marker: the device has no model at all"),
        (broken([common(), (0, [1] * 4)]), "model id 0 at 40070"),
        (broken([common(), (203, [])]), "broken after model 1 at 40002: model 203 at 40070 has length 0"),
        (broken([common(), (203, [0])], r40071=60000), "model 203 at 40070 has length 60000"),
        (broken([common(), *[(64000, [0])] * 200]), "no end after 128 models"),
        (broken([common()], r40000=0x5376), "no SunSpec marker .* found 40000: 0x5376 0x6e53"),
    ],
)
async def test_a_broken_chain_is_refused_with_words(device, message):
    with pytest.raises(SunSpecError, match=message):
        await discover(device.read)


async def test_a_chain_that_stops_answering_is_the_bus_own_error():
    with pytest.raises(RefusedError):
        await discover(broken([common()], end=()).read)
    with pytest.raises(RefusedError):
        await discover(Device(7, []).read)


async def test_a_short_answer_is_no_head_of_a_model():
    device = Device(40000, [common()])

    async def read(address: int, count: int) -> list[int]:
        return (await device.read(address, count))[: 2 if address == 40000 else 1]

    with pytest.raises(SunSpecError, match="1 registers instead of 2 at 40002"):
        await discover(read)


async def test_a_profile_whose_model_is_not_there_or_shorter_is_refused():
    found = await discover(Device(40000, [common(), (213, [0] * 124)]).read)
    with pytest.raises(SunSpecError, match="needs SunSpec model 203, the device has 1, 213"):
        found.place(profile_203())
    short = await discover(Device(40000, [common(), (203, [0] * 40)]).read)
    with pytest.raises(SunSpecError, match="model 203, the device's has 42"):
        short.place(profile_203())


def test_a_profile_cannot_reach_beyond_the_last_register():
    with pytest.raises(ProfileAddressError, match="its last register would be"):
        profile_203().at(65500)


def test_the_two_models_have_the_same_layout():
    one, three = load_profile("sunspec_201"), profile_203()
    assert isinstance(one, MeterProfile)
    places = {register.quantity: register.address for register in three.registers}
    assert all(places[register.quantity] == register.address for register in one.registers)
    assert (one.sunspec_model, three.sunspec_model) == (201, 203)
