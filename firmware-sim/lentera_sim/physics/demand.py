"""Demand: the mean over a sliding window, and the highest mean seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

_SAMPLED = {
    "demand_active": "power_active_total",
    "demand_active_import": "power_active_total",
    "demand_apparent": "power_apparent_total",
    "demand_current_l1": "current_l1",
    "demand_current_l2": "current_l2",
    "demand_current_l3": "current_l3",
    "demand_current_n": "current_n",
}
_BUCKET_MS = 60_000


class DemandWindow:
    """Means over the last `window_ms` in buckets of a minute, weighted by time between readings; maxima for ever."""

    def __init__(self, window_ms: int) -> None:
        """Start with nothing seen."""
        self._window_ms = window_ms
        # (start of the bucket's minute, milliseconds covered, integral of each quantity over them)
        self._buckets: deque[tuple[int, list[float]]] = deque()
        self._last_ms: int | None = None
        self._highest: dict[str, float] = {}

    def update(self, at_ms: int, values: Mapping[str, float]) -> dict[str, float]:
        """Count the span since the last reading at the present values; return the demands and their maxima."""
        span_ms = 1 if self._last_ms is None else max(0, at_ms - self._last_ms)
        self._last_ms = at_ms
        minute = at_ms // _BUCKET_MS
        if not self._buckets or self._buckets[-1][0] != minute:
            self._buckets.append((minute, [0.0] * (len(_SAMPLED) + 1)))
        sums = self._buckets[-1][1]
        sums[-1] += span_ms
        for place, source in enumerate(_SAMPLED.values()):
            sums[place] += values[source] * span_ms
        while self._buckets[0][0] < minute - self._window_ms // _BUCKET_MS:
            self._buckets.popleft()
        return self._means(values)

    def _means(self, values: Mapping[str, float]) -> dict[str, float]:
        covered_ms = sum(sums[-1] for _, sums in self._buckets)
        found: dict[str, float] = {}
        for place, (name, source) in enumerate(_SAMPLED.items()):
            total = sum(sums[place] for _, sums in self._buckets)
            mean = total / covered_ms if covered_ms else values[source]
            found[name] = mean
            found[f"{name}_max"] = self._highest[name] = max(self._highest.get(name, mean), mean)
        found["demand_active_export"] = found["demand_active_export_max"] = 0.0
        return found
