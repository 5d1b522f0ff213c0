"""Measure the series stores: values a second written and asked, bytes a value, against a row a value in the same run.

`python -m bench.series_bench` prints JSON. The load is the cabinet's meter, 30 values each 10 s: 26 instantaneous ones
with 0.5 % of Gaussian noise in the meter's own resolution (0.1 V, 1 mA, 1 W), 4 counters in steps of 10 Wh. The
machine is shared with whatever else runs, so the ratios say more than the figures.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from lentera_cloud.adapters.influx_series import InfluxSeries
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.ports import SeriesQuery, TimeSeries
from lentera_model.quantities import stored_precision
from lentera_model.readings import Reading
from tests.services.servers import Influx

T0 = 1_790_000_000_000 // 3_600_000 * 3_600_000
HOUR_MS, STEP_MS = 3_600_000, 10_000
HOURS, METERS, INSTANTS = 24, 50, 100
TENANT = "bench"

_PHASES = ("l1", "l2", "l3")
_BASES: dict[str, tuple[float, float]] = {  # quantity -> usual value, resolution
    **{f"voltage_{p}": (230.0, 0.1) for p in _PHASES},
    **{f"current_{p}": (5.0, 0.001) for p in _PHASES},
    **{f"power_active_{p}": (1100.0, 1.0) for p in _PHASES},
    **{f"power_reactive_{p}": (200.0, 1.0) for p in _PHASES},
    **{f"power_apparent_{p}": (1150.0, 1.0) for p in _PHASES},
    **{f"power_factor_{p}": (0.95, 0.001) for p in _PHASES},
    "power_active_total": (3300.0, 1.0),
    "power_reactive_total": (600.0, 1.0),
    "power_apparent_total": (3450.0, 1.0),
    "power_factor_total": (0.95, 0.001),
    "voltage_ln_avg": (230.0, 0.1),
    "current_avg": (5.0, 0.001),
    "current_n": (0.4, 0.001),
    "frequency": (50.0, 0.01),
}
_COUNTERS = ("energy_active_import", "energy_active_export", "energy_reactive_import", "energy_reactive_export")
NAMES = (*_BASES, *_COUNTERS)


def meter(device: str, seed: int, rows: int, from_ms: int = T0) -> list[Reading]:
    """Readings of one meter, the same for the same seed."""
    rng = random.Random(seed)
    energy = {name: rng.randrange(10**6) * 10.0 for name in _COUNTERS}
    found: list[Reading] = []
    for number in range(rows):
        values = {
            name: stored_precision(name, round(usual * rng.gauss(1, 0.005) / step) * step)
            for name, (usual, step) in _BASES.items()
        }
        if number % 3 == 0:
            energy = {name: value + 10 * rng.randrange(3) for name, value in energy.items()}
        found.append(Reading(device, "", from_ms + number * STEP_MS, values | energy))
    return found


async def _timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = await work()
    return time.perf_counter() - began, result


async def _write(store: TimeSeries, readings: Sequence[Reading], a_write: int) -> float:
    """Return the values a second of writing these readings, so many a write, one write after the other."""

    async def work() -> None:
        for begin in range(0, len(readings), a_write):
            await store.write(TENANT, readings[begin : begin + a_write])

    took_s, _ = await _timed(work)
    return len(readings) * len(NAMES) / took_s


async def _ask(store: TimeSeries, device: str, day_ms: int) -> dict[str, float]:
    """Return the milliseconds of three usual questions, each the best of three, and the speed of an export."""
    end_ms = T0 + day_ms
    asked = {
        "an_hour_stored_all_quantities_ms": SeriesQuery(device, NAMES, T0, T0 + HOUR_MS),
        "a_day_in_15m_means_one_quantity_ms": SeriesQuery(device, NAMES[:1], T0, end_ms, 900_000, "mean"),
        "a_day_in_15m_means_all_quantities_ms": SeriesQuery(device, NAMES, T0, end_ms, 900_000, "mean"),
    }
    found: dict[str, float] = {}
    for name, q in asked.items():
        times: list[float] = []
        for _ in range(3):
            took_s, result = await _timed(lambda q=q: store.query(TENANT, q))
            assert result.points
            times.append(took_s * 1000)
        found[name] = round(min(times), 1)

    async def export() -> int:
        return sum([len(one.values) async for one in store.raw(TENANT, device, T0, end_ms)])

    took_s, values = await _timed(export)
    found["export_values_a_second"] = round(values / took_s)
    return found


async def _measure(store: TimeSeries, after_writes: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Write the load and ask; `after_writes` looks at the store between the bulk and the live load."""
    bulk = meter("meter-0", 0, HOURS * 360)
    figures: dict[str, Any] = {"written_in_bulk_values_a_second": round(await _write(store, bulk, 1000))}
    after_writes()
    figures |= await _ask(store, "meter-0", HOURS * HOUR_MS)
    meters = [meter(f"meter-{number}", number, INSTANTS) for number in range(1, METERS + 1)]
    live = [rows[instant] for instant in range(INSTANTS) for rows in meters]
    figures["written_live_values_a_second"] = round(await _write(store, live, METERS))
    figures["written_live_writes_a_second"] = round(figures["written_live_values_a_second"] / METERS / len(NAMES), 1)
    return figures


async def _sqlite(folder: Path) -> dict[str, Any]:
    store = SqliteSeries(folder)
    await store.start()
    values = HOURS * 360 * len(NAMES)
    sizes: list[float] = []
    figures = await _measure(store, lambda: sizes.append(_bytes(folder / f"{TENANT}.series.sqlite3")))
    took_s, _ = await _timed(lambda: store.maintain(T0 + 1000 * HOUR_MS))
    compacted = (HOURS * 360 + METERS * INSTANTS) * len(NAMES)
    figures["compacted_values_a_second"] = round(compacted / took_s)
    figures["once_compacted"] = await _ask(store, "meter-0", HOURS * HOUR_MS)
    await store.close()
    figures["bytes_a_value_in_rows"] = round(sizes[0] / values, 2)
    blocks = "SELECT sum(length(data)) FROM block WHERE series = (SELECT min(id) FROM series)"
    connection = sqlite3.connect(folder / f"{TENANT}.series.sqlite3")
    figures["bytes_a_value_in_blocks"] = round(connection.execute(blocks).fetchone()[0] / values, 2)
    connection.close()
    figures["bytes_a_value_of_the_file_compacted"] = round(_bytes(folder / f"{TENANT}.series.sqlite3") / compacted, 2)
    return figures


def _bytes(path: Path) -> int:
    """Return the bytes of the file without its free pages, as a copy would have."""
    copy = path.with_suffix(".copy")
    connection = sqlite3.connect(path)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    size = copy.stat().st_size
    copy.unlink()
    return size


def _row_a_value(folder: Path) -> dict[str, Any]:
    """Measure the plain peer: a table with a row for each value, same durability, same load in bulk."""
    path = folder / "plain.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE value (device TEXT, quantity TEXT, at_ms INTEGER, value REAL, quality INTEGER,"
        " PRIMARY KEY (device, quantity, at_ms)) WITHOUT ROWID"
    )
    bulk = meter("meter-0", 0, HOURS * 360)
    began = time.perf_counter()
    for begin in range(0, len(bulk), 1000):
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR IGNORE INTO value VALUES (?, ?, ?, ?, ?)",
            (
                (one.device, name, one.at_ms, value, 0)
                for one in bulk[begin : begin + 1000]
                for name, value in one.values.items()
            ),
        )
        connection.execute("COMMIT")
    took_s = time.perf_counter() - began
    values = len(bulk) * len(NAMES)
    times: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        connection.execute(
            "SELECT at_ms / 900000, avg(value) FROM value WHERE device = 'meter-0' AND quantity = ? AND at_ms >= ?"
            " AND at_ms < ? GROUP BY 1",
            (NAMES[0], T0, T0 + HOURS * HOUR_MS),
        ).fetchall()
        times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return {
        "written_in_bulk_values_a_second": round(values / took_s),
        "a_day_in_15m_means_one_quantity_ms": round(min(times), 1),
        "bytes_a_value": round(_bytes(path) / values, 2),
    }


async def _influx() -> dict[str, Any] | None:
    if Influx.program() is None:
        return None
    server = Influx()
    await asyncio.to_thread(server.start)
    store = InfluxSeries(server.info.url, server.info.token, server.info.org)
    try:
        await store.start()
        return await _measure(store)
    finally:
        await store.close()
        await asyncio.to_thread(server.close)


def measure() -> dict[str, Any]:
    """Return every figure; `influxdb` is None where influxd is not installed."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as folder:
        plain = _row_a_value(Path(folder))
        packed = asyncio.run(_sqlite(Path(folder) / "series"))
    speed = packed["written_in_bulk_values_a_second"] / plain["written_in_bulk_values_a_second"]
    return {
        "load": f"{len(NAMES)} values a reading, 0.5 % noise; {HOURS} h of 1 meter in bulk; {METERS} meters live",
        "sqlite": packed,
        "sqlite_a_row_a_value": plain,
        "sqlite_against_a_row_a_value": {
            "writes_times_as_fast": round(speed, 1),
            "bytes_in_rows": round(packed["bytes_a_value_in_rows"] / plain["bytes_a_value"], 3),
            "bytes_in_blocks": round(packed["bytes_a_value_in_blocks"] / plain["bytes_a_value"], 3),
        },
        "influxdb": asyncio.run(_influx()),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a table a store."""
    lines = [f"series: {figures['load']}"]
    for store, found in figures.items():
        if isinstance(found, dict):
            lines.append(f"  {store}")
            for name, value in found.items():
                if isinstance(value, dict):
                    lines += [f"    {name} {inner:<42} {number:>12}" for inner, number in value.items()]
                else:
                    lines.append(f"    {name:<57} {value:>12}")
        elif found is None:
            lines.append(f"  {store}: not installed")
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
