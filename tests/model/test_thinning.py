"""Thinning: what is left was read, the newest is there, counters and changes untouched; means lie among the values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_model.quantities import CATALOGUE, Kind
from lentera_model.readings import Quality, Sample
from lentera_model.thinning import NewestEach, means

MOMENTS = ["voltage_l1", "power_active_total", "phase_angle_total", "demand_active_max"]
COUNTERS = ["energy_active_import", "operating_time", "a_newer_gateways_name"]
STATES = ["level_commanded_percent", "lamp_failure"]

values = st.dictionaries(
    st.sampled_from(MOMENTS + COUNTERS + STATES),
    st.integers(-3, 3).map(float) | st.floats(-1e9, 1e9, width=32),
    min_size=1,
)
samples = st.lists(
    st.builds(
        Sample,
        st.sampled_from(["m1", "m2"]),
        st.just("p"),
        st.integers(0, 4_000_000) | st.integers(0, 200_000),
        values,
        st.sampled_from(list(Quality)),
    ),
    max_size=40,
)
in_order = samples.map(lambda found: sorted(found, key=lambda sample: sample.monotonic_ms))
intervals = st.sampled_from([1, 1000, 60_000, 900_000])


def newest_each(samples, every_ms, counters=False):
    """What is left of samples that come all at once."""
    thinning = NewestEach(every_ms, counters)
    for sample in samples:
        thinning.add(sample)
    return [sample for sample in thinning.result() if sample is not None]


def flat(found: list[Sample]) -> list[tuple[str, str, int, float, Quality]]:
    """Every value with all that is known of it."""
    return [
        (sample.device, name, sample.monotonic_ms, value, sample.quality)
        for sample in found
        for name, value in sample.values.items()
    ]


def of_kind(found: list[Sample], names: list[str]) -> list[tuple[str, str, int, float]]:
    return [row[:4] for row in flat(found) if row[1] in names]


def by_interval(found: list[Sample], every_ms: int) -> dict[tuple[str, str, int], list[tuple[int, float]]]:
    groups: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for device, name, at_ms, value, _ in flat(found):
        groups.setdefault((device, name, at_ms // every_ms), []).append((at_ms, value))
    return groups


@given(samples, intervals, st.booleans())
def test_what_is_left_was_read_in_that_order_and_with_that_quality(found, every_ms, counters) -> None:
    left = iter(flat(found))
    for row in flat(newest_each(found, every_ms, counters)):
        assert any(row == before for before in left)


@given(samples, intervals, st.booleans())
def test_the_newest_of_each_interval_is_kept_and_of_moments_nothing_else(found, every_ms, counters) -> None:
    left = by_interval(newest_each(found, every_ms, counters), every_ms)
    for place, rows in by_interval(found, every_ms).items():
        newest_ms = max(at_ms for at_ms, _ in rows)
        newest = [row for row in rows if row[0] == newest_ms][-1]
        assert newest in left[place]
        if place[1] in MOMENTS or (counters and place[1] in COUNTERS):
            assert left[place] == [newest]


@given(samples, intervals)
def test_counters_and_unknown_names_are_untouched_until_it_is_asked_for(found, every_ms) -> None:
    assert of_kind(newest_each(found, every_ms), COUNTERS) == of_kind(found, COUNTERS)
    assert of_kind(means(found, every_ms), COUNTERS + STATES) == of_kind(found, COUNTERS + STATES)


@given(samples, intervals, st.booleans())
def test_each_change_of_a_state_is_kept(found, every_ms, counters) -> None:
    def changes(some: list[Sample]) -> list[tuple[str, str, int, float]]:
        last: dict[tuple[str, str], float] = {}
        kept = []
        for device, name, at_ms, value in of_kind(some, STATES):
            if last.get((device, name)) != value:
                kept.append((device, name, at_ms, value))
            last[device, name] = value
        return kept

    assert changes(newest_each(found, every_ms, counters)) == changes(found)


@given(samples, intervals, st.booleans())
def test_a_second_time_changes_nothing(found, every_ms, counters) -> None:
    once = newest_each(found, every_ms, counters)
    assert newest_each(once, every_ms, counters) == once


@given(samples)
def test_after_the_finer_the_coarser_gives_what_it_gives_alone(found) -> None:
    alone = newest_each(found, 900_000)
    assert newest_each(newest_each(found, 60_000), 900_000) == alone
    last = newest_each(found, 900_000, counters=True)
    assert newest_each(newest_each(newest_each(found, 60_000), 900_000), 900_000, counters=True) == last


@given(samples, samples, intervals, st.booleans())
def test_it_can_be_taken_up_again_where_it_was_left(first, second, every_ms, counters) -> None:
    carried = newest_each(first, every_ms, counters)
    assert newest_each(carried + second, every_ms, counters) == newest_each(first + second, every_ms, counters)


def test_the_result_stands_beside_what_was_added_and_is_the_same_object_where_nothing_went() -> None:
    thinning = NewestEach(60_000)
    given_ = [
        Sample("m1", "p", 1000, {"voltage_l1": 1.0}),
        Sample("m1", "p", 2000, {"voltage_l1": 2.0, "energy_active_import": 7.0}),
        Sample("m1", "p", 3000, {"voltage_l1": 3.0}),
    ]
    for sample in given_:
        thinning.add(sample)
    assert thinning.result() == [None, Sample("m1", "p", 2000, {"energy_active_import": 7.0}), given_[2]]
    assert thinning.result()[2] is given_[2]
    assert given_[1].values == {"voltage_l1": 2.0, "energy_active_import": 7.0}, "what was given is not touched"


def test_of_two_values_with_one_stamp_the_later_is_the_newest() -> None:
    pair = [Sample("m1", "p", 5, {"voltage_l1": value}) for value in (1.0, 2.0)]
    assert newest_each(pair, 60_000) == [pair[1]]


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 ms"):
        newest_each([], 0)


@given(in_order, intervals)
def test_a_mean_stands_where_the_newest_stood_and_lies_among_the_values(found, every_ms) -> None:
    left = by_interval(means(found, every_ms), every_ms)
    for place, rows in by_interval(found, every_ms).items():
        if place[1] in MOMENTS:
            ((at_ms, value),) = left[place]
            given_ = [one for _, one in rows]
            assert at_ms == max(at for at, _ in rows)
            assert min(given_) <= value <= max(given_)
            if place[1] in ("phase_angle_total", "demand_active_max"):
                assert value == rows[-1][1]
            else:
                assert value == pytest.approx(sum(given_) / len(given_), rel=1e-6, abs=1e-3)
    assert left.keys() == by_interval(found, every_ms).keys()


@given(samples, intervals)
def test_means_of_means_are_the_means(found, every_ms) -> None:
    once = means(found, every_ms)
    assert means(once, every_ms) == once


def test_a_mean_has_the_worst_quality_of_what_it_was_made_of_and_only_that() -> None:
    found = [
        Sample("m1", "p", 1000, {"voltage_l1": 1.0}, Quality.IMPLAUSIBLE),
        Sample("m1", "p", 2000, {"energy_active_import": 5.0}, Quality.DEVICE_FAULT),
        Sample("m1", "p", 3000, {"voltage_l1": 4.0, "lamp_failure": 1.0}, Quality.SUSPECT),
        Sample("m2", "p", 3000, {"voltage_l1": 9.0}),
        Sample("m1", "p", 61_000, {"voltage_l1": 7.0}),
    ]
    assert means(found, 60_000) == [
        found[1],
        Sample("m1", "p", 3000, {"voltage_l1": 2.5, "lamp_failure": 1.0}, Quality.IMPLAUSIBLE),
        *found[3:],
    ]


def test_the_names_of_these_tests_are_what_they_are_taken_for() -> None:
    assert {CATALOGUE[name].kind for name in MOMENTS} == {Kind.INSTANTANEOUS}
    assert {CATALOGUE[name].kind for name in COUNTERS if name in CATALOGUE} == {Kind.COUNTER}
    assert {CATALOGUE[name].kind for name in STATES} == {Kind.STATE}
