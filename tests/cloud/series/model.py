"""The oracle of the contract: what a store should answer, computed the slow and obvious way."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from lentera_cloud.ports import LatestValue, SeriesPoint, SeriesQuery, SeriesResult
from lentera_model.quantities import stored_precision
from lentera_model.readings import Quality, Reading

EMBEDDED = ["sqlite"]
if find_spec("lentera_cloud.adapters.memory_series") is not None:
    EMBEDDED.insert(0, "memory")
KINDS = [*EMBEDDED, "influxdb"]

HOUR_MS = 3_600_000
T0 = 1_790_000_000_000 // HOUR_MS * HOUR_MS
"""An hour of 2026 that every test counts from."""


def reading(at_ms: int, device: str = "m1", /, *, quality: Quality = Quality.GOOD, **values: float) -> Reading:
    """A reading whose values are as the codec leaves them, so that what comes back must be equal."""
    return Reading(device, "", at_ms, {k: stored_precision(k, v) for k, v in values.items()}, quality)


def joined(readings: Iterable[Reading]) -> list[Reading]:
    """One reading an instant, in time order: of repeated values the first stays, the worst quality counts."""
    by_time: dict[int, Reading] = {}
    for one in readings:
        had = by_time.get(one.at_ms, one)
        quality = max(had.quality, one.quality)
        by_time[one.at_ms] = Reading(one.device, "", one.at_ms, {**one.values, **had.values}, quality)
    return [by_time[at_ms] for at_ms in sorted(by_time) if by_time[at_ms].values]


def counted(readings: Iterable[Reading], from_ms: int, to_ms: int) -> dict[str, int]:
    """Values a quantity in the range."""
    counts: dict[str, int] = {}
    for one in joined(readings):
        if from_ms <= one.at_ms < to_ms:
            for name in one.values:
                counts[name] = counts.get(name, 0) + 1
    return counts


def newest(readings: Iterable[Reading]) -> dict[str, LatestValue]:
    """The last value of each quantity."""
    return {
        name: LatestValue(value, one.at_ms, one.quality)
        for one in joined(readings)
        for name, value in one.values.items()
    }


def answered(readings: Iterable[Reading], q: SeriesQuery) -> SeriesResult:
    """What `query` should answer for the readings of one device."""
    groups: dict[int, list[Reading]] = {}
    for one in joined(readings):
        if q.from_ms <= one.at_ms < q.to_ms and any(name in one.values for name in q.quantities):
            start = one.at_ms if q.every_ms is None else one.at_ms // q.every_ms * q.every_ms
            groups.setdefault(start, []).append(one)
    points = [
        SeriesPoint(start, {name: _figure(group, name, q) for name in q.quantities}, max(one.quality for one in group))
        for start, group in sorted(groups.items())
    ]
    return SeriesResult(points[: q.limit], truncated=len(points) > q.limit)


def _figure(group: list[Reading], name: str, q: SeriesQuery) -> float | None:
    values = [one.values[name] for one in group if name in one.values]
    if not values:
        return None
    if q.every_ms is None or q.aggregate == "last":
        return values[-1]
    if q.aggregate == "min":
        return min(values)
    return max(values) if q.aggregate == "max" else sum(values) / len(values)
