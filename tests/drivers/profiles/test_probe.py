"""Rules that readings must pass: by hand-made readings of each meter's own profile, good ones and wrong ones."""

import pytest

from lentera_drivers.profiles import MeterProfile, RegisterOrder, decode_registers, encode_registers, load_profile
from lentera_drivers.profiles.probe import Finding, Verdict, failed_quantities, probe


def meter(name: str = "eastron_sdm630") -> MeterProfile:
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    return profile


def reading(load_a: float = 10.0, factor: float = 0.95) -> dict[str, float]:
    """A three-phase meter at 230 V and 50 Hz."""
    values = {"frequency": 50.02, "power_factor_total": factor, "energy_active_import": 1_234_560.0}
    for phase in ("l1", "l2", "l3"):
        values[f"voltage_{phase}"] = 230.0
        values[f"current_{phase}"] = load_a
        values[f"power_active_{phase}"] = 230.0 * load_a * factor
        values[f"power_factor_{phase}"] = factor
    values["power_active_total"] = 3 * 230.0 * load_a * factor
    return values


def verdicts(profile: MeterProfile, values: dict[str, float], previous: dict[str, float] | None = None):
    return {finding.rule: finding.verdict.value for finding in probe(profile, values, previous)}


def finding(profile: MeterProfile, values: dict[str, float], rule: str, previous=None) -> Finding:
    return next(found for found in probe(profile, values, previous) if found.rule == rule)


def test_a_meter_with_load_passes_all():
    assert verdicts(meter(), reading(), reading()) == dict.fromkeys(
        ("volts", "hertz", "power_factor", "power_sum", "power_product", "counters"), "passed"
    )


def test_by_day_the_loads_are_zero_and_cannot_decide():
    found = verdicts(meter(), reading(load_a=0.0), reading(load_a=0.0))
    assert found["power_sum"] == found["power_product"] == "needs_load"
    assert found["volts"] == found["hertz"] == "passed"


def test_what_was_not_read_is_unknown():
    assert set(verdicts(meter(), {}).values()) == {"unknown"}
    assert set(verdicts(meter("eastron_sdm72d_m"), {"power_active_total": 1.0}).values()) == {"unknown"}


@pytest.mark.parametrize(
    ("volts", "verdict"),
    [
        ((150.0, 151.0, 269.0), "passed"),  # the end of a rural feeder is still a meter
        ((270.0, 270.0, 270.0), "passed"),
        ((149.9, 230.0, 230.0), "failed"),
        ((270.1, 230.0, 230.0), "failed"),
        ((230.0, 0.0, 0.3), "passed"),  # two phases are not connected
        ((0.0, 0.0, 0.0), "failed"),
        ((2301.0, 2301.0, 2301.0), "failed"),
        ((-230.0, 230.0, 230.0), "failed"),
        ((1e38, 230.0, 230.0), "failed"),
    ],
)
def test_volts_that_a_feeder_has(volts, verdict):
    values = {f"voltage_l{number}": value for number, value in enumerate(volts, start=1)}
    assert verdicts(meter(), values)["volts"] == verdict


def test_with_a_phase_missing_the_average_is_no_voltage():
    values = {"voltage_l1": 230.0, "voltage_l2": 0.0, "voltage_l3": 0.0, "voltage_ln_avg": 76.7}
    assert verdicts(meter(), values)["volts"] == "passed"
    assert verdicts(meter(), {"voltage_ln_avg": 76.7})["volts"] == "failed"


@pytest.mark.parametrize(("hertz", "verdict"), [(45.0, "passed"), (55.0, "passed"), (44.9, "failed"), (0.05, "failed")])
def test_hertz_that_a_grid_has(hertz, verdict):
    assert verdicts(meter(), {"frequency": hertz})["hertz"] == verdict


def test_swapped_words_do_not_pass():
    profile, wrong = meter(), RegisterOrder(word_order=meter("carlo_gavazzi_em24_rs485").word_order)
    by_name = {register.quantity: register for register in profile.registers}
    values = {
        name: decode_registers(by_name[name], encode_registers(by_name[name], value, profile.order), wrong)
        for name, value in reading().items()
    }
    values = {name: value for name, value in values.items() if value is not None}
    assert verdicts(profile, values)["volts"] == "failed"
    assert verdicts(profile, values)["hertz"] == "failed"


def test_a_map_that_is_one_register_off_does_not_pass():
    iem3155, pm3200 = meter("schneider_iem3155_iem3255"), meter("schneider_pm3200")
    image: dict[int, int] = {}
    for register in iem3155.registers:
        value = reading().get(register.quantity, 0.0)
        words = encode_registers(register, value, iem3155.order)
        image |= dict(zip(range(register.address, register.end), words, strict=True))
    assert verdicts(iem3155, iem3155.decode(image))["volts"] == "passed"
    assert verdicts(pm3200, pm3200.decode(image))["volts"] == "failed"


def test_power_must_be_the_sum_of_its_phases():
    values = reading() | {"power_active_total": 230.0 * 10 * 0.95}  # only one phase: another model's total
    assert verdicts(meter(), values)["power_sum"] == "failed"
    assert "phases 2185 + 2185 + 2185" in finding(meter(), values, "power_sum").detail
    exporting = {name: -value if name.startswith("power_active") else value for name, value in reading().items()}
    assert verdicts(meter(), exporting)["power_sum"] == "passed"


def test_power_must_be_volts_times_amperes_times_the_factor():
    milliamperes = reading() | {f"current_{phase}": 10_000.0 for phase in ("l1", "l2", "l3")}
    assert verdicts(meter(), milliamperes)["power_product"] == "failed"
    kilowatts = {name: v / 1000 if name.startswith("power_active") else v for name, v in reading().items()}
    assert verdicts(meter(), kilowatts)["power_product"] == "failed"
    sign_only = reading() | {f"power_factor_{phase}": -0.95 for phase in ("l1", "l2", "l3")}
    assert verdicts(meter(), sign_only)["power_product"] == "passed"


def test_a_single_phase_meter_uses_its_total():
    values = {"voltage_l1": 230.0, "current_l1": 4.0, "power_active_total": 900.0, "power_factor_total": 0.98}
    assert verdicts(meter("eastron_sdm120"), values)["power_product"] == "passed"
    assert verdicts(meter("eastron_sdm120"), values | {"current_l1": 40.0})["power_product"] == "failed"
    assert verdicts(meter("eastron_sdm120"), values)["power_sum"] == "unknown"


def test_without_a_power_factor_power_is_at_most_volts_times_amperes():
    profile = meter("socomec_diris_b30")
    values = {"voltage_l1": 230.0, "current_l1": 10.0, "power_active_l1": 1500.0}
    found = finding(profile, values, "power_product")
    assert (found.verdict, found.detail) == (Verdict.PASSED, "no more than U x I; no power factor was read")
    assert verdicts(profile, values | {"power_active_l1": 15_000.0})["power_product"] == "failed"


def test_a_coarse_register_gets_its_resolution():
    """A COUNTIS counts power in steps of 10 W: three phases of 14 W are 10 each, their total 40."""
    profile = meter("socomec_countis_e23_e28")
    values = {"power_active_total": 40.0} | {f"power_active_{phase}": 10.0 for phase in ("l1", "l2", "l3")}
    assert verdicts(profile, values)["power_sum"] == "needs_load"
    assert failed_quantities(profile, values).keys() == frozenset()


def test_a_factor_beyond_one_is_another_quantity():
    assert verdicts(meter(), {"power_factor_total": 950.0})["power_factor"] == "failed"
    assert "power_factor" not in verdicts(meter("schneider_pm3200"), {"power_factor_total": 1.7}), "it skips the rule"


def test_a_counter_never_falls_except_over_its_dial():
    profile = meter("lovato_dmg610").model_copy()
    before = {"energy_active_import": 5_000.0}
    assert finding(profile, {"energy_active_import": 4_990.0}, "counters", before).detail == (
        "fell: energy_active_import from 5000 to 4990"
    )
    chint = meter("orno_or_we_514_515")  # uint32 x 10 Wh: the dial ends at 42.95 GWh
    limit = next(register.rolls_over_at for register in chint.registers if register.quantity == "energy_active_sum")
    assert limit is not None
    assert limit == 42_949_672_960.0
    assert verdicts(chint, {"energy_active_sum": 30.0}, {"energy_active_sum": limit - 10})["counters"] == "passed"
    assert verdicts(chint, {"energy_active_sum": 30.0}, {"energy_active_sum": limit / 2})["counters"] == "failed"
    assert verdicts(chint, {"energy_active_sum": limit / 2}, {"energy_active_sum": limit - 1})["counters"] == "failed"


def test_a_float_counter_has_no_dial_unless_the_profile_says_so():
    profile = meter()
    before, now = {"energy_active_import": 99_999_900.0}, {"energy_active_import": 100.0}
    assert verdicts(profile, now, before)["counters"] == "failed"
    dialled = MeterProfile.model_validate(
        profile.model_dump()
        | {
            "registers": [
                register.model_dump() | ({"dial_limit": 1e8} if register.quantity == "energy_active_import" else {})
                for register in profile.registers
            ]
        }
    )
    assert verdicts(dialled, now, before)["counters"] == "passed"


def test_a_counter_is_not_negative():
    assert finding(meter(), {"energy_active_import": -10.0}, "counters").verdict is Verdict.FAILED
    assert failed_quantities(meter(), {"energy_active_import": -10.0}).keys() == {"energy_active_import"}


@pytest.mark.parametrize(
    ("name", "value"), [("voltage_l1", 0.0), ("voltage_l1", 120.0), ("voltage_l1", 410.0), ("frequency", 0.0)]
)
def test_an_outage_a_sag_and_a_broken_neutral_are_true_in_a_poll(name, value):
    assert failed_quantities(meter(), {name: value}).keys() == frozenset()
    assert any(found.verdict is Verdict.FAILED for found in probe(meter(), {name: value}))


@pytest.mark.parametrize(
    ("values", "failed"),
    [
        (reading(), set()),
        (reading() | {"voltage_l2": 2301.0}, {"voltage_l2", "power_active_l2", "current_l2"}),
        (reading() | {"voltage_l2": -1.0}, {"voltage_l2", "power_active_l2", "current_l2"}),
        (reading() | {"frequency": 5000.0}, {"frequency"}),
        (reading() | {"power_factor_l1": 95.0}, {"power_factor_l1"}),
        ({"power_factor_l1": float("nan")}, {"power_factor_l1"}),
        (
            reading() | {"power_active_total": 1.0},
            {"power_active_total", "power_active_l1", "power_active_l2", "power_active_l3"},
        ),
        (reading() | {"current_l3": 0.01}, {"current_l3", "power_active_l3", "voltage_l3"}),
        ({"demand_active": 1e9}, set()),  # no rule of its own speaks of it
        ({"demand_active": 1e30}, {"demand_active"}),
    ],
)
def test_values_of_a_poll_that_must_not_be_trusted(values, failed):
    assert failed_quantities(meter(), values).keys() == failed


def test_values_of_two_requests_are_not_held_against_each_other():
    """At dusk the lamps come on between two requests; power of the phases and their total are then both true."""
    profile = meter("abb_b23")
    by_name = {register.quantity: register for register in profile.registers}
    assert by_name["power_active_total"].address - by_name["power_active_l3"].address < 125
    values = reading() | {"power_active_total": 0.0}
    assert "power_active_total" in failed_quantities(profile, values)
    narrow = profile.model_copy(update={"max_registers_per_read": 4})
    assert failed_quantities(narrow, values).keys() == frozenset()


def test_a_copy_of_a_profile_has_its_own_rules():
    profile = meter()
    assert failed_quantities(profile, {"frequency": 80.0}).keys() == {"frequency"}
    lax = profile.model_copy(update={"probe": profile.probe.model_copy(update={"skip": ("hertz",)})})
    assert failed_quantities(lax, {"frequency": 80.0}).keys() == frozenset()
    assert failed_quantities(profile, {"frequency": 80.0}).keys() == {"frequency"}
    for _ in range(600):  # more profiles than are kept prepared
        assert failed_quantities(profile.model_copy(), {"frequency": 80.0}).keys() == {"frequency"}


def test_a_profile_can_set_its_own_limits():
    profile = meter()
    rules = profile.probe.model_copy(update={"volts": (100.0, 140.0), "hertz": (58.0, 62.0)})
    american = profile.model_copy(update={"probe": rules})
    assert verdicts(american, {"voltage_l1": 120.0, "frequency": 60.0})["volts"] == "passed"
    assert verdicts(american, {"voltage_l1": 120.0, "frequency": 60.0})["hertz"] == "passed"
