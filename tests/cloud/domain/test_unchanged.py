"""What a report by exception left out is told from what is lost or late, and means of a quota from what was read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_cloud.domain.completeness import Absence, Pace, PaceVersion, ReadCount
from lentera_model.quantities import CATALOGUE
from lentera_model.readings import Sample
from lentera_model.thinning import means
from tests.cloud.domain.hours import hour_of
from tests.cloud.domain.test_completeness import at, hour, of, stored

HEARTBEAT = (PaceVersion(0, (Pace(10_000, heartbeat_ms=900_000),)),)


@pytest.mark.parametrize(
    ("changes", "unchanged", "missing"),
    [
        ({"received": stored(20), "reads": {10_000: ReadCount(360)}}, 340, 0),
        ({"received": stored(20), "reads": {10_000: ReadCount(300, {"silent": 60})}}, 280, 60),
        ({"received": stored(4)}, 356, 0),
        ({"received": stored(1)}, 119, 240),  # one heartbeat of three: a third of the hour is proved
        ({"received": {}}, 0, 360),
        ({"received": {}, "reads": {10_000: ReadCount(360)}}, 0, 360),  # read, but no heartbeat has come yet
    ],
)
def test_a_value_left_out_is_unchanged_only_where_heartbeats_prove_it(changes, unchanged: int, missing: int) -> None:
    found = of(hour(versions=HEARTBEAT, **changes))
    assert (found.unchanged, found.missing) == (unchanged, missing)


COUNTED = {10_000: ReadCount(360)}
"""All were answered; how many of them were left out is not told."""


def gap(reason: str, from_minute: float, to_minute: float, detail_s: int = 0) -> tuple[Absence, ...]:
    return (Absence(reason, at(from_minute), at(to_minute), detail_s),)


DOUBT = {
    "a power cut of half the hour, nothing counted": (
        {"absences": gap("power_cut", 30, 60)},
        180,
        0,
        {"power_cut": 180},
    ),
    "and little had changed before": ({"absences": gap("power_cut", 30, 60)}, 3, 177, {"power_cut": 180}),
    "a power cut, and the other half was counted": (
        {"absences": gap("power_cut", 30, 60), "reads": {10_000: ReadCount(180)}},
        20,
        160,
        {"power_cut": 180},
    ),
    "two gaps over the same time are one": (
        {"absences": gap("power_cut", 20, 50) + gap("stopped", 30, 50)},
        20,
        160,
        {"power_cut": 180},
    ),
    "thinned": (
        {"absences": gap("journal_thinned", 0, 60, 60), "reads": COUNTED},
        60,
        0,
        {"journal_thinned": 300},
    ),
    "thinned for half the hour": (
        {"absences": gap("journal_thinned", 0, 30, 60), "reads": COUNTED},
        30 + 20,
        160,
        {"journal_thinned": 150},
    ),
    "refused": ({"absences": gap("refused", 0, 40), "reads": COUNTED}, 120, 0, {"refused": 240}),
    "still on the way": ({"on_the_way_from_ms": at(20), "reads": COUNTED}, 120, 0, {"on_the_way": 240}),
    "silent, as the status says": ({"silent_from_ms": at(20)}, 10, 110, {"silent": 240}),
    "a missed read may have been outside the gap": (
        {"absences": gap("refused", 0, 40), "reads": {10_000: ReadCount(350, {"silent": 10})}},
        20,
        90,
        {"refused": 240, "silent": 10},
    ),
    "unchanged reads that were told, in a gap": (
        {"absences": gap("journal_thinned", 0, 60, 60), "reads": {10_000: ReadCount(360, taken=200, unchanged=160)}},
        60,
        160,
        {"journal_thinned": 140},
    ),
    "what was taken is here": ({"reads": {10_000: ReadCount(360, taken=20, unchanged=340)}}, 20, 340, {}),
    "what was taken is not here": (
        {"reads": {10_000: ReadCount(360, taken=200, unchanged=160)}},
        150,
        160,
        {"unknown": 50},
    ),
    "told, but nothing is here that it could be unchanged from": (
        {"reads": {10_000: ReadCount(360, taken=4, unchanged=356)}},
        0,
        0,
        {"unknown": 360},
    ),
    "one of three heartbeats is here": (
        {"reads": {10_000: ReadCount(360, taken=4, unchanged=356)}},
        1,
        119,
        {"unknown": 240},
    ),
}


@pytest.mark.parametrize("name", DOUBT)
def test_what_is_lost_or_late_is_never_unchanged(name: str) -> None:
    changes, received, unchanged, reasons = DOUBT[name]
    found = of(hour(versions=HEARTBEAT, received=stored(received), **changes))
    assert (found.expected, found.received, found.unchanged) == (360, received, unchanged)
    assert found.reasons == reasons


def test_a_read_taken_for_one_quantity_may_have_left_out_another() -> None:
    two = frozenset({"power_active_total", "frequency"})
    reads = {10_000: ReadCount(360, taken=300, unchanged=60)}
    facts = hour(versions=HEARTBEAT, quantities=two, reads=reads, received=stored(200) | {"frequency": 150})
    assert [one.missing for one in hour_of(facts).values()] == [0, 0]
    lost = replace(facts, received=stored(200) | {"frequency": 20})
    assert {name: one.reasons for name, one in hour_of(lost).items()} == {
        "power_active_total": {"unknown": 80},
        "frequency": {"unknown": 80},
    }


@given(
    st.lists(st.booleans(), min_size=360, max_size=360),
    st.sampled_from([60_000, 900_000]),
    st.integers(0, 89),
    st.none() | st.tuples(st.integers(0, 359), st.integers(1, 360)),
    st.sampled_from(["nothing", "answered", "all"]),
)
def test_unchanged_is_never_more_than_was_left_out_and_all_of_it_where_nothing_is_lost(
    changes: list[bool], heartbeat_ms: int, phase: int, lost: tuple[int, int] | None, told: str
) -> None:
    """A gateway reads each 10 s and leaves out what has not changed; what it took in the gap does not come."""
    last, taken = -min(phase, heartbeat_ms // 10_000 - 1), list[int]()
    for read, has_changed in enumerate(changes):
        if has_changed or (read - last) * 10_000 >= heartbeat_ms:
            taken.append(read)
            last = read
    first, end = (0, 0) if lost is None else (lost[0], min(360, sum(lost)))
    here = [read for read in taken if not first <= read < end]
    counted = ReadCount(360, taken=len(taken), unchanged=360 - len(taken)) if told == "all" else ReadCount(360)
    found = of(
        hour(
            versions=(PaceVersion(0, (Pace(10_000, heartbeat_ms=heartbeat_ms),)),),
            received=stored(len(here)),
            reads={} if told == "nothing" else {10_000: counted},
            absences=() if lost is None else gap("refused", first / 6, end / 6),
        )
    )
    left_out = set(range(360)) - set(taken)
    believable = left_out if told == "all" else left_out - set(range(first, end))
    assert found.unchanged <= len(believable)
    assert found.missing >= len(taken) - len(here)
    if lost is None:
        assert found.missing == 0


MEANS = {
    "power_active_total": (60, (360, 0, 60, 300), {"quota": 300}),
    "phase_angle_total": (60, (360, 60, 0, 300), {"quota": 300}),
    "energy_active_import": (360, (360, 360, 0, 0), {}),
    "level_percent": (360, (360, 360, 0, 0), {}),
}


def test_means_of_a_quota_are_estimates_of_instantaneous_quantities_only() -> None:
    received = {name: count for name, (count, _, _) in MEANS.items()}
    facts = hour(quantities=frozenset(MEANS), received=received, reads=COUNTED, absences=gap("quota", 0, 60, 60))
    found = hour_of(facts)
    for name, (_, numbers, reasons) in MEANS.items():
        one = found[name]
        assert ((one.expected, one.received, one.estimated, one.missing), one.reasons) == (numbers, reasons), name
    assert found["power_active_total"].share == 60 / 360


def test_a_quota_for_a_part_of_the_hour_makes_means_of_that_part() -> None:
    found = of(hour(received=stored(240 + 20), reads=COUNTED, absences=gap("quota", 40, 60, 60)))
    assert (found.received, found.estimated, found.reasons) == (240, 20, {"quota": 100})
    slow = (PaceVersion(0, (Pace(60_000),)),)
    whole = of(hour(versions=slow, received=stored(60), absences=gap("quota", 0, 60, 60)))
    assert (whole.received, whole.estimated, whole.missing) == (60, 0, 0)  # a mean of one value is that value


@pytest.mark.parametrize(
    ("name", "detail_s", "unchanged", "reasons"),
    [
        ("energy_active_import", 60, 356, {}),
        ("energy_active_import", 0, 356, {}),
        ("level_percent", 900, 356, {}),
        ("level_percent", 0, 0, {"quota": 356}),
        ("power_active_total", 900, 0, {"quota": 356}),
        ("no_such_quantity", 0, 356, {}),
    ],
)
def test_what_a_quota_leaves_in_full_may_be_unchanged(name: str, detail_s: int, unchanged: int, reasons: dict) -> None:
    facts = hour(versions=HEARTBEAT, quantities=frozenset({name}), received={name: 4}, reads=COUNTED)
    found = hour_of(replace(facts, absences=gap("quota", 0, 60, detail_s)))[name]
    assert (found.unchanged, found.reasons) == (unchanged, reasons)


def test_the_quantities_that_a_quota_takes_for_means_are_those_that_the_gateway_averages() -> None:
    samples = [Sample("m", "p", second * 1000, dict.fromkeys(CATALOGUE, float(second))) for second in (0, 2)]
    averaged = {name for one in means(samples, 60_000) for name, value in one.values.items() if value == 1.0}
    quota = gap("quota", 0, 60, 60)
    found = hour_of(hour(quantities=frozenset(CATALOGUE), received=dict.fromkeys(CATALOGUE, 60), absences=quota))
    assert {name for name, one in found.items() if one.estimated} == averaged
