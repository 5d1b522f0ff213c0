"""Counters: what they may do between two polls, what is doubted, for how long, and when they begin anew."""

import pytest

from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_drivers.profiles.counting import Counter, CountersOf, counters_of
from lentera_model.quantities import CATALOGUE

NAME, OTHER = "energy_active_import", "energy_active_export"
HOUR_S, WEEK_S = 3600, 7 * 24 * 3600


def meter(name: str = "eastron_sdm630", **limits: float) -> MeterProfile:
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    registers = [
        one.model_copy(update={"dial_limit": limits[one.quantity]}) if one.quantity in limits else one
        for one in profile.registers
    ]
    return profile.model_copy(update={"registers": tuple(registers)})


def counter(profile: MeterProfile, name: str = NAME) -> Counter:
    return next(one for one in counters_of(profile) if one.quantity == name)


def doubts(series: list[tuple[float, float]], profile: MeterProfile | None = None) -> str:
    """Return `.` for each believed reading of (seconds, Wh) and `!` for each that is doubted."""
    judge, marks = CountersOf(profile or meter()), ""
    for at_s, value in series:
        failed: dict[str, str] = {}
        judge.judge({NAME: value}, round(at_s * 1000), failed)
        marks += "!" if failed else "."
    return marks


def every(seconds: float, *values: float) -> list[tuple[float, float]]:
    return [(place * seconds, value) for place, value in enumerate(values)]


HIGH = 11_700_000.0


@pytest.mark.parametrize(
    ("series", "marks"),
    [
        # a momentary zero is doubted for all its polls, and what comes after it is believed at once
        (every(2, HIGH, 0, 0, 0, 0, HIGH, HIGH + 10), ".!!!!.."),
        # a constant 0 never becomes true, not in an hour
        (every(60, HIGH, *[0.0] * 60, HIGH), "." + "!" * 60 + "."),
        # it fell a little: doubted until it is at or above its last believed value again
        (every(2, 1000, 990, 990, 999, 1000, 1010), ".!!!.."),
        # a reset or another meter, under load: three rises and a minute
        (every(30, HIGH, 5, 15, 25, 35, 45), ".!!!.."),
        # three rises within less than a minute do not do
        (every(10, HIGH, 5, 15, 25, 35, 45, 55, 65, 75), ".!!!!!!.."),
        # it stood at 0 for an hour and then began to count: the minute counts from there
        (every(30, HIGH, *[0.0] * 120, 5, 15, 25, 35), "." + "!" * 123 + "."),
        # another meter by day: not 0 and steady for a quarter of an hour
        (every(60, HIGH, *[5.0] * 17), "." + "!" * 15 + ".."),
        # debris that jumps about never becomes true
        (every(60, HIGH, 7, 3, 900, 2, 800, 1, 700, 6, HIGH + 10), ".!!!!!!!!."),
        # a jump up that no load explains, for a moment and for good
        (every(2, HIGH, 9e8, 9e8, HIGH + 10, HIGH + 20), ".!!.."),
        (every(30, HIGH, 9e8, 9e8 + 10, 9e8 + 20, 9e8 + 30, 9e8 + 40), ".!!!.."),
        # down and up at once, and never where it was
        (every(2, HIGH, 0, 9e8, 0, 9e8, HIGH), ".!!!!."),
        # a meter that was dead for an hour, a gateway that could not reach it for a week: as much as 1 MW gives
        ([(0, HIGH), (HOUR_S, HIGH + 1e6)], ".."),
        ([(0, HIGH), (WEEK_S, HIGH + 168e6)], ".."),
        # one that brings its register up to date each minute, at 2 MW
        (every(1, HIGH, *[HIGH] * 59, HIGH + 33_333), "." * 61),
        # beyond what 10 MW gives in two hours
        ([(0, HIGH), (2 * HOUR_S, HIGH + 25e6)], ".!"),
        # a clock that stands, or a reply that came late, makes no fault of a normal rise
        ([(5, HIGH), (5, HIGH + 100), (4, HIGH + 200)], "..."),
        # a new meter begins at 0 and counts
        (every(60, 0, 0, 10, 20, 1000), "....."),
    ],
)
def test_what_a_counter_may_do(series, marks):
    assert doubts(series) == marks


@pytest.mark.parametrize(
    ("series", "marks"),
    [
        (every(2, 99_999_900, 100, 200), "..."),
        (every(2, 99_999_900, 0, 0), "..."),
        # near the end, but not so near that it could be over it
        (every(2, 96_000_000, 0, 0, 96_000_010), ".!!."),
        (every(2, 50_000_000, 100, 200), ".!!"),
        (every(2, 99_999_900, 6_000_000), ".!"),
        ([(0, 97_000_000), (HOUR_S, 100)], ".."),
    ],
)
def test_a_counter_rolls_over_where_it_is_near_its_end_and_then_near_zero(series, marks):
    assert doubts(series, meter(energy_active_import=1e8)) == marks


def test_a_counter_of_a_float_rolls_nowhere_over_unless_the_profile_says_so():
    assert doubts(every(2, 99_999_900, 100)) == ".!"


def test_an_integer_rolls_over_where_its_registers_end():
    profile = meter("orno_or_we_514_515")  # uint32 x 10 Wh: the dial ends at 42.95 GWh
    name = "energy_active_sum"
    limit = counter(profile, name).rolls_over_at
    assert limit is not None
    assert limit == 42_949_672_960.0
    assert counter(profile, name).why_not(limit - 10, 30.0, 2000) == ""
    assert "fell" in counter(profile, name).why_not(limit * 0.96, 30.0, 2000)


def test_a_coarse_register_or_a_large_float_may_take_its_own_steps():
    fine, coarse = counter(meter()), counter(meter("sunspec_203").at(40070))
    assert "rose" in fine.why_not(1e9, 1e9 + 1e6, 1000)
    assert coarse.why_not(1e9, 1e9 + 1e6, 1000) == "", "its scale stands in another register: a step may be a MWh"
    assert fine.why_not(8e12, 8e12 + 1e6, 1000) == "", "one step of a float32 is half a MWh there"


def test_the_reasons_name_the_believed_value_and_the_time():
    judge = CountersOf(meter())
    judge.judge({NAME: HIGH}, 0, {})
    for at_ms, value, why in (
        (2000, 0.0, "the counter fell from 11700000 to 0"),
        (4000, 0.0, "the counter fell from 11700000 to 0"),
        (6000, 9e8, "the counter rose from 11700000 to 900000000 Wh in 6 s, faster than 10 MW"),
    ):
        failed: dict[str, str] = {}
        judge.judge({NAME: value}, at_ms, failed)
        assert failed == {NAME: why}


def test_the_zeros_of_another_meter_begin_anew_with_a_counter_that_counts():
    """What is never exported would be doubted for ever; without a counter that counts all zeros stay doubted."""
    judge, doubted = CountersOf(meter()), []
    for place, (taken, given) in enumerate([(HIGH, 500.0), *((5.0 + 10 * more, 0.0) for more in range(6))]):
        failed: dict[str, str] = {}
        judge.judge({NAME: taken, OTHER: given}, place * 30_000, failed)
        doubted.append(set(failed))
    assert doubted == [set(), *[{NAME, OTHER}] * 3, set(), set(), set()]
    for more in range(100):
        judge.judge({NAME: 1e9, OTHER: 0.0}, 300_000 + more, {})
    judge.judge({OTHER: 300.0}, 400_000, failed := {})
    assert not failed


def test_what_failed_another_rule_is_neither_a_level_nor_a_trial():
    judge = CountersOf(meter())
    for at_ms in (0, 2000):
        failed = {NAME: "2.05e+25 Wh"}
        judge.judge({NAME: 2.05e25}, at_ms, failed)
        assert failed == {NAME: "2.05e+25 Wh"}
    judge.judge({NAME: HIGH}, 4000, failed := {})
    assert not failed


def test_what_may_fall_is_left_alone():
    judge = CountersOf(meter("eastron_sdm72d_m_v2"))
    before = {"energy_active_net": 5.0, "energy_active_resettable": 5.0, "energy_active_import": 5.0}
    judge.judge(before, 0, {})
    judge.judge(dict.fromkeys(before, 4.0), 1000, failed := {})
    assert failed.keys() == {"energy_active_import"}


def test_a_profile_may_skip_the_rule():
    profile = meter()
    lax = profile.model_copy(update={"probe": profile.probe.model_copy(update={"skip": ("counters",)})})
    assert doubts(every(2, HIGH, 0), lax) == ".."


def test_hours_and_volumes_have_rates_of_their_own_and_every_counter_has_one():
    kinds = {entry.unit for entry in CATALOGUE.values() if entry.kind == "counter"}
    assert kinds == {"Wh", "varh", "VAh", "s", "m3"}
