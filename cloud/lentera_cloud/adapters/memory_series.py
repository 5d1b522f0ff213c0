"""Series in this process's memory: the smallest adapter of the port, for tests and trials. It ends with the process."""

from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Sequence

from lentera_cloud.adapters.series_common.records import to_records
from lentera_cloud.adapters.series_common.windows import window_start
from lentera_cloud.ports import HourlyCounts, LatestValue, SeriesPoint, SeriesQuery, SeriesResult
from lentera_model.readings import Quality, Reading

_HOUR_MS = 3_600_000


class _Rows:
    """One device's rows by instant."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.values: dict[int, dict[str, float]] = {}
        self.quality: dict[int, Quality] = {}

    def add(self, at_ms: int, values: dict[str, float], quality: Quality) -> None:
        """Take a row; of a value that is there already the first stays, of two qualities the worse."""
        if at_ms not in self.values:
            insort(self.times, at_ms)
            self.values[at_ms] = {}
            self.quality[at_ms] = quality
        self.values[at_ms] = values | self.values[at_ms]
        self.quality[at_ms] = max(self.quality[at_ms], quality)

    def between(self, from_ms: int, to_ms: int) -> list[int]:
        """Return the instants from ``from_ms`` (included) to ``to_ms`` (not)."""
        return self.times[bisect_left(self.times, from_ms) : bisect_left(self.times, to_ms)]


class MemorySeries:
    """Implements :class:`lentera_cloud.ports.TimeSeries`."""

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: dict[tuple[str, str], _Rows] = {}

    async def start(self) -> None:
        """See the port; nothing to do."""

    async def close(self) -> None:
        """See the port; what was stored stays until the object goes."""

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        """See the port. Values are kept in the precision that every store keeps."""
        for record in to_records(readings):
            rows = self._rows.setdefault((tenant, record.device), _Rows())
            rows.add(record.at_ms, record.columns.unpack(record.data), Quality(record.quality))

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """See the port."""
        found: dict[str, dict[str, LatestValue]] = {}
        for device in devices:
            rows = self._rows.get((tenant, device))
            for at_ms in rows.times if rows else ():
                assert rows is not None  # noqa: S101 - it has times
                values = found.setdefault(device, {})
                for name, value in rows.values[at_ms].items():
                    values[name] = LatestValue(value, at_ms, rows.quality[at_ms])
        return found

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """See the port."""
        rows = self._rows.get((tenant, q.device), _Rows())
        windows: dict[int, list[int]] = {}
        for at_ms in rows.between(q.from_ms, q.to_ms):
            if any(name in rows.values[at_ms] for name in q.quantities):
                start = at_ms if q.every_ms is None else at_ms - at_ms % q.every_ms
                windows.setdefault(start, []).append(at_ms)
        points = [
            SeriesPoint(
                start,
                {name: _figure(rows, times, name, q) for name in q.quantities},
                max(rows.quality[at_ms] for at_ms in times),
            )
            for start, times in windows.items()
        ]
        return SeriesResult(points[: q.limit], len(points) > q.limit)

    async def count(self, tenant: str, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
        """See the port."""
        rows = self._rows.get((tenant, device), _Rows())
        counts: dict[str, int] = {}
        for at_ms in rows.between(from_ms, to_ms):
            for name in rows.values[at_ms]:
                counts[name] = counts.get(name, 0) + 1
        return counts

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """See the port."""
        found: HourlyCounts = {}
        for device in dict.fromkeys(devices):
            rows = self._rows.get((tenant, device), _Rows())
            for at_ms in rows.between(from_ms, to_ms):
                for name in rows.values[at_ms]:
                    hours = found.setdefault(device, {}).setdefault(name, {})
                    hours[window_start(at_ms, _HOUR_MS)] = hours.get(window_start(at_ms, _HOUR_MS), 0) + 1
        return found

    async def raw(self, tenant: str, device: str, from_ms: int, to_ms: int) -> AsyncIterator[Reading]:
        """See the port."""
        rows = self._rows.get((tenant, device), _Rows())
        for at_ms in rows.between(from_ms, to_ms):
            yield Reading(device, "", at_ms, dict(rows.values[at_ms]), rows.quality[at_ms])

    async def maintain(self, now_ms: int) -> None:
        """See the port; nothing to do."""


def _figure(rows: _Rows, times: Sequence[int], name: str, q: SeriesQuery) -> float | None:
    values = [rows.values[at_ms][name] for at_ms in times if name in rows.values[at_ms]]
    if not values:
        return None
    if q.every_ms is None or q.aggregate == "last":
        return values[-1]
    if q.aggregate == "min":
        return min(values)
    return max(values) if q.aggregate == "max" else sum(values) / len(values)
