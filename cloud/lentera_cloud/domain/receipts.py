"""Which sequence numbers have been stored: sets of closed intervals, because gateways send nearly in order.

A gateway numbers its batches from 1 upward in every boot epoch. Kept as ranges, a year of one epoch without a gap
is one pair of integers, however many batches it was.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """A set of integers kept as sorted, disjoint, non-adjacent closed ranges ``(first, last)``."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Build the set from closed ranges in any order; ranges that touch or overlap are merged.

        Raises ValueError when a range ends before it begins.
        """
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            if last < first:
                raise ValueError(f"range {first}..{last} ends before it begins")
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __contains__(self, number: int) -> bool:
        """Say whether the number is in the set."""
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges in ascending order."""
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        """Return the number of ranges (not of numbers)."""
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        """Compare as sets."""
        return isinstance(other, IntervalSet) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the ranges."""
        return f"IntervalSet({list(self)!r})"

    def add(self, number: int) -> bool:
        """Add one number, merging neighbours; return False when it was in the set already."""
        at = bisect_right(self._firsts, number) - 1
        if at >= 0 and number <= self._lasts[at]:
            return False
        touches_left = at >= 0 and self._lasts[at] == number - 1
        touches_right = at + 1 < len(self._firsts) and self._firsts[at + 1] == number + 1
        if touches_left and touches_right:
            self._lasts[at] = self._lasts.pop(at + 1)
            del self._firsts[at + 1]
        elif touches_left:
            self._lasts[at] = number
        elif touches_right:
            self._firsts[at + 1] = number
        else:
            self._firsts.insert(at + 1, number)
            self._lasts.insert(at + 1, number)
        return True

    def update(self, numbers: Iterable[int]) -> int:
        """Add several numbers; return how many were new."""
        return sum(self.add(number) for number in numbers)

    def copy(self) -> "IntervalSet":
        """Return an independent copy."""
        return IntervalSet(self)

    def total(self) -> int:
        """Return how many numbers are in the set."""
        return sum(last - first + 1 for first, last in self)
