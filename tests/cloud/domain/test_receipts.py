"""Sets of intervals, against plain sets of integers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_cloud.domain.receipts import IntervalSet

NUMBERS = st.lists(st.integers(0, 60), max_size=80)


def plain(intervals: IntervalSet) -> set[int]:
    return {number for first, last in intervals for number in range(first, last + 1)}


@given(NUMBERS)
def test_it_holds_exactly_what_was_added(numbers):
    intervals = IntervalSet()
    new = [intervals.add(number) for number in numbers]
    assert plain(intervals) == set(numbers)
    assert sum(new) == intervals.total() == len(set(numbers))
    assert [number in intervals for number in range(-1, 62)] == [number in set(numbers) for number in range(-1, 62)]


@given(NUMBERS)
def test_ranges_are_sorted_apart_and_as_few_as_can_be(numbers):
    intervals = IntervalSet()
    assert intervals.update(numbers) == len(set(numbers))
    ranges = list(intervals)
    assert all(first <= last for first, last in ranges)
    assert all(right[0] > left[1] + 1 for left, right in pairwise(ranges))
    assert IntervalSet(reversed(ranges)) == intervals == intervals.copy()
    assert len(intervals) == len(ranges)


def test_a_copy_is_its_own():
    first = IntervalSet([(1, 3)])
    second = first.copy()
    second.add(4)
    assert list(first) == [(1, 3)]
    assert first != second
    assert repr(second) == "IntervalSet([(1, 4)])"


def test_a_backward_range_is_refused():
    with pytest.raises(ValueError, match=r"5\.\.4"):
        IntervalSet([(5, 4)])
