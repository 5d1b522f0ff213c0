"""Windows of time and what becomes of the values in them: pure arithmetic, the same for every store.

A window is `[k * every_ms, (k + 1) * every_ms)` since the Unix epoch in UTC. The range of the question cuts the first
and the last window: only values inside the range count, while the point still carries the window's own start.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice

from lentera_cloud.ports import Aggregate, SeriesPoint, SeriesQuery, SeriesResult
from lentera_model.readings import Quality


def window_start(at_ms: int, every_ms: int) -> int:
    """Return the start of the window that holds this instant, epoch milliseconds."""
    return at_ms - at_ms % every_ms


class Tally:
    """Running figures of one quantity in one window: enough for every aggregate."""

    __slots__ = ("count", "last", "last_ms", "maximum", "minimum", "total")

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")
        self.last = 0.0
        self.last_ms = -1

    def add(self, values: Sequence[float], last_ms: int) -> None:
        """Take in values in time order, the last of them taken at `last_ms`; there must be at least one."""
        self.count += len(values)
        self.total += sum(values)
        self.minimum = min(self.minimum, min(values))
        self.maximum = max(self.maximum, max(values))
        if last_ms > self.last_ms:
            self.last, self.last_ms = values[-1], last_ms

    def result(self, aggregate: Aggregate) -> float:
        """Return the figure asked for; `mean` is the plain mean of the samples, not weighted by time."""
        if aggregate == "mean":
            return self.total / self.count
        if aggregate == "min":
            return self.minimum
        return self.maximum if aggregate == "max" else self.last


class Windows:
    """Every window of one question, filled by columns of values and read out as points."""

    def __init__(self, q: SeriesQuery, every_ms: int) -> None:
        """Begin empty; `every_ms` must be positive."""
        self._q = q
        self._every_ms = every_ms
        self._tallies: dict[int, dict[str, Tally]] = {}
        self._quality: dict[int, int] = {}

    def __len__(self) -> int:
        """Return the number of windows that hold at least one value."""
        return len(self._tallies)

    def add(self, times_ms: Sequence[int], quality: bytes, columns: dict[str, Sequence[float]]) -> None:
        """Take in rows of one column set in time order: `columns` holds the asked quantities that they have."""
        if not columns:
            return
        begin, rows = 0, len(times_ms)
        while begin < rows:
            start = window_start(times_ms[begin], self._every_ms)
            end = bisect_left(times_ms, start + self._every_ms, begin)
            tallies = self._tallies.setdefault(start, {})
            for name, values in columns.items():
                tally = tallies.get(name)
                if tally is None:
                    tally = tallies[name] = Tally()
                tally.add(values[begin:end], times_ms[end - 1])
            self._quality[start] = max(self._quality.get(start, 0), max(quality[begin:end]))
            begin = end

    def absorb(self, other: Windows) -> None:
        """Take over the windows of another column set; no quantity may be in both."""
        for start, tallies in other._tallies.items():
            self._tallies.setdefault(start, {}).update(tallies)
            self._quality[start] = max(self._quality.get(start, 0), other._quality[start])

    def result(self) -> SeriesResult:
        """Return the points in time order, cut at the question's limit."""
        names, limit = self._q.quantities, self._q.limit
        aggregate: Aggregate = self._q.aggregate or "mean"
        points: list[SeriesPoint] = []
        for start in islice(sorted(self._tallies), limit):
            tallies = self._tallies[start]
            values = {name: tallies[name].result(aggregate) if name in tallies else None for name in names}
            points.append(SeriesPoint(start, values, Quality(self._quality[start])))
        return SeriesResult(points, truncated=len(self._tallies) > limit)
