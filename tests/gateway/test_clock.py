"""The clock: which source is trusted when, and that stamps do not dance."""

import pytest

from lentera_gateway.clock import (
    BUILD_TIME_MS,
    BootIdError,
    ClockKeeper,
    KernelClock,
    boot_id,
    kernel_clock,
    monotonic_ms,
    system_wall_ms,
)
from lentera_model.batch import ClockFit

WALL = BUILD_TIME_MS + 365 * 86_400_000


def fit_of(keeper: ClockKeeper) -> ClockFit:
    assert keeper.fit is not None
    return keeper.fit


def test_no_fit_before_a_source_speaks():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_kernel(KernelClock(False, 1), WALL, 1000)
    keeper.observe_kernel(None, WALL, 1000)
    assert keeper.fit is None


def test_a_disciplined_kernel_is_trusted():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_kernel(KernelClock(True, 12), WALL, 1000)
    assert (fit_of(keeper).offset_ms, fit_of(keeper).uncertainty_ms, fit_of(keeper).source) == (WALL - 1000, 12, "ntp")


def test_a_kernel_far_behind_the_last_saved_time_is_not():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.raise_floor(WALL)
    keeper.observe_kernel(KernelClock(True, 12), WALL - 2 * 86_400_000, 1000)
    assert keeper.fit is None


def test_the_link_gives_a_fit_with_half_the_round_trip():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_link(WALL, 5000, 150)
    assert (fit_of(keeper).offset_ms, fit_of(keeper).uncertainty_ms, fit_of(keeper).source) == (
        WALL - 5000,
        150,
        "link",
    )
    assert keeper.now_ms(6000, 0) == WALL + 1000


@pytest.mark.parametrize(("server_ms", "uncertainty_ms"), [(0, 5), (BUILD_TIME_MS - 1, 5), (WALL, 60_000)])
def test_a_server_without_a_plausible_clock_or_answer_is_ignored(server_ms, uncertainty_ms):
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_link(server_ms, 5000, uncertainty_ms)
    assert keeper.fit is None


def test_a_fit_is_held_while_nothing_contradicts_it():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_link(WALL, 5000, 100)
    first = keeper.fit
    for at, jitter in ((30_000, 60), (60_000, -70), (90_000, 90)):
        keeper.observe_link(WALL + at - 5000 + jitter, at, 95)
    assert keeper.fit == first


def test_a_much_better_or_a_contradicting_observation_replaces_it():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_link(WALL, 5000, 400)
    keeper.observe_link(WALL + 1100, 6000, 10)
    assert fit_of(keeper).uncertainty_ms == 10
    keeper.observe_link(WALL + 60_000, 7000, 10)
    assert fit_of(keeper).offset_ms == WALL + 53_000


def test_the_kernel_wins_over_a_contradicting_link():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_kernel(KernelClock(True, 5), WALL, 1000)
    keeper.observe_link(WALL + 90_000, 2000, 10)
    assert fit_of(keeper).source == "ntp"


def test_an_old_fit_gives_way_because_crystals_drift():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_link(WALL, 0, 20)
    day = 86_400_000
    keeper.observe_link(WALL + day + 3000, day, 20)  # 35 ppm: within what drift explains
    assert fit_of(keeper).offset_ms == WALL + 3000


def test_the_wall_clock_never_starts_before_the_floor():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.raise_floor(WALL)
    assert keeper.now_ms(1000, 0) == WALL
    assert keeper.now_ms(3000, 0) == WALL + 2000
    assert keeper.now_ms(3000, WALL + 99_000) == WALL + 99_000


def test_this_machines_clocks_answer():
    first = monotonic_ms()
    assert 0 < first <= monotonic_ms()
    assert system_wall_ms() > BUILD_TIME_MS
    assert len(boot_id()) == 16
    state = kernel_clock()
    assert state is None or state.uncertainty_ms >= 0


def test_a_machine_without_a_boot_id_is_told_what_is_needed(tmp_path):
    with pytest.raises(BootIdError, match="needs Linux with /proc"):
        boot_id(tmp_path / "nothing")
