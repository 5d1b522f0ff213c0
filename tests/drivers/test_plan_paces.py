"""Paces, function codes and refusals in the plan: every value in its time, nothing cheaper, nothing that is refused."""

from itertools import combinations, pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.modbus.cover import Item, Rules, cover
from lentera_drivers.modbus.holes import AbsentValue, ClosedRange, Refusals
from lentera_drivers.modbus.plan import bus_load, plan_device, serial_cost, tcp_cost, turnaround_differs
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile, list_profiles, load_profile
from lentera_model.config import PaceRow
from tests.drivers.test_plan import meter

LINE = serial_cost(LineSettings(9600, "N", 1))
ALL = (PaceRow(10.0, None),)
METERS = [profile for profile in map(load_profile, list_profiles()) if isinstance(profile, MeterProfile)]

item_lists = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([1, 2, 4]), st.integers(0, 2)), min_size=1, max_size=5
)
closed_lists = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), max_size=2)


def items_of(gaps: list[tuple[int, int, int]]) -> list[Item]:
    items, address = [], 0
    for gap, count, pace in gaps:
        items.append(Item(address + gap, address + gap + count, pace))
        address += gap + count
    return items


def cheapest(items: list[Item], rules: Rules) -> float:
    """Try every pace for every item and every way to cut the items of a pace."""
    best = float("inf")
    for serving in product(*(range(item.pace + 1) for item in items)):
        total = 0.0
        for pace, rate in enumerate(rules.rates):
            members = [item for item, served in zip(items, serving, strict=True) if served == pace]
            total += rate * cheapest_cut(members, rules)
        best = min(best, total)
    return best


def cheapest_cut(members: list[Item], rules: Rules) -> float:
    if not members:
        return 0.0
    best = float("inf")
    for cuts in (cut for size in range(len(members)) for cut in combinations(range(1, len(members)), size)):
        price = 0.0
        for start, end in pairwise([0, *cuts, len(members)]):
            span = rules.around(members[start].address, members[end - 1].end)
            allowed = end - start == 1 or rules.allows(span)
            price += rules.request_ms + (span.end - span.address) * rules.register_ms if allowed else float("inf")
        best = min(best, price)
    return best


@given(
    item_lists,
    closed_lists,
    st.integers(4, 60),
    st.sampled_from([(1.0, 0.5, 0.1), (1.0, 0.99, 0.0001), (10.0, 1.0, 1 / 60)]),
    st.sampled_from([(40.8, 2.08), (2.0, 0.002), (10.0, 9.0)]),
)
def test_no_requests_cost_less_bus_time_than_the_plan(gaps, ranges, limit, rates, costs):
    items = items_of(gaps)
    closed = tuple((first, first + length) for first, length in ranges)
    closed = tuple(
        (first, end)
        for first, end in closed
        if not any(
            item.address <= first and end <= item.end and (first < end or item.address < first < item.end)
            for item in items
        )
    )
    request_ms, register_ms = costs
    rules = Rules(rates, request_ms, register_ms, limit, closed=closed)
    found = cover(items, rules)
    assert sorted(at for covering in found for at in covering.items) == list(range(len(items)))
    for covering in found:
        assert rules.allows(covering.span)
        for at in covering.items:
            assert covering.span.address <= items[at].address
            assert items[at].end <= covering.span.end
            assert covering.pace <= items[at].pace
    spent = sum(
        rules.rates[one.pace] * (rules.request_ms + (one.span.end - one.span.address) * rules.register_ms)
        for one in found
    )
    assert spent == pytest.approx(cheapest(items, rules))


def test_a_slow_value_in_a_hole_of_fast_ones_rides_along():
    profile = meter([(0, 2), (2, 2), (4, 2)])
    names = [register.quantity for register in profile.registers]
    paces = (PaceRow(1.0, (names[0], names[2])), PaceRow(60.0, (names[1],)))
    [planned] = plan_device(profile, paces, LINE)
    assert (planned.block.address, planned.block.count, planned.pace, planned.every_s) == (0, 6, 0, 1.0)
    assert {pace: [one.quantity for one in taken] for pace, taken in planned.takes.items()} == {
        0: [names[0], names[2]],
        1: [names[1]],
    }


def test_slow_values_beside_fast_ones_are_read_at_their_own_pace():
    profile = meter([(0, 2), (2, 2), (4, 2), (6, 2), (8, 4), (12, 4), (16, 4), (20, 4), (24, 4)])
    names = [register.quantity for register in profile.registers]
    paces = (PaceRow(1.0, None), PaceRow(60.0, tuple(names[2:])))
    planned = plan_device(profile, paces, LINE)
    assert [(one.block.address, one.block.count, one.every_s) for one in planned] == [(0, 4, 1.0), (4, 24, 60.0)]
    together = plan_device(profile, (PaceRow(1.0, None),), LINE)
    assert bus_load(planned, LINE, 20) < bus_load(together, LINE, 20)


def test_a_slow_request_may_run_across_a_fast_one():
    profile = meter([(0, 2), (2, 2), (4, 2)], turnaround_ms=1000)
    names = [register.quantity for register in profile.registers]
    paces = (PaceRow(0.1, (names[1],)), PaceRow(60.0, (names[0], names[2])))
    planned = plan_device(profile, paces, serial_cost(LineSettings(1200, "N", 1)))
    assert [(one.block.address, one.block.count, one.every_s) for one in planned] == [(0, 6, 60.0), (2, 2, 0.1)]
    assert [one.quantity for one in planned[0].block.registers] == [names[0], names[2]]


def test_equal_intervals_are_one_pace_to_the_wire():
    profile = meter([(0, 2), (2, 2)])
    names = [register.quantity for register in profile.registers]
    [planned] = plan_device(profile, (PaceRow(5.0, (names[1],)), PaceRow(5.0, (names[0],))), LINE)
    assert planned.pace == 0
    assert sorted(planned.takes) == [0, 1]


def test_what_the_model_refuses_is_left_out():
    profile = meter([(0, 2), (4, 2), (6, 2), (8, 2)])
    hole = Refusals(closed=frozenset({ClosedRange(3, 2, 4)}))
    assert [(one.block.address, one.block.count) for one in plan_device(profile, ALL, LINE, refusals=hole)] == [
        (0, 2),
        (4, 6),
    ]
    seam = Refusals(closed=frozenset({ClosedRange(3, 6, 6)}))
    assert [(one.block.address, one.block.count) for one in plan_device(profile, ALL, LINE, refusals=seam)] == [
        (0, 6),
        (6, 4),
    ]
    absent = Refusals(absent=frozenset({AbsentValue(3, 6)}))
    [planned] = plan_device(profile, ALL, LINE, refusals=absent)
    assert profile.registers[2] not in planned.block.registers
    assert [one.block.count for one in plan_device(profile, ALL, LINE, refusals=Refusals(limit=4))] == [2, 4, 2] or [
        one.block.count for one in plan_device(profile, ALL, LINE, refusals=Refusals(limit=4))
    ] == [2, 2, 4]
    other_function = Refusals(closed=frozenset({ClosedRange(4, 2, 4)}))
    assert len(plan_device(profile, ALL, LINE, refusals=other_function)) == 1


def test_the_measured_turnaround_decides_where_to_cut():
    profile = meter([(0, 1), (25, 1)])
    assert len(plan_device(profile, ALL, LINE, turnaround_ms=10)) == 2
    assert len(plan_device(profile, ALL, LINE, turnaround_ms=60)) == 1
    assert LINE.break_even_registers(20) == 19
    assert LINE.break_even_registers(10) == 14


@pytest.mark.parametrize(
    ("planned", "measured", "differs"),
    [(20, 22, False), (20, 27, True), (20, 13, True), (1, 3, False), (1, 5, True), (0, 2, False), (100, 125, False)],
)
def test_a_plan_is_made_again_only_when_the_turnaround_is_another(planned, measured, differs):
    assert turnaround_differs(planned, measured) is differs


@pytest.mark.parametrize("profile", METERS, ids=lambda profile: profile.id)
@pytest.mark.parametrize("cost", [LINE, tcp_cost()], ids=["9600", "tcp"])
def test_every_value_of_every_profile_is_read_once_and_within_the_limits(profile, cost):
    counters = tuple(one.quantity for one in profile.registers if one.quantity.startswith("energy"))
    paces = (PaceRow(1.0, None), PaceRow(60.0, counters)) if counters else ALL
    planned = plan_device(profile, paces, cost)
    carried = [register for one in planned for register in one.block.registers]
    assert sorted(one.quantity for one in carried) == sorted(one.quantity for one in profile.registers)
    for one in planned:
        assert one.block.count <= profile.max_registers_per_read
        for register in one.block.registers:
            assert one.block.address <= register.address
            assert register.end <= one.block.end
