"""Meters and loads: what they say is consistent, energy is the integral of power, and the seed decides everything."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lentera_drivers.profiles import MeterProfile, list_profiles, load_profile
from lentera_sim.clock import SimClock
from lentera_sim.errors import PlanError
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import MARKET, OFFICE, BuildingLoad, CabinetLoad, DayShape
from lentera_sim.physics.luminaire import Luminaire
from lentera_sim.physics.meter import ThreePhaseMeter, check_quantities

EPOCH_MS = 1_790_000_003_217  # not on a lattice minute
PHASES = ("l1", "l2", "l3")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def office_meter(seed: int = 7, name: str = "meter-office", shape: DayShape = OFFICE) -> ThreePhaseMeter:
    return ThreePhaseMeter(name, seed, Grid(seed), BuildingLoad(seed, name, 22_000.0, shape, EPOCH_MS))


def lit_cabinet() -> tuple[ThreePhaseMeter, list[Luminaire]]:
    lamps = [Luminaire(f"lamp-{number}", 50.0 + 10 * number, number % 3) for number in range(7)]
    for lamp in lamps:
        lamp.energise(EPOCH_MS)
    return ThreePhaseMeter("meter-cabinet", 7, Grid(7), CabinetLoad(lamps, EPOCH_MS)), lamps


def assert_consistent(values: dict[str, float]) -> None:
    for phase in PHASES:
        active, reactive = values[f"power_active_{phase}"], values[f"power_reactive_{phase}"]
        apparent = values[f"power_apparent_{phase}"]
        assert apparent == pytest.approx(values[f"voltage_{phase}"] * values[f"current_{phase}"], rel=1e-9)
        assert active == pytest.approx(apparent * values[f"power_factor_{phase}"], rel=1e-9)
        assert abs(reactive) == pytest.approx(math.sqrt(max(0.0, apparent**2 - active**2)), rel=1e-6, abs=1e-4)
    for kind in ("active", "reactive", "apparent"):
        phases = [values[f"power_{kind}_{phase}"] for phase in PHASES]
        assert values[f"power_{kind}_total"] == pytest.approx(sum(phases), rel=1e-12)
    for counter in ("energy_active_import", "energy_reactive_import", "energy_reactive_export"):
        phases = [values[f"{counter}_{phase}"] for phase in PHASES]
        assert values[counter] == pytest.approx(sum(phases), rel=1e-12)


@given(st.integers(0, 40 * HOUR_MS))
def test_a_buildings_values_agree_with_one_another(offset_ms: int) -> None:
    assert_consistent(office_meter().values(EPOCH_MS + offset_ms))


def test_a_cabinets_values_agree_with_one_another_while_lamps_fade() -> None:
    meter, lamps = lit_cabinet()
    for step in range(60):
        at_ms = EPOCH_MS + 50 * step
        lamps[step % 7].command(step % 101, at_ms)
        assert_consistent(meter.values(at_ms))


@settings(max_examples=12)
@given(st.integers(0, 6 * HOUR_MS), st.integers(60, 600))
def test_a_buildings_energy_is_the_integral_of_its_power(start_offset_ms: int, seconds: int) -> None:
    load = BuildingLoad(7, "meter-office", 22_000.0, OFFICE, EPOCH_MS)
    start_ms = EPOCH_MS + start_offset_ms
    # Midpoint rule at 0.5 s: its error on waves of 6 s and longer is far below the tolerance.
    powers = [load.power(start_ms + 500 * step + 250) for step in range(2 * seconds)]
    starts, ends = load.energy(start_ms), load.energy(start_ms + 1000 * seconds)
    for phase, (start, end) in enumerate(zip(starts, ends, strict=True)):
        active = sum(power[phase].active_w for power in powers) / 7200
        reactive = sum(power[phase].reactive_var for power in powers) / 7200
        apparent = sum(math.hypot(power[phase].active_w, power[phase].reactive_var) for power in powers) / 7200
        assert end.active_wh - start.active_wh == pytest.approx(active, rel=1e-4)
        assert end.reactive_import_varh - start.reactive_import_varh == pytest.approx(reactive, rel=1e-4)
        assert end.apparent_vah - start.apparent_vah == pytest.approx(apparent, rel=1e-3)


def test_a_buildings_energy_is_zero_at_the_clocks_start_and_never_falls() -> None:
    load = BuildingLoad(7, "market", 64_000.0, MARKET, EPOCH_MS)
    assert all(phase.active_wh == 0 for phase in load.energy(EPOCH_MS))
    readings = [load.energy(EPOCH_MS + 700 * step)[0].active_wh for step in range(400)]
    assert all(later > earlier for earlier, later in pairwise(readings))


def test_the_rate_of_reading_does_not_change_the_energy() -> None:
    often, seldom = office_meter(), office_meter()
    for step in range(0, 6 * 3600, 7):
        often.values(EPOCH_MS + step * 1000)
    end_ms = EPOCH_MS + 7 * HOUR_MS
    assert often.values(end_ms)["energy_active_import"] == seldom.values(end_ms)["energy_active_import"]


def test_the_past_can_be_asked_again() -> None:
    load = BuildingLoad(7, "meter-office", 22_000.0, OFFICE, EPOCH_MS)
    times = [EPOCH_MS + step * 17 * 60_000 for step in range(120)]
    forward = [(load.power(at), load.energy(at)) for at in times]
    backward = [(load.power(at), load.energy(at)) for at in reversed(times)]
    assert backward[::-1] == forward


def test_the_seed_decides_everything() -> None:
    at_ms = EPOCH_MS + 12_345
    assert office_meter(seed=7).values(at_ms) == office_meter(seed=7).values(at_ms)
    other = office_meter(seed=8).values(at_ms)
    same = [name for name, value in office_meter(seed=7).values(at_ms).items() if value == other[name]]
    assert all(other[name] == 0 for name in same), same


def test_a_cabinets_energy_is_that_of_its_lamps_its_cable_and_its_controller() -> None:
    meter, lamps = lit_cabinet()
    before = meter.values(EPOCH_MS)["energy_active_import"]
    lamps[0].command(30, EPOCH_MS + 1000)
    lamps[3].command(0, EPOCH_MS + 1500)
    at_ms = EPOCH_MS + 2 * HOUR_MS
    after = meter.values(at_ms)["energy_active_import"]
    expected = (
        sum(lamp.energy_wh(at_ms) for lamp in lamps) * (1 + CabinetLoad.CABLE_LOSS) + CabinetLoad.CONTROLLER_W * 2
    )
    assert after - before == pytest.approx(expected, rel=1e-9)


def test_a_cabinet_sees_a_lamp_dimmed() -> None:
    meter, lamps = lit_cabinet()
    before = meter.values(EPOCH_MS + 1000)["power_active_total"]
    lamps[1].command(40, EPOCH_MS + 1000)
    after = meter.values(EPOCH_MS + 2000)["power_active_total"]
    saved = lamps[1].rated_w - lamps[1].power_w(EPOCH_MS + 2000)
    assert saved > 0.5 * lamps[1].rated_w
    assert before - after == pytest.approx(saved * (1 + CabinetLoad.CABLE_LOSS), rel=1e-6)


def test_apparent_energy_of_a_cabinet_counts_between_readings() -> None:
    meter, _ = lit_cabinet()
    start, *_, end = [meter.values(EPOCH_MS + 1000 * second) for second in range(61)]
    apparent = sum(end[f"power_apparent_{phase}"] for phase in PHASES) / 60
    assert end["energy_apparent"] - start["energy_apparent"] == pytest.approx(apparent, rel=1e-6)


def test_an_office_works_by_day_and_sleeps_by_night() -> None:
    meter = office_meter()
    midnight_ms = EPOCH_MS - (EPOCH_MS + 7 * HOUR_MS) % DAY_MS + DAY_MS
    at_night = meter.values(midnight_ms + 3 * HOUR_MS)["power_active_total"]
    at_noon = meter.values(midnight_ms + 12 * HOUR_MS)["power_active_total"]
    assert 4 * at_night < at_noon < 25_000


@given(st.integers(0, 30 * DAY_MS))
def test_the_grid_stays_within_what_a_grid_does(offset_ms: int) -> None:
    grid = Grid(3)
    at_ms = EPOCH_MS + offset_ms
    assert 49.9 < grid.frequency_hz(at_ms) < 50.1
    assert all(215 < grid.voltage_v(phase, at_ms) < 236 for phase in range(3))


def test_noise_moves_from_second_to_second() -> None:
    grid = Grid(3)
    assert len({round(grid.voltage_v(0, EPOCH_MS + 1000 * second), 3) for second in range(60)}) == 60


def test_demand_is_the_mean_of_what_was_drawn() -> None:
    meter = office_meter()
    seen = [meter.values(EPOCH_MS + 1000 * second) for second in range(0, 1200)]
    recent = [values["power_active_total"] for values in seen[-900:]]
    assert seen[-1]["demand_active"] == pytest.approx(sum(recent) / len(recent), rel=0.02)
    assert seen[-1]["demand_active_max"] == max(values["demand_active"] for values in seen)


@pytest.mark.parametrize("profile_id", list_profiles())
def test_a_meter_gives_every_quantity_of_every_packaged_profile(profile_id: str) -> None:
    profile = load_profile(profile_id)
    if isinstance(profile, MeterProfile):
        check_quantities(office_meter(), EPOCH_MS, (register.quantity for register in profile.registers), profile_id)


def test_a_quantity_that_no_meter_measures_is_refused_by_name() -> None:
    with pytest.raises(PlanError, match=r"meter-office: profile x has registers for volume_gas_m3"):
        check_quantities(office_meter(), EPOCH_MS, ["voltage_l1", "volume_gas_m3"], "x")


def test_the_clock_runs_as_fast_as_told() -> None:
    seconds = 100.0
    clock = SimClock(speed=60, epoch_ms=EPOCH_MS, monotonic_s=lambda: seconds)
    seconds = 101.5
    assert clock.now_ms() == EPOCH_MS + 90_000
    assert clock.wall_seconds(90_000) == 1.5
    with pytest.raises(PlanError, match="speed"):
        SimClock(speed=0)
