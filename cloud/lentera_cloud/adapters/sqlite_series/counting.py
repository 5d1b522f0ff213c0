"""How many values each hour holds, told by the blocks' own row counts: only where two records meet are they opened."""

from __future__ import annotations

import sqlite3

from lentera_cloud.adapters.sqlite_series.reading import Series, segments, series_of
from lentera_cloud.adapters.sqlite_series.segments import HOUR_MS


def hourly_counts(connection: sqlite3.Connection, device: str, from_ms: int, to_ms: int) -> dict[str, dict[int, int]]:
    """Return quantity -> start of the hour -> instants stored, for whole hours; see `TimeSeries.hourly_counts`."""
    holders: dict[str, dict[int, list[tuple[Series, int | None]]]] = {}
    for series in series_of(connection, device):
        for hour, rows in _rows_by_hour(connection, series, from_ms, to_ms).items():
            for name in series.columns.names:
                holders.setdefault(name, {}).setdefault(hour, []).append((series, rows))
    found: dict[str, dict[int, int]] = {}
    times: dict[tuple[int, int], frozenset[int]] = {}
    for name, hours in holders.items():
        for hour, parts in hours.items():
            count = parts[0][1] if len(parts) == 1 else None
            if count is None:  # an instant may be in several: it counts once
                count = len(frozenset().union(*(_times(connection, series, hour, times) for series, _ in parts)))
            found.setdefault(name, {})[hour * HOUR_MS] = count
    return found


def _rows_by_hour(connection: sqlite3.Connection, series: Series, from_ms: int, to_ms: int) -> dict[int, int | None]:
    """Return hour -> rows of one series; None where the hour has a block and rows beside it, which may be the same."""
    blocks = connection.execute(
        "SELECT hour, rows FROM block WHERE series = ? AND hour >= ? AND hour < ?",
        (series.id, from_ms // HOUR_MS, to_ms // HOUR_MS),
    )
    found: dict[int, int | None] = dict(blocks.fetchall())
    loose = connection.execute(
        "SELECT at_ms / 3600000, count(*) FROM row WHERE series = ? AND at_ms >= ? AND at_ms < ? GROUP BY 1",
        (series.id, from_ms, to_ms),
    )
    for hour, rows in loose:
        found[hour] = None if hour in found else rows
    return found


def _times(
    connection: sqlite3.Connection, series: Series, hour: int, known: dict[tuple[int, int], frozenset[int]]
) -> frozenset[int]:
    place = (series.id, hour)
    if place not in known:
        parts = segments(connection, series, hour * HOUR_MS, (hour + 1) * HOUR_MS)
        known[place] = frozenset(at_ms for part in parts for at_ms in part.times_ms)
    return known[place]
