"""Measure what looking for second values costs the ingest: the group writer with and without, by turns in one run.

`python -m bench.second_values` prints JSON. Without is the same writer with the claim and the look-up left out.
Loads: *meters*, groups of 100 batches of a meter's 133 rows of 30 values (4,000 values a batch); *lamps*, groups of
100 batches of 50 lamps with a row of 6 values each; *single*, one batch of ten rows of a meter at a time. Both
registries, SQLite beside them as the series store, all on the disk of TMPDIR.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.series_bench import NAMES, STEP_MS, T0, meter
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.features.ingest.writer import GroupWriter, Pending
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import GatewayRow
from lentera_model.batch import BatchKey
from lentera_model.readings import Reading
from tests.services.servers import Postgres

GATEWAYS, ROUNDS = 100, 6
_LAMP = ("level_percent", "power_active_total", "voltage_avg", "current_avg", "power_factor_total", "operating_time")

Group = list[tuple[BatchKey, Sequence[Reading]]]


class _Unlooked(GroupWriter):
    """The writer without the claim and the look-up, as it was before."""

    async def _first_values(self, parcels: Sequence[Any]) -> Any:
        return list(parcels), []


def _meters(rounds: int, rows: int, gateways: int) -> list[Group]:
    whole = [meter(f"meter-{n}", n, rows * rounds) for n in range(gateways)]
    return [
        [(BatchKey(f"gw-{n}", 1, at + 1), whole[n][at * rows : (at + 1) * rows]) for n in range(gateways)]
        for at in range(rounds)
    ]


def _lamps(rounds: int) -> list[Group]:
    def row(gateway: int, lamp: int, at: int) -> Reading:
        values = {name: float((lamp + at * 7 + len(name)) % 100) for name in _LAMP}
        return Reading(f"lamp-{gateway}-{lamp}", "", T0 + at * 6 * STEP_MS, values)

    return [
        [(BatchKey(f"gw-{n}", 1, at + 1), [row(n, lamp, at) for lamp in range(50)]) for n in range(GATEWAYS)]
        for at in range(rounds)
    ]


async def _write(kind: type[GroupWriter], url: str, folder: Path, groups: Sequence[Group]) -> tuple[float, float]:
    """Return the seconds and this process's CPU seconds that the groups took, one after the other, in fresh stores."""
    registry, series = SqlRegistry(url), SqliteSeries(folder)
    await registry.start()
    await series.start()
    await registry.tenants.create_tenant("bench", "Bench", 1)
    for gateway in {key.gateway for group in groups for key, _ in group}:
        await registry.gateways.add(GatewayRow("bench", gateway, "", bytes(32), 1))

    async def publish(_event: object) -> None:
        """Tell nobody."""

    writer = kind("bench", series, registry, SystemClock(), publish)
    task = asyncio.create_task(writer.run())
    began, cpu = time.perf_counter(), time.process_time()
    for group in groups:
        waiting = [Pending(key, rows, (), asyncio.get_running_loop().create_future()) for key, rows in group]
        for one in waiting:
            writer.submit(one)
        await asyncio.gather(*(one.done for one in waiting))
    took = time.perf_counter() - began, time.process_time() - cpu
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await series.close()
    await registry.close()
    return took


async def _compare(server: Postgres | None, groups: Sequence[Group], turns: int) -> dict[str, Any]:
    values = sum(len(row.values) for group in groups for _, rows in group for row in rows)
    took: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    for turn in range(turns):
        for name, kind in (("without", _Unlooked), ("with", GroupWriter)):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                url = f"sqlite+aiosqlite:///{place / 'registry.db'}"
                database = f"bench_{name}_{turn}"
                if server is not None:
                    server.execute(f"CREATE DATABASE {database}")
                    url = server.database(database).url
                took[name].append(await _write(kind, url, place / "series", groups))
                if server is not None:
                    server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    without, looked = (statistics.median(one for one, _ in took[name]) for name in ("without", "with"))
    cpu_without, cpu_with = (statistics.median(one for _, one in took[name]) for name in ("without", "with"))
    return {
        "values": values,
        "values_a_second_without": round(values / without),
        "values_a_second_with": round(values / looked),
        "cost_percent": round((looked / without - 1) * 100, 1),
        "cpu_s_a_million_values_without": round(cpu_without / values * 1e6, 2),
        "cpu_s_a_million_values_with": round(cpu_with / values * 1e6, 2),
        "ms_a_group_without": round(without / len(groups) * 1000, 1),
        "ms_a_group_with": round(looked / len(groups) * 1000, 1),
    }


async def measure(turns: int = 3) -> dict[str, Any]:
    """Return the figures of every load on both registries."""
    loads = {
        "meters": _meters(ROUNDS, 133, GATEWAYS),
        "lamps": _lamps(ROUNDS * 2),
        "single": _meters(100, 10, 1),
    }
    server = Postgres() if Postgres.installed() else None
    figures: dict[str, Any] = {"values_a_row_of_a_meter": len(NAMES)}
    try:
        if server is not None:
            await asyncio.to_thread(server.start)
        for name, groups in loads.items():
            figures[f"{name}_registry_sqlite"] = await _compare(None, groups, turns)
            if server is not None:
                figures[f"{name}_registry_postgresql"] = await _compare(server, groups, turns)
    finally:
        if server is not None:
            await asyncio.to_thread(server.close)
    return figures


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=2))
