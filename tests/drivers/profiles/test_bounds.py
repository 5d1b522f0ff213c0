"""What no meter can give, and what absurd values of a poll say of the order of words."""

import pytest

from lentera_drivers.modbus.decode import compile_decoder
from lentera_drivers.modbus.quality import QualityOf
from lentera_drivers.profiles import Endianness, MeterProfile, encode_registers, load_profile
from lentera_drivers.profiles.probe import failed_quantities
from lentera_drivers.profiles.sanity import SANITY, absurdity
from lentera_model.quantities import CATALOGUE
from lentera_model.readings import Quality

SWAPPED = "words or bytes may be swapped"


def meter(name: str = "eastron_sdm630") -> MeterProfile:
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    return profile


def reading() -> dict[str, float]:
    """An hour of a street's meter, with the digits that a real one shows."""
    values = {"frequency": 49.9713, "energy_active_import": 11_734_210.0, "power_factor_total": 0.9531}
    for place, phase in enumerate(("l1", "l2", "l3")):
        volts, amps = 229.317 + 1.4091 * place, 9.8713 + 0.37193 * place
        values |= {f"voltage_{phase}": volts, f"current_{phase}": amps, f"power_factor_{phase}": 0.9531}
        values[f"power_active_{phase}"] = volts * amps * 0.9531
    values["power_active_total"] = sum(values[f"power_active_{phase}"] for phase in ("l1", "l2", "l3"))
    return values


def swapped(values: dict[str, float], profile: MeterProfile) -> dict[str, float]:
    """Return what a poll decodes where the meter sends its words in the other order than the profile says."""
    wrong = profile.model_copy(update={"word_order": Endianness.LITTLE})
    found: dict[str, float] = {}
    for register in profile.registers:
        if register.quantity in values:
            words = encode_registers(register, values[register.quantity], profile.order)
            data = b"".join(word.to_bytes(2) for word in words)
            found |= compile_decoder([register], register.address, wrong.order)(data)
    return found


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("Wh", 2.05e25), ("A", 4.5e32), ("V", 2.67e-23), ("VA", 6.8e10), ("V", -1.1e6), ("W", -1.1e10), ("var", 1e11),
        ("varh", 1e16), ("VAh", 1e16), ("Hz", 1001.0), ("Hz", -50.0), ("deg", 1e9), ("%", 1e7), ("degC", -300.0),
        ("A", -2.4e-41), ("1", 1e-20), ("s", 1e12), ("m3", 1e13),
    ],
)  # fmt: skip
def test_what_no_meter_of_a_city_can_give(unit, value):
    assert unit in absurdity(unit, value)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("Wh", 9e14), ("A", 6300.0), ("A", 0.0), ("V", 150_000.0), ("V", 1e-3), ("W", -9e9), ("Hz", 0.0), ("Hz", 400.0),
        ("1", 4_294_967_295.0), ("%", 900.0), ("deg", -360.0), ("unknown", 1e30),
    ],
)  # fmt: skip
def test_what_is_only_unusual_is_left_to_other_rules(unit, value):
    assert absurdity(unit, value) == ""


def test_every_unit_has_its_limits_and_recognising_is_the_stricter():
    assert {entry.unit for entry in CATALOGUE.values()} <= SANITY.keys()
    assert all(0 < one.unlikely <= one.highest and one.lowest < one.highest and one.why for one in SANITY.values())


def test_values_of_swapped_words_are_all_implausible_and_the_reason_says_so():
    profile = meter()
    values = swapped(reading(), profile)
    judge = QualityOf("m", profile)
    (sample,) = judge.samples(values, 1000)
    assert (sample.quality, dict(sample.values)) == (Quality.IMPLAUSIBLE, values)
    assert all(SWAPPED in why and "word_order" in why for _, why in judge.doubts.values())
    (again,) = judge.samples(reading(), 3000)
    assert again.quality is Quality.GOOD, "debris was no level that counters are held against"


@pytest.mark.parametrize(
    ("more", "condemned"),
    [
        ({}, False),
        ({"frequency": 1e-30}, False),  # volts that fit speak for the order of words
        ({"frequency": 80.0}, False),  # wrong, but no debris
        ({"voltage_l1": 1e-30}, False),  # one of three
        ({"voltage_l1": 1e-30, "voltage_l2": 1e9}, True),
        ({"voltage_l1": 1e-30, "voltage_l2": 0.0, "voltage_l3": 0.0}, True),  # 0 is 0 in every order
        ({"voltage_l1": 2301.0, "voltage_l2": 2302.0, "voltage_l3": 2303.0}, False),  # a wrong scale
        ({"voltage_l1": 0.0, "voltage_l2": 0.0, "voltage_l3": 0.0, "frequency": 1e-30}, True),
        ({"current_l1": 1e30, "energy_active_import": 1e30}, False),  # no witness among volts and frequency
    ],
)
def test_the_frequency_or_most_volts_are_what_tells_swapped_words(more, condemned):
    found = failed_quantities(meter(), reading() | more)
    told = {name for name, why in found.items() if SWAPPED in why}
    assert told == (set(reading()) if condemned else set())


def test_values_of_one_register_keep_their_trust_where_words_are_swapped():
    profile = meter()
    narrow = [one.model_copy(update={"count": 1}) if one.quantity == "current_l1" else one for one in profile.registers]
    mixed = profile.model_copy(update={"registers": tuple(narrow)})
    found = failed_quantities(mixed, {"frequency": 1e-30, "current_l1": 9.0, "energy_active_import": 1e6})
    assert found.keys() == {"frequency", "energy_active_import"}


def test_a_negative_value_within_its_limits_is_well():
    assert failed_quantities(meter(), {"power_active_total": -500.0, "power_factor_total": -0.9}) == {}
