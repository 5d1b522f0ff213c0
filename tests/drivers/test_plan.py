"""The planner: every value in exactly one request, no limit broken, and nothing cheaper exists."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.modbus.breaker import REST_MAX_MS, Breaker
from lentera_drivers.modbus.plan import (
    ReadBlock,
    WireCost,
    plan_reads,
    probe_block,
    select_registers,
    serial_cost,
    tcp_cost,
)
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_drivers.profiles.meter import Register
from lentera_model.quantities import CATALOGUE

NAMES = [quantity for quantity in CATALOGUE.values() if quantity.unit == "V"]
LINE = serial_cost(LineSettings(9600, "N", 1))


def meter(spans: list[tuple[int, int]], limit: int = 125, even: bool = False, turnaround_ms: int = 20) -> MeterProfile:
    """A meter with a value at each (address, count)."""
    types = {1: "uint16", 2: "uint32", 4: "uint64"}
    names = list(CATALOGUE.values())
    registers = [
        {"quantity": names[at].name, "unit": names[at].unit, "address": address, "count": count, "type": types[count]}
        for at, (address, count) in enumerate(spans)
    ]
    return MeterProfile.model_validate(
        {
            "kind": "meter",
            "id": "m",
            "manufacturer": "m",
            "model": "m",
            "phases": 3,
            "transport": ["rtu"],
            "function_code": 3,
            "max_registers_per_read": limit,
            "even_addresses": even,
            "turnaround_ms": turnaround_ms,
            "registers": registers,
            "sources": [{"url": "x"}],
        }
    )


def spans_of(blocks: tuple[ReadBlock, ...]) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in blocks]


def plan(profile: MeterProfile, cost: WireCost = LINE, *, allow_holes: bool = True) -> tuple[ReadBlock, ...]:
    return plan_reads(profile.registers, profile, cost, allow_holes=allow_holes)


def test_what_a_line_costs():
    assert LINE.register_ms == pytest.approx(2 * 10 / 9.6)
    assert LINE.silence_ms == pytest.approx(3.5 * 10 / 9.6)
    assert LINE.request_ms == pytest.approx((13 + 7) * 10 / 9.6)
    assert serial_cost(LineSettings(115200, "E", 1)).silence_ms == 1.75
    assert serial_cost(LineSettings(1200, "E", 2)).register_ms == pytest.approx(2 * 12 / 1.2)


@pytest.mark.parametrize(
    ("spans", "limit", "blocks"),
    [
        ([(0, 2), (2, 2)], 125, [(0, 4)]),
        ([(2, 2), (0, 2)], 125, [(0, 4)]),
        ([(0, 1), (20, 1)], 125, [(0, 21)]),  # a hole of 19 costs 39.6 ms, a request 20.8 + 20 ms
        ([(0, 1), (21, 1)], 125, [(0, 1), (21, 1)]),  # a hole of 20 costs 41.7 ms
        ([(0, 2), (2, 2), (4, 2)], 4, [(0, 4), (4, 2)]),
        ([(0, 4), (121, 4)], 125, [(0, 4), (121, 4)]),
        ([(65534, 2)], 125, [(65534, 2)]),
    ],
)
def test_requests_on_a_line(spans, limit, blocks):
    assert sorted(spans_of(plan(meter(spans, limit)))) == sorted(blocks)


def test_a_slow_device_makes_larger_holes_worth_carrying():
    spans = [(0, 1), (50, 1)]
    assert len(plan(meter(spans, turnaround_ms=20))) == 2
    assert len(plan(meter(spans, turnaround_ms=100))) == 1


def test_tcp_reads_up_to_the_limit():
    assert spans_of(plan(meter([(0, 2), (100, 2), (123, 2), (125, 2)]), tcp_cost())) in (
        [(0, 125), (125, 2)],
        [(0, 2), (100, 27)],
        [(0, 102), (123, 4)],
    )


def test_even_starts_and_counts():
    assert spans_of(plan(meter([(2, 1), (4, 2)], even=True))) == [(2, 4)]
    assert spans_of(plan(meter([(4, 1)], even=True))) == [(4, 2)]


def test_a_device_that_refuses_holes():
    blocks = plan(meter([(0, 2), (2, 2), (6, 2)]), allow_holes=False)
    assert spans_of(blocks) == [(0, 4), (6, 2)]


def test_the_meters_that_come_along():
    sdm630 = load_profile("eastron_sdm630")
    assert isinstance(sdm630, MeterProfile)
    blocks = plan_reads(sdm630.registers, sdm630, LINE)
    assert sum(len(block.registers) for block in blocks) == len(sdm630.registers)
    assert all(block.count <= 80 and block.address % 2 == 0 and block.count % 2 == 0 for block in blocks)
    assert len(blocks) == 4
    wanted = select_registers(sdm630, ["voltage_l1", "power_active_total", "no_such"])
    assert [register.quantity for register in wanted] == ["voltage_l1", "power_active_total"]


layouts = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 4])), min_size=1, max_size=9)


def placed(gaps: list[tuple[int, int]], even: bool) -> list[tuple[int, int]]:
    """Turn gaps into addresses that do not overlap."""
    spans, address = [], 0
    for gap, count in gaps:
        address += gap
        if even:
            address += address % 2
        spans.append((address, count))
        address += count
    return spans


@given(
    layouts,
    st.integers(4, 125),
    st.booleans(),
    st.sampled_from([LINE, tcp_cost(), serial_cost(LineSettings(115200, "N", 1))]),
)
def test_no_other_set_of_requests_is_cheaper(gaps, limit, even, cost):
    profile = meter(placed(gaps, even), limit, even)
    blocks = plan(profile, cost)
    carried = [register for block in blocks for register in block.registers]
    assert sorted(carried, key=lambda register: register.address) == sorted(
        profile.registers, key=lambda register: register.address
    )
    for block in blocks:
        assert block.count <= limit
        assert all(block.address <= register.address and register.end <= block.end for register in block.registers)
        assert not even or (block.address % 2 == 0 and block.count % 2 == 0)
    assert total(blocks, cost) == pytest.approx(cheapest(profile.registers, limit, even, cost))


def total(blocks: tuple[ReadBlock, ...], cost: WireCost) -> float:
    return sum(cost.read_ms(block.count, 20) for block in blocks)


def cheapest(registers: tuple[Register, ...], limit: int, even: bool, cost: WireCost) -> float:
    """Try every way to cut the registers."""
    best = float("inf")
    positions = range(1, len(registers))
    for cuts in (cut for size in range(len(registers)) for cut in combinations(positions, size)):
        edges = [0, *cuts, len(registers)]
        price = 0.0
        for start, end in pairwise(edges):
            address, stop = registers[start].address, registers[end - 1].end
            count = stop + (stop % 2 if even else 0) - address
            price += cost.read_ms(count, 20) if count <= limit else float("inf")
        best = min(best, price)
    return best


@given(layouts, st.booleans())
def test_a_probe_has_a_length_of_its_own(gaps, even):
    profile = meter(placed(gaps, even), even=even)
    blocks = plan(profile)
    probe = probe_block(blocks, profile)
    assert probe.count not in {block.count for block in blocks}
    assert probe.count <= 2 * len(blocks) + 2
    assert not even or probe.count % 2 == 0


def test_the_breaker_rests_longer_with_each_miss_and_not_longer_than_five_minutes():
    breaker, now_ms, rests = Breaker(), 1_000, []
    assert breaker.rests_for_ms(now_ms) == 0
    for _ in range(200):
        breaker = breaker.missed(now_ms)
        rests.append(breaker.rests_until_ms - now_ms)
        assert breaker.rests_for_ms(breaker.rests_until_ms - 1) == 1
        assert breaker.rests_for_ms(breaker.rests_until_ms) == 0
    assert rests[:3] == [2_000, 4_000, 6_000]
    assert max(rests) == rests[-1] == REST_MAX_MS
