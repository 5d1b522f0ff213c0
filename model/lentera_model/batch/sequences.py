"""Whole numbers as bits: of a few ways to write a sequence the one that takes the fewest.

Noise of a measured value cannot be pressed out, so each number gets just the bits that the spread of its neighbours
needs: around the smallest of them, as steps from one to the next, as steps of which most are none, or as numbers in a
list of the few that occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, compress, pairwise
from typing import Final, NamedTuple

from lentera_model.batch.bits import MAX_WIDTH, BitReader, BitWriter, signed_bits
from lentera_model.batch.types import CorruptBatchError

_WIDTH_BITS: Final = 7
_MODE_BITS: Final = 2
_SPREAD, _STEPS, _SPARSE, _LIST = range(4)
_LIST_BITS: Final = 8
_MOST_LISTED: Final = 1 << _LIST_BITS
_PROBE: Final = 16


class _Spread(NamedTuple):
    """Numbers around their smallest: how many bits they take, the smallest, the width, the numbers."""

    bits: int
    low: int
    width: int
    numbers: Sequence[int]


class Plan(NamedTuple):
    """How to write a sequence: the bits that it takes, the mode, its first number, what is spread, steps or numbers."""

    bits: int
    mode: int
    first: int
    spread: _Spread
    others: Sequence[int]


def _spread(numbers: Sequence[int], near: int = 0) -> _Spread:
    low = min(numbers)
    width = (max(numbers) - low).bit_length()
    return _Spread(signed_bits(low - near) + _WIDTH_BITS + width * len(numbers), low, width, numbers)


def _put_spread(bits: BitWriter, spread: _Spread, near: int = 0) -> None:
    bits.put_signed(spread.low - near)
    bits.put(spread.width, _WIDTH_BITS)
    bits.put_all(spread.numbers, spread.width, spread.low)


def _take_spread(bits: BitReader, count: int, near: int = 0) -> Sequence[int]:
    low = bits.take_signed() + near
    width = bits.take(_WIDTH_BITS)
    if width > MAX_WIDTH:
        raise CorruptBatchError(f"a sequence in the batch's body has {width} bits a number")
    return bits.take_all(count, width, low)


def steps_of(numbers: Sequence[int]) -> list[int]:
    """Return the differences from each number to the next."""
    return [later - earlier for earlier, later in pairwise(numbers)]


def plan(numbers: Sequence[int], near: int = 0, steps: Sequence[int] | None = None) -> Plan:
    """Choose how to write at least two numbers; `near` is a number that the reader knows and that may be close."""
    spread = _spread(numbers, near)
    first = numbers[0]
    best = Plan(_MODE_BITS + spread.bits, _SPREAD, first, spread, numbers)
    if len(numbers) == 2 or spread.width == 0:
        return best
    if _rather_still(numbers):
        best = _stepped(numbers, near, steps_of(numbers) if steps is None else steps, best)
    probe = min(_PROBE, len(numbers))
    if spread.width > 1 and 2 * len(set(numbers[:probe])) <= probe + 4:
        listed = _listed(numbers, near)
        best = listed if listed is not None and listed.bits < best.bits else best
    return best


def _rather_still(numbers: Sequence[int]) -> bool:
    """Say whether the first few numbers do not speak against steps: a look at all would cost more than it saves."""
    few = numbers[:_PROBE]
    steps = steps_of(few)
    return len(numbers) <= 2 * _PROBE or max(steps) - min(steps) <= max(few) - min(few)


def _stepped(numbers: Sequence[int], near: int, steps: Sequence[int], best: Plan) -> Plan:
    """Return the plan of the steps, or of those that are not 0, if it takes fewer bits than `best`."""
    first = numbers[0]
    first_bits = _MODE_BITS + signed_bits(first - near)
    stepped = _spread(steps)
    if first_bits + stepped.bits < best.bits:
        best = Plan(first_bits + stepped.bits, _STEPS, first, stepped, steps)
    if 0 in steps and stepped.width > 1:
        some = _spread([step for step in steps if step])
        if (size := first_bits + len(steps) + some.bits) < best.bits:
            best = Plan(size, _SPARSE, first, some, steps)
    return best


def _listed(numbers: Sequence[int], near: int) -> Plan | None:
    """Return the plan of a list of the numbers that occur; None where they are too many."""
    distinct = sorted(set(numbers))
    if len(distinct) > _MOST_LISTED:
        return None
    spread = _spread(distinct, near)
    size = _MODE_BITS + _LIST_BITS + spread.bits + (len(distinct) - 1).bit_length() * len(numbers)
    return Plan(size, _LIST, numbers[0], spread, numbers)


def _put_plan(bits: BitWriter, chosen: Plan, near: int = 0) -> None:
    """Write a sequence as planned with the same `near`."""
    spread = chosen.spread
    bits.put(chosen.mode, _MODE_BITS)
    if chosen.mode == _SPREAD:
        _put_spread(bits, spread, near)
    elif chosen.mode == _LIST:
        places = {number: place for place, number in enumerate(spread.numbers)}
        bits.put(len(places) - 1, _LIST_BITS)
        _put_spread(bits, spread, near)
        bits.put_all([places[number] for number in chosen.others], (len(places) - 1).bit_length())
    else:
        bits.put_signed(chosen.first - near)
        if chosen.mode == _SPARSE:
            bits.put_all([1 if step else 0 for step in chosen.others], 1)
        _put_spread(bits, spread)


def take_numbers(bits: BitReader, count: int, near: int = 0) -> Sequence[int]:
    """Read `count` (at least 1) numbers; the caller has checked that there may be so many.

    Raises:
        CorruptBatchError, TruncatedBatchError: the bits do not make sense.
    """
    if count == 1:
        return [bits.take_signed() + near]
    mode = bits.take(_MODE_BITS)
    if mode == _SPREAD:
        return _take_spread(bits, count, near)
    if mode == _LIST:
        size = bits.take(_LIST_BITS) + 1
        listed = _take_spread(bits, size, near)
        places = bits.take_all(count, (size - 1).bit_length())
        if max(places) >= size:
            raise CorruptBatchError("a sequence in the batch's body points beyond its list")
        return [listed[place] for place in places]
    first = bits.take_signed() + near
    if mode == _STEPS:
        return list(accumulate(_take_spread(bits, count - 1), initial=first))
    moved = bits.take_all(count - 1, 1)
    some = iter(_take_spread(bits, sum(moved)) if any(moved) else ())
    return list(accumulate((next(some) if moves else 0 for moves in moved), initial=first))


def put_numbers(bits: BitWriter, numbers: Sequence[int], near: int = 0) -> None:
    """Write at least one number in the way that takes the fewest bits."""
    if len(numbers) == 1:
        bits.put_signed(numbers[0] - near)
    else:
        _put_plan(bits, plan(numbers, near), near)


class Groups:
    """Rows that belong together (a device's), in order: `sizes` rows each, at least 1."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Note where each group begins."""
        self.sizes = sizes
        self.rows = sum(sizes)
        self.starts = list(accumulate(sizes[:-1], initial=0))
        self.splits = 1 < len(sizes) < self.rows
        self.inner = bytearray(b"\x01" * self.rows)
        """A mark for each row: 1 unless it is the first of its group."""
        for start in self.starts:
            self.inner[start] = 0

    def only(self, here: Sequence[int]) -> Groups:
        """Return the groups of the rows that are marked with 1; groups without any are left out."""
        sizes = [sum(here[start : start + size]) for start, size in zip(self.starts, self.sizes, strict=True)]
        return Groups([size for size in sizes if size])


def put_grouped(bits: BitWriter, numbers: Sequence[int], groups: Groups, near: int = 0) -> None:
    """Write a number a row: all in one, or the first of each group apart from the steps within the groups."""
    if not groups.splits:
        put_numbers(bits, numbers, near)
        return
    steps = steps_of(numbers)
    firsts = [numbers[start] for start in groups.starts]
    within = list(compress(steps, groups.inner[1:]))
    whole, first = plan(numbers, near, steps), plan(firsts, near)
    inner = plan(within) if len(within) > 1 else None
    inner_bits = inner.bits if inner else signed_bits(within[0])
    apart = first.bits + inner_bits < whole.bits
    bits.put(apart, 1)
    if not apart:
        _put_plan(bits, whole, near)
        return
    _put_plan(bits, first, near)
    if inner:
        _put_plan(bits, inner)
    else:
        bits.put_signed(within[0])


def take_grouped(bits: BitReader, groups: Groups, near: int = 0) -> Sequence[int]:
    """Read what `put_grouped` wrote."""
    if not groups.splits or not bits.take(1):
        return take_numbers(bits, groups.rows, near)
    firsts = iter(take_numbers(bits, len(groups.starts), near))
    steps = iter(take_numbers(bits, groups.rows - len(groups.starts)))
    last = 0
    return [last := last + next(steps) if inner else next(firsts) for inner in groups.inner]
