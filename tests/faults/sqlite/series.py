"""A recorded run of the series store, and what must be in the store that is opened after a cut."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.adapters.sqlite_series.files import SUFFIX
from lentera_model.quantities import stored_precision
from lentera_model.readings import Quality, Reading
from tests.faults.files import Op
from tests.faults.sqlite.layer import Recorder

TENANT = "stabat"
START_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000
HOUR_MS = 3_600_000
AFTER = "m-after"
"""Writes after the cut."""
_DEVICES = [f"m-{number:02d}" for number in range(24)]
_QUANTITIES = (
    ("energy_active_import", "power_active_total"),
    ("energy_active_import", "power_active_total", "voltage_l1"),
    ("frequency",),
)
Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Write:
    """One call of `write`: the calls of SQLite made before it and when it had returned, and what it held."""

    begun: int
    acknowledged: int
    values: dict[Key, float]


@dataclass(slots=True)
class Run:
    """What SQLite did, and what was promised when."""

    ops: list[Op]
    writes: list[Write] = field(default_factory=list)

    def promised(self, number: int) -> dict[Key, float]:
        """Return what must be there before the call of this number."""
        return {key: value for one in self.writes if one.acknowledged <= number for key, value in one.values.items()}

    def under_way(self, number: int) -> dict[Key, float]:
        """Return what may be there, wholly or not at all."""
        found = next((one for one in self.writes if one.begun <= number < one.acknowledged), None)
        return {} if found is None else found.values


def _readings(random_: random.Random, hour: int, count: int, used: set[tuple[str, int]]) -> list[Reading]:
    """Make readings of an hour, each at an instant of its own."""
    found: list[Reading] = []
    while len(found) < count:
        device, at_ms = random_.choice(_DEVICES), START_MS + hour * HOUR_MS + random_.randrange(HOUR_MS)
        if (device, at_ms) not in used:
            used.add((device, at_ms))
            values = {name: random_.uniform(0, 1e6) for name in random_.choice(_QUANTITIES)}
            found.append(Reading(device, "", at_ms, values, Quality(0)))
    return found


def _values(readings: Sequence[Reading]) -> dict[Key, float]:
    return {
        (one.device, one.at_ms, name): stored_precision(name, value)
        for one in readings
        for name, value in one.values.items()
    }


async def record(root: Path, seed: int) -> Run:
    """Write, compact, write late into what is compacted, close and open again; the log outgrows its bound meanwhile."""
    random_, used, recorder = random.Random(seed), set[tuple[str, int]](), Recorder(root)
    run = Run(recorder.ops)
    with recorder.watching():
        for session in range(3):
            store = SqliteSeries(root)
            await store.start()
            for step in range(20):
                hour = max(0, session + random_.choice((0, 0, 0, -1)))
                fresh = _readings(random_, hour, random_.choice((1, 5, 40, 120)), used)
                begun = len(recorder.ops)
                await store.write(TENANT, fresh)
                run.writes.append(Write(begun, len(recorder.ops), _values(fresh)))
                if step % 5 == 4:
                    await store.maintain(START_MS + (session + 1) * HOUR_MS + 400_000 * (step // 8))
            await store.close()
    return run


async def content(root: Path) -> dict[Key, float]:
    """Return all that a newly opened store gives."""
    store = SqliteSeries(root)
    await store.start()
    try:
        return {
            key: value
            for device in (*_DEVICES, AFTER)
            for key, value in _values([row async for row in store.raw(TENANT, device, 0, 1 << 42)]).items()
        }
    finally:
        await store.close()


async def go_on(root: Path, number: int) -> dict[Key, float]:
    """Use the store after the cut as before: write, compact all, close; return what was written."""
    more = [Reading(AFTER, "", START_MS + number, {"frequency": 50.0}, Quality(0))]
    store = SqliteSeries(root)
    await store.start()
    await store.write(TENANT, more)
    await store.maintain(START_MS + 100 * HOUR_MS)
    await store.close()
    return _values(more)


def damage(root: Path) -> list[str]:
    """Return what SQLite itself finds wrong with the file."""
    file = root / f"{TENANT}{SUFFIX}"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
