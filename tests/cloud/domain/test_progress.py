"""How far batches have come, worked out from what is stored; random histories against a set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from lentera_cloud.domain.progress import ReceiptRange, progress_of
from lentera_cloud.domain.receipts import IntervalSet


def ranges(numbers: set[int], epoch: int = 1) -> list[ReceiptRange]:
    found = IntervalSet()
    found.update(numbers)
    return [ReceiptRange(epoch, first, last, 1_000 + last) for first, last in found]


def test_nothing_is_stored_of_nothing():
    assert progress_of([]) == []


def test_epochs_come_newest_first():
    found = progress_of(ranges({1, 2}, 3) + ranges({1}, 9) + ranges({2}, 4))
    assert [(one.epoch, one.high_water, one.newest, one.holes) for one in found] == [
        (9, 1, 1, ()),
        (4, 0, 2, ((1, 1),)),
        (3, 2, 2, ()),
    ]


@given(st.sets(st.integers(1, 60), min_size=1))
def test_what_is_told_is_what_is_stored(numbers):
    (found,) = progress_of(ranges(numbers))
    absent = {number for number in range(1, max(numbers)) if number not in numbers}
    assert {number for first, last in found.holes for number in range(first, last + 1)} == absent
    assert found.missing == len(absent)
    assert found.newest == max(numbers)
    assert found.high_water == min(absent, default=max(numbers) + 1) - 1
    assert found.changed_at_ms == 1_000 + max(numbers)
    assert all(second[0] > first[1] + 1 for first, second in zip(found.holes, found.holes[1:], strict=False))
