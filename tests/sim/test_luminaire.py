"""A luminaire: it acts after its delay, fades, and its energy is the integral of its power."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_sim.errors import PlanError
from lentera_sim.physics.luminaire import STANDBY_W, Luminaire

START_MS = 1_790_000_000_000


def lit(delay_ms: int = 150, fade_ms: int = 200) -> Luminaire:
    lamp = Luminaire("lamp", 100.0, 0, delay_ms=delay_ms, fade_ms=fade_ms)
    lamp.energise(START_MS)
    return lamp


def test_it_comes_on_at_full_level_and_rated_power() -> None:
    lamp = Luminaire("lamp", 100.0, 0)
    assert (lamp.level_percent(START_MS), lamp.power_w(START_MS), lamp.power_factor(START_MS)) == (0.0, 0.0, 0.0)
    lamp.energise(START_MS)
    assert lamp.level_percent(START_MS) == 100.0
    assert lamp.power_w(START_MS) == pytest.approx(100.0)


def test_it_acts_after_its_delay_and_fades() -> None:
    lamp = lit(delay_ms=150, fade_ms=200)
    settled_ms = lamp.command(40, START_MS)
    assert settled_ms == START_MS + 350
    assert [round(lamp.level_percent(START_MS + at), 3) for at in (0, 149, 150, 250, 349, 350, 9000)] == [
        100.0,
        100.0,
        100.0,
        70.0,
        40.3,
        40.0,
        40.0,
    ]


def test_a_second_order_during_a_fade_starts_from_the_level_then() -> None:
    lamp = lit(delay_ms=100, fade_ms=200)
    lamp.command(0, START_MS)
    lamp.command(100, START_MS + 100)  # acts at 200, half way down
    assert lamp.level_percent(START_MS + 200) == pytest.approx(50.0)
    assert lamp.level_percent(START_MS + 300) == pytest.approx(75.0)
    assert lamp.level_percent(START_MS + 400) == pytest.approx(100.0)


def test_an_order_that_has_not_begun_is_replaced() -> None:
    lamp = lit(delay_ms=100, fade_ms=0)
    lamp.command(10, START_MS)
    lamp.delay_ms = 50
    lamp.command(80, START_MS + 20)
    assert lamp.level_percent(START_MS + 90) == 80.0
    assert lamp.level_percent(START_MS + 500) == 80.0


def test_off_is_standby_and_a_failed_lamp_is_dark() -> None:
    lamp = lit()
    lamp.command(0, START_MS)
    assert lamp.power_w(START_MS + 1000) == STANDBY_W
    lamp.command(100, START_MS + 1000)
    lamp.failed = True
    assert lamp.level_percent(START_MS + 5000) == 0.0
    assert lamp.power_w(START_MS + 5000) == STANDBY_W


def test_without_supply_nothing_happens() -> None:
    lamp = Luminaire("lamp", 60.0, 1)
    assert lamp.command(50, START_MS) == START_MS
    assert lamp.power_w(START_MS + 1000) == 0.0
    assert lamp.energy_wh(START_MS + 3_600_000) == 0.0


@given(st.floats(1, 99), st.floats(1, 99))
def test_power_and_power_factor_rise_with_level(one: float, other: float) -> None:
    low, high = sorted((one, other))
    powers, factors = [], []
    for level in (low, high):
        lamp = lit()
        lamp.command(level, START_MS)
        powers.append(lamp.power_w(START_MS + 1000))
        factors.append(lamp.power_factor(START_MS + 1000))
    assert powers == sorted(powers)
    assert factors == sorted(factors)
    assert 0.1 < factors[0] <= 0.981


orders = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 100)), max_size=12)


@given(orders)
def test_energy_is_the_integral_of_power_whatever_is_ordered(sequence: list[tuple[int, int]]) -> None:
    lamp = lit()
    at_ms, integral = START_MS, 0.0
    for pause_ms, level in [*sequence, (1000, 50)]:
        for _ in range(pause_ms):
            # The mean of both ends of a millisecond; a step of power inside one is at most 100 W for 1 ms.
            before = lamp.power_w(at_ms)
            at_ms += 1
            integral += (before + lamp.power_w(at_ms)) / 2 / 3_600_000
        lamp.command(level, at_ms)
    assert lamp.energy_wh(at_ms) == pytest.approx(integral, abs=(len(sequence) + 1) * 6 / 3_600_000 * 2)


@given(orders)
def test_reading_more_often_changes_nothing(sequence: list[tuple[int, int]]) -> None:
    often, seldom = lit(), lit()
    at_ms = START_MS
    for pause_ms, level in sequence:
        for step in range(0, pause_ms, 13):
            often.power_w(at_ms + step)
        at_ms += pause_ms
        often.command(level, at_ms)
        seldom.command(level, at_ms)
    end_ms = at_ms + 60_000
    assert often.energy_wh(end_ms) == pytest.approx(seldom.energy_wh(end_ms), rel=1e-9)
    assert often.operating_s(end_ms) == seldom.operating_s(end_ms)


def test_it_counts_hours_of_light_and_warms_up() -> None:
    lamp = lit()
    assert lamp.operating_s(START_MS + 3_600_000) == 3600.0
    assert 50 < lamp.temperature_c(START_MS + 3_600_000) < 56
    lamp.command(0, START_MS + 3_600_000)
    assert lamp.operating_s(START_MS + 7_200_000) == pytest.approx(3600.35)


def test_impossible_lamps_are_refused() -> None:
    with pytest.raises(PlanError, match="lamp-9"):
        Luminaire("lamp-9", 0.0, 0)
    with pytest.raises(PlanError, match="phase 3"):
        Luminaire("lamp-9", 10.0, 3)
