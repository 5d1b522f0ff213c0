"""How complete an hour is: a table of what can happen, and sums that always add up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_cloud.domain.completeness import (
    ANYTHING,
    HOUR_MS,
    Absence,
    HourFacts,
    Pace,
    PaceVersion,
    ReadCount,
)
from lentera_cloud.domain.completeness_sum import Completeness
from tests.cloud.domain.hours import hour_of

MINUTE = 60_000
TEN_SECONDS = (PaceVersion(0, (Pace(10_000),)),)


def hour(**changes) -> HourFacts:
    """An hour of a meter with one quantity, read each 10 s: 360 values are due."""
    begin = 100 * HOUR_MS
    facts = HourFacts(begin, begin + HOUR_MS, TEN_SECONDS, frozenset({"power_active_total"}))
    return replace(facts, **{"received": {"power_active_total": 360}} | changes)


def of(facts: HourFacts) -> Completeness:
    return hour_of(facts)["power_active_total"]


def at(minute: float) -> int:
    return 100 * HOUR_MS + round(minute * MINUTE)


def stored(count: int) -> dict[str, int]:
    return {"power_active_total": count}


TABLE = {
    "all is there": (hour(), (360, 360, 0, 0, 0), {}),
    "nothing and nobody knows why": (hour(received={}), (360, 0, 0, 360, 0), {"unknown": 360}),
    "more than is due is clamped and said": (hour(received=stored(365)), (360, 360, 0, 0, 5), {}),
    "the gateway counted what was missed": (
        hour(received=stored(300), reads={10_000: ReadCount(300, {"silent": 50, "bus_down": 10})}),
        (360, 300, 0, 60, 0),
        {"silent": 50, "bus_down": 10},
    ),
    "a read by hand fills no gap": (
        hour(received=stored(303), reads={10_000: ReadCount(300, {"silent": 60})}),
        (360, 300, 0, 60, 3),
        {"silent": 60},
    ),
    "read, but not here": (
        hour(received=stored(300), reads={10_000: ReadCount(360)}),
        (360, 300, 0, 60, 0),
        {"unknown": 60},
    ),
    "read, and not delivered yet": (
        hour(received=stored(300), reads={10_000: ReadCount(360)}, on_the_way_from_ms=at(50)),
        (360, 300, 0, 60, 0),
        {"on_the_way": 60},
    ),
    "not older than the backlog": (
        hour(received={}, on_the_way_from_ms=at(30)),
        (360, 0, 0, 360, 0),
        {"on_the_way": 181, "unknown": 179},
    ),
    "one read more at the hour's edge": (
        hour(received=stored(361), reads={10_000: ReadCount(361)}),
        (361, 361, 0, 0, 0),
        {},
    ),
    "one read less at the hour's edge": (
        hour(received=stored(359), reads={10_000: ReadCount(359)}),
        (359, 359, 0, 0, 0),
        {},
    ),
    "the gateway was off for half of the hour": (
        hour(
            received=stored(180),
            reads={10_000: ReadCount(180)},
            absences=(Absence("stopped", at(0), at(30)),),
        ),
        (360, 180, 0, 180, 0),
        {"stopped": 180},
    ),
    "a kill lost the end of its count, not the values": (
        hour(received=stored(358), reads={10_000: ReadCount(350)}, absences=(Absence("killed", at(59.9), at(60)),)),
        (360, 358, 0, 2, 0),
        {"killed": 1, "unknown": 1},
    ),
    "thinned to one value a minute": (
        hour(
            received=stored(60),
            reads={10_000: ReadCount(360)},
            absences=(Absence("journal_thinned", at(0), at(60), 60),),
        ),
        (360, 60, 0, 300, 0),
        {"journal_thinned": 300},
    ),
    "silent, as the last status says, when nothing was counted": (
        hour(received=stored(120), silent_from_ms=at(20)),
        (360, 120, 0, 240, 0),
        {"silent": 240},
    ),
    "a count that the pace has no room for is not believed": (
        hour(received=stored(300), reads={10_000: ReadCount(9_000, {"silent": 9_000})}),
        (360, 300, 0, 60, 0),
        {"unknown": 60},
    ),
    "a count of another pace says nothing": (
        hour(received=stored(300), reads={60_000: ReadCount(60)}),
        (360, 300, 0, 60, 0),
        {"unknown": 60},
    ),
    "the hour that runs": (
        replace(hour(received=stored(170), on_the_way_from_ms=at(28)), until_ms=at(30)),
        (180, 170, 0, 10, 0),
        {"on_the_way": 10},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name: str) -> None:
    facts, (expected, received, unchanged, missing, extra), reasons = TABLE[name]
    found = of(facts)
    assert (found.expected, found.received, found.unchanged, found.missing, found.extra) == (
        expected,
        received,
        unchanged,
        missing,
        extra,
    )
    assert found.reasons == reasons


def test_a_value_that_the_device_leaves_out_of_its_answers_was_not_given() -> None:
    two = frozenset({"power_active_total", "frequency"})
    found = hour_of(hour(quantities=two, received={"frequency": 360, "power_active_total": 100}))
    assert found["frequency"].missing == 0
    assert found["power_active_total"].reasons == {"not_given": 260}


def test_each_quantity_is_due_at_its_own_pace() -> None:
    paces = (Pace(10_000), Pace(60_000, ("energy_active_import",)))
    found = hour_of(
        hour(
            versions=(PaceVersion(0, paces),),
            quantities=frozenset({"power_active_total", "energy_active_import"}),
            reads={10_000: ReadCount(360), 60_000: ReadCount(50, {"silent": 10})},
            received={"power_active_total": 360, "energy_active_import": 50},
        )
    )
    assert {name: one.expected for name, one in found.items()} == {
        "power_active_total": 360,
        "energy_active_import": 60,
    }
    assert found["energy_active_import"].reasons == {"silent": 10}


def test_a_changed_pace_holds_from_its_moment_on() -> None:
    versions = (PaceVersion(0, (Pace(10_000),)), PaceVersion(at(30), (Pace(60_000),)))
    assert of(hour(versions=versions, received=stored(210))).expected == 180 + 30
    before = replace(hour(versions=versions), from_ms=at(-60), until_ms=at(0))
    assert of(before).expected == 360


def test_a_gateway_that_tells_no_paces_leaves_it_open_how_many_values_are_due() -> None:
    found = of(hour(versions=()))
    assert (found.declared, found.expected, found.share, found.unscheduled) == (False, 0, None, 360)
    ended = of(hour(versions=(*TEN_SECONDS, PaceVersion(at(-60), ()))))
    assert (ended.declared, ended.unscheduled) == (False, 360)


def test_the_first_paces_hold_for_hours_that_the_gateway_counted_before_its_first_link() -> None:
    first = (PaceVersion(at(600), (Pace(10_000),)),)
    assert not of(hour(versions=first)).declared
    assert of(hour(versions=first, reads={10_000: ReadCount(360)})).expected == 360


def test_before_a_gateway_was_first_heard_of_nothing_is_due_but_what_it_counted() -> None:
    within = (PaceVersion(at(30), (Pace(10_000),)),)
    for counted, expected in ((None, 180), (180, 180), (240, 240), (120, 180), (9_000, 180)):
        reads = {} if counted is None else {10_000: ReadCount(counted)}
        assert of(hour(versions=within, received=stored(180), reads=reads)).expected == expected, counted


def test_a_device_that_never_answered_misses_one_value_a_read_at_least() -> None:
    found = hour_of(hour(quantities=frozenset(), received={}, reads={10_000: ReadCount(0, {"silent": 360})}))
    assert found == {ANYTHING: Completeness(True, 360, missing=360, reasons={"silent": 360})}


def test_events_are_due_only_where_a_pace_names_them() -> None:
    quantities = frozenset({"level_percent", "level_commanded_percent"})
    facts = hour(quantities=quantities, received={"level_percent": 360, "level_commanded_percent": 2})
    assert hour_of(facts)["level_commanded_percent"] == Completeness(unscheduled=2)
    named = (PaceVersion(0, (Pace(10_000, ("device_fault",)),)),)
    assert hour_of(replace(facts, versions=named))["device_fault"].missing == 360


def test_a_pace_of_a_day_is_due_in_the_hour_in_which_it_was_read() -> None:
    daily = (PaceVersion(0, (Pace(24 * HOUR_MS),)),)
    assert of(hour(versions=daily, received=stored(1))).expected == 1
    assert of(hour(versions=daily, received={})).expected == 0
    missed = of(hour(versions=daily, received={}, reads={24 * HOUR_MS: ReadCount(0, {"silent": 1})}))
    assert missed.reasons == {"silent": 1}


counts = st.integers(0, 800)
reason_counts = st.dictionaries(st.sampled_from(["silent", "bus_down", "skipped"]), st.integers(1, 400))
moments = st.integers(at(-30), at(90))
absences = st.builds(
    Absence,
    st.sampled_from(["stopped", "killed", "quota", "journal_thinned"]),
    moments,
    moments,
    st.sampled_from([0, 60, 900]),
)
pace_lists = st.lists(
    st.builds(
        Pace,
        st.sampled_from([1, 7_000, 10_000, 60_000, 900_000, 2 * HOUR_MS]),
        st.sampled_from([(), ("power_active_total",), ("frequency",)]),
        st.sampled_from([0, 1_000, 900_000, 5 * HOUR_MS]),
    ),
    max_size=3,
).map(tuple)


@given(
    st.lists(st.builds(PaceVersion, moments, pace_lists), max_size=3),
    st.dictionaries(st.sampled_from(["power_active_total", "frequency", "level_commanded_percent"]), counts),
    st.dictionaries(
        st.sampled_from([7_000, 10_000, 60_000]),
        st.builds(ReadCount, counts, reason_counts, st.integers(1, 3), counts, counts),
    ),
    st.lists(absences, max_size=3),
    st.none() | moments,
    moments,
    st.integers(at(1), at(60)),
)
def test_the_parts_always_add_up(versions, received, reads, gaps, silent, late, until) -> None:
    versions = tuple(sorted(versions, key=lambda one: one.valid_from_ms))
    facts = HourFacts(at(0), until, versions, frozenset(received), received, reads, gaps, silent, late)
    found = hour_of(facts)
    total = sum(found.values(), Completeness())
    for one in (*found.values(), total):
        assert one.expected == one.received + one.unchanged + one.estimated + one.missing
        assert sum(one.reasons.values()) == one.missing
        parts = (one.expected, one.received, one.unchanged, one.estimated, one.missing, one.extra)
        assert min(*parts, *one.reasons.values(), 0) == 0
        assert one.share is None or 0 <= one.share <= 1
    assert total.received + total.estimated + total.extra + total.unscheduled == sum(received.values())
