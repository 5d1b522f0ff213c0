"""Every meter's registers, read with every other meter's map: only siblings that share a map pass as each other."""

import pytest

from lentera_drivers.profiles import AddressMode, MeterProfile, encode_registers, list_profiles, load_profile
from lentera_drivers.profiles.probe import Verdict, probe

METERS = [
    profile
    for name in list_profiles()
    if isinstance(profile := load_profile(name), MeterProfile) and profile.address_mode is AddressMode.ABSOLUTE
]
SIBLINGS = [
    {"carlo_gavazzi_em24_e1", "carlo_gavazzi_em330_em340"},
    {"eastron_sdm120", "eastron_sdm230", "eastron_sdm630", "eastron_sdm72d_m_v2"},
    {"finder_7m24", "finder_7m38"},
    {"janitza_b23", "janitza_umg96rm"},
    {"schneider_iem3155_iem3255", "schneider_pm5110"},
]

BETWEEN_PHASES = {"voltage_ll_avg", "voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1"}
BLIND = {"eastron_sdm72d_m", "siemens_7kt1665", "socomec_diris_b30"}
"""Their maps have no frequency, the first not even a voltage: volts alone recognise nobody."""


def reading(profile: MeterProfile, load_a: float) -> dict[str, float]:
    """What a meter of this profile says at 231 V and 50 Hz, with so many amperes on each of its phases."""
    values = {register.quantity: 0.0 for register in profile.registers}
    power_w = 231.0 * load_a * 0.9
    for name in values:
        if name.startswith("voltage"):
            values[name] = 400.1 if name in BETWEEN_PHASES else 231.0
        elif name.startswith("energy"):
            values[name] = 1_234_560.0
        elif name.startswith("power_factor"):
            values[name] = 0.9 if load_a else 0.0
        elif name == "frequency":
            values[name] = 50.0
        elif name.startswith("current_l"):
            values[name] = load_a
        elif name.startswith("power_active_l"):
            values[name] = power_w
        elif name == "power_active_total":
            values[name] = profile.phases * power_w
    return values


def image(profile: MeterProfile, load_a: float) -> dict[int, int]:
    """Every register from the first to the last; what no value needs reads as 0, as most meters do."""
    words: dict[int, int] = {}
    values = reading(profile, load_a)
    for register in profile.registers:
        for place, word in enumerate(encode_registers(register, values[register.quantity], profile.order)):
            words[register.address + place] = word
    return {address: words.get(address, 0) for address in range(min(words), max(words) + 1)}


def passes(profile: MeterProfile, words: dict[int, int]) -> bool:
    verdicts = {finding.rule: finding.verdict for finding in probe(profile, profile.decode(words))}
    seen = verdicts["volts"] is verdicts["hertz"] is Verdict.PASSED
    return seen and Verdict.FAILED not in verdicts.values()


@pytest.mark.parametrize("load_a", [0.0, 6.0])
@pytest.mark.parametrize("meter", METERS, ids=lambda profile: profile.id)
def test_no_meter_passes_for_one_of_another_map(meter, load_a):
    words = image(meter, load_a)
    family = next((names for names in SIBLINGS if meter.id in names), {meter.id})
    taken = {other.id for other in METERS if passes(other, words)}
    assert taken <= family
    assert (meter.id in taken) is (meter.id not in BLIND)


def test_siblings_do_pass_for_each_other_so_something_else_must_decide():
    by_name = {profile.id: profile for profile in METERS}
    for family in SIBLINGS:
        for name in family:
            others = family - {name}
            assert any(passes(by_name[other], image(by_name[name], 0.0)) for other in others), name
