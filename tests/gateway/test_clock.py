"""The clock: which source is trusted when, and that stamps do not dance."""

import pytest

from lentera_gateway.clock import (
    BUILD_TIME_MS,
    KERNEL_TRIAL_MS,
    LINK_WITNESS_MS,
    BootIdError,
    ClockKeeper,
    KernelClock,
    boot_id,
    kernel_clock,
    monotonic_ms,
    system_wall_ms,
)
from lentera_model.batch import ClockFit

DAY = 86_400_000
WALL = BUILD_TIME_MS + 365 * DAY


def settled() -> ClockKeeper:
    """A keeper with a floor, whose kernel and cloud agree on WALL at the boot's instant 0."""
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.raise_floor(WALL - 3_600_000)
    keeper.observe_kernel(KernelClock(True, 5), WALL, 0)
    keeper.observe_link(WALL, 0, 50)
    return keeper


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
    for first in ("kernel", "link"):
        keeper = ClockKeeper(BUILD_TIME_MS)
        said = {
            "kernel": lambda keeper=keeper: keeper.observe_kernel(KernelClock(True, 5), WALL, 1000),
            "link": lambda keeper=keeper: keeper.observe_link(WALL + 90_000, 1000, 10),
        }
        said.pop(first)()
        said.popitem()[1]()
        assert (fit_of(keeper).source, fit_of(keeper).offset_ms) == ("ntp", WALL - 1000), first


def test_the_link_wins_over_a_kernel_that_the_cloud_would_refuse():
    for first in ("kernel", "link"):
        keeper = ClockKeeper(BUILD_TIME_MS)
        said = {
            "kernel": lambda keeper=keeper: keeper.observe_kernel(KernelClock(True, 5), WALL + DAY, 1000),
            "link": lambda keeper=keeper: keeper.observe_link(WALL, 1000, 10),
        }
        said.pop(first)()
        said.popitem()[1]()
        assert (fit_of(keeper).source, fit_of(keeper).offset_ms) == ("link", WALL - 1000), first


@pytest.mark.parametrize("step_ms", [90_000, -90_000, DAY, -DAY + 60_000])
def test_a_kernel_that_jumps_is_not_believed_against_the_cloud(step_ms):
    keeper = settled()
    for second in range(1, 4_000):
        keeper.observe_kernel(KernelClock(True, 5), WALL + step_ms + second * 1000, second * 1000)
        if second % 600 == 0:
            keeper.observe_link(WALL + second * 1000, second * 1000, 50)
        assert fit_of(keeper).offset_ms == WALL, second
        assert keeper.disputed_ms == step_ms
    keeper.observe_kernel(KernelClock(True, 5), WALL + 4_000_000, 4_000_000)
    assert keeper.disputed_ms == 0


def test_a_kernel_that_is_put_right_is_believed_once_the_cloud_bears_it_out():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_kernel(KernelClock(True, 5), WALL - 90_000, 0)
    keeper.observe_kernel(KernelClock(True, 5), WALL + 1000, 1000)
    assert fit_of(keeper).offset_ms == WALL - 90_000
    keeper.observe_link(WALL + 2000, 2000, 50)
    keeper.observe_kernel(KernelClock(True, 5), WALL + 3000, 3000)
    assert fit_of(keeper).offset_ms == WALL


def test_without_a_cloud_a_jump_must_stand_still_for_ten_minutes():
    keeper = settled()
    later = LINK_WITNESS_MS + 1_000
    for at_ms in range(later, later + KERNEL_TRIAL_MS, 1000):
        keeper.observe_kernel(KernelClock(True, 5), WALL + 90_000 + at_ms, at_ms)
        assert fit_of(keeper).offset_ms == WALL
    at_ms = later + KERNEL_TRIAL_MS
    keeper.observe_kernel(KernelClock(True, 5), WALL + 90_000 + at_ms, at_ms)
    assert (fit_of(keeper).offset_ms, keeper.disputed_ms) == (WALL + 90_000, 0)


def test_a_clock_that_wanders_or_is_set_by_hand_never_passes_the_trial():
    keeper = settled()
    later = LINK_WITNESS_MS + 1_000
    for number, at_ms in enumerate(range(later, later + 3 * KERNEL_TRIAL_MS, 60_000)):
        keeper.observe_kernel(KernelClock(True, 5), WALL + 90_000 + 100 * number + at_ms, at_ms)
        assert fit_of(keeper).offset_ms == WALL
    for at_ms in range(later, later + 3 * KERNEL_TRIAL_MS, 60_000):
        keeper.observe_kernel(KernelClock(at_ms // 60_000 % 4 != 0, 5), WALL + 90_000 + at_ms, at_ms)
        assert fit_of(keeper).offset_ms == WALL


def test_a_kernel_that_fell_silent_does_not_hold_against_the_cloud():
    keeper = ClockKeeper(BUILD_TIME_MS)
    keeper.observe_kernel(KernelClock(True, 5), WALL + 60_000, 0)
    keeper.observe_link(WALL + KERNEL_TRIAL_MS, KERNEL_TRIAL_MS, 10)
    assert fit_of(keeper).source == "ntp"
    keeper.observe_link(WALL + KERNEL_TRIAL_MS + 1000, KERNEL_TRIAL_MS + 1000, 10)
    assert (fit_of(keeper).source, fit_of(keeper).offset_ms) == ("link", WALL)


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
