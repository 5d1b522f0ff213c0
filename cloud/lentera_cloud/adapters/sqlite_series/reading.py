"""What reader threads do with a tenant's file: merge rows and blocks and answer questions. Synchronous, read only."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from lentera_cloud.adapters.series_common.records import ColumnSet
from lentera_cloud.adapters.series_common.windows import Windows
from lentera_cloud.adapters.sqlite_series.segments import HOUR_MS, Segment, decode_block, from_rows, merge
from lentera_cloud.adapters.sqlite_series.writing import parse_columns
from lentera_cloud.ports import LatestValue, SeriesPoint, SeriesQuery, SeriesResult
from lentera_model.readings import Quality, Reading


@dataclass(frozen=True, slots=True)
class Series:
    """One column set of one device: its id in the file and what its records hold."""

    id: int
    columns: ColumnSet


def series_of(connection: sqlite3.Connection, device: str) -> list[Series]:
    """Return every column set that the device has ever sent, the oldest first."""
    found = connection.execute(
        "SELECT series.id, columns FROM series JOIN column_set ON column_set.id = column_set"
        " WHERE device = (SELECT id FROM device WHERE name = ?) ORDER BY series.id",
        (device,),
    )
    return [Series(number, parse_columns(text)) for number, text in found]


def segments(connection: sqlite3.Connection, series: Series, from_ms: int, to_ms: int) -> Iterator[Segment]:
    """Yield the rows of a series in the range in time order, at most an hour at a time, blocks and rows merged."""
    if to_ms <= from_ms:
        return
    span = (series.id, from_ms, to_ms)
    rows = connection.execute(
        "SELECT at_ms / 3600000, at_ms, quality, data FROM row"
        " WHERE series = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms",
        span,
    )
    blocks = connection.execute(
        "SELECT hour, rows, data FROM block WHERE series = ? AND hour BETWEEN ? AND ? ORDER BY hour",
        (series.id, from_ms // HOUR_MS, (to_ms - 1) // HOUR_MS),
    )
    tagged_blocks = ((hour, decode_block(data, series.columns, hour, count)) for hour, count, data in blocks)
    tagged_rows = (
        (hour, from_rows(series.columns, (row[1:] for row in grouped)))
        for hour, grouped in groupby(rows, itemgetter(0))
    )
    by_hour = heapq.merge(tagged_blocks, tagged_rows, key=itemgetter(0))  # stable: an hour's block before its rows
    for _, parts in groupby(by_hour, itemgetter(0)):
        found = [part for _, part in parts]
        segment = found[0] if len(found) == 1 else merge(found[0], found[1])
        segment = segment.between(from_ms, to_ms)
        if segment.times_ms:
            yield segment


def readings(connection: sqlite3.Connection, device: str, from_ms: int, to_ms: int) -> Iterator[Reading]:
    """Yield every instant of the device in the range once, in time order, whatever column sets it came in."""
    streams = (_rows(connection, series, from_ms, to_ms) for series in series_of(connection, device))
    for at_ms, same in groupby(heapq.merge(*streams, key=itemgetter(0)), itemgetter(0)):
        values: dict[str, float] = {}
        worst = 0
        for _, quality, columns, record in same:
            values = {**columns.unpack(record), **values}
            worst = max(worst, quality)
        yield Reading(device, "", at_ms, values, Quality(worst))


def _rows(
    connection: sqlite3.Connection, series: Series, from_ms: int, to_ms: int
) -> Iterator[tuple[int, int, ColumnSet, bytes]]:
    for segment in segments(connection, series, from_ms, to_ms):
        for at_ms, quality, record in zip(segment.times_ms, segment.quality, segment.records(), strict=True):
            yield at_ms, quality, segment.columns, record


def answer(connection: sqlite3.Connection, q: SeriesQuery) -> SeriesResult:
    """Answer a question about one device: every instant, or windows of aggregates."""
    asked = [s for s in series_of(connection, q.device) if not set(q.quantities).isdisjoint(s.columns.names)]
    if q.every_ms is None:
        return _instants(connection, asked, q)
    if _each_quantity_once(asked, q.quantities):
        return _windows(connection, asked, q, q.every_ms)
    return _windows_of_merged(_merged(connection, asked, q), q, q.every_ms)


def _each_quantity_once(asked: Sequence[Series], quantities: Iterable[str]) -> bool:
    return all(sum(name in series.columns.names for series in asked) <= 1 for name in quantities)


def _merged(
    connection: sqlite3.Connection, asked: Sequence[Series], q: SeriesQuery
) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Yield (at_ms, worst quality, asked values) of each instant that has any, in time order."""
    streams = (_values(connection, series, q) for series in asked)
    for at_ms, same in groupby(heapq.merge(*streams, key=itemgetter(0)), itemgetter(0)):
        values: dict[str, float] = {}
        worst = 0
        for _, quality, more in same:
            values = {**more, **values}
            worst = max(worst, quality)
        yield at_ms, worst, values


def _values(
    connection: sqlite3.Connection, series: Series, q: SeriesQuery
) -> Iterator[tuple[int, int, dict[str, float]]]:
    names = [name for name in q.quantities if name in series.columns.names]
    for segment in segments(connection, series, q.from_ms, q.to_ms):
        rows = zip(*(segment.column(name) for name in names), strict=True)
        for at_ms, quality, values in zip(segment.times_ms, segment.quality, rows, strict=True):
            yield at_ms, quality, dict(zip(names, values, strict=True))


def _instants(connection: sqlite3.Connection, asked: Sequence[Series], q: SeriesQuery) -> SeriesResult:
    points: list[SeriesPoint] = []
    for at_ms, quality, values in _merged(connection, asked, q):
        if len(points) == q.limit:
            return SeriesResult(points, truncated=True)
        points.append(SeriesPoint(at_ms, {name: values.get(name) for name in q.quantities}, Quality(quality)))
    return SeriesResult(points)


def _windows(connection: sqlite3.Connection, asked: Sequence[Series], q: SeriesQuery, every_ms: int) -> SeriesResult:
    """Aggregate column by column: the way for devices that send each quantity in one column set."""
    windows = Windows(q, every_ms)
    for series in asked:
        names = [name for name in q.quantities if name in series.columns.names]
        own = Windows(q, every_ms)
        for segment in segments(connection, series, q.from_ms, q.to_ms):
            own.add(segment.times_ms, segment.quality, {name: segment.column(name) for name in names})
            if len(own) > q.limit + 1:  # what comes after is past the limit; the last window may be incomplete
                break
        windows.absorb(own)
    return windows.result()


def _windows_of_merged(
    rows: Iterator[tuple[int, int, dict[str, float]]], q: SeriesQuery, every_ms: int
) -> SeriesResult:
    """Aggregate instant by instant: the way when two column sets hold a quantity and an instant may come in both."""
    windows = Windows(q, every_ms)
    for at_ms, quality, values in rows:
        windows.add((at_ms,), bytes((quality,)), {name: (value,) for name, value in values.items()})
        if len(windows) > q.limit + 1:
            break
    return windows.result()


def count(connection: sqlite3.Connection, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
    """Return how many instants of each quantity are stored in the range; quantities without any are absent."""
    times: dict[str, list[Sequence[int]]] = {}
    for series in series_of(connection, device):
        own = [at_ms for segment in segments(connection, series, from_ms, to_ms) for at_ms in segment.times_ms]
        if own:
            for name in series.columns.names:
                times.setdefault(name, []).append(own)
    return {name: len(runs[0]) if len(runs) == 1 else len(set().union(*runs)) for name, runs in times.items()}


def latest(connection: sqlite3.Connection, device: str) -> dict[str, LatestValue]:
    """Return the newest value of each quantity of the device."""
    newest: dict[str, LatestValue] = {}
    for series in series_of(connection, device):
        found = _last_row(connection, series)
        if found is None:
            continue
        at_ms, quality, values = found
        for name, value in values.items():
            if name not in newest or newest[name].at_ms < at_ms:
                newest[name] = LatestValue(value, at_ms, Quality(quality))
    return newest


def _last_row(connection: sqlite3.Connection, series: Series) -> tuple[int, int, dict[str, float]] | None:
    row = connection.execute(
        "SELECT at_ms, quality, data FROM row WHERE series = ? ORDER BY at_ms DESC LIMIT 1", (series.id,)
    ).fetchone()
    block = connection.execute(
        "SELECT hour, rows, data FROM block WHERE series = ? ORDER BY hour DESC LIMIT 1", (series.id,)
    ).fetchone()
    if block is not None and (row is None or row[0] < (block[0] + 1) * HOUR_MS):
        segment = decode_block(block[2], series.columns, block[0], block[1])
        at_ms = segment.times_ms[-1]
        if row is None or row[0] <= at_ms:
            return at_ms, segment.quality[-1], series.columns.unpack(segment.records()[-1])
    return None if row is None else (row[0], row[1], series.columns.unpack(row[2]))
