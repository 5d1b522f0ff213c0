"""A recorded run of the registry on SQLite: after each step what all its tables hold, row by row."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.domain.spans import StoredSpan
from lentera_cloud.ports import GatewayRow, RefusalCount
from lentera_model.batch import BatchKey
from tests.faults.files import Op
from tests.faults.sqlite.layer import Recorder

FILE = "registry.db"
TENANT = "stabat"
NOW_MS = 1_790_000_000_000
_SESSIONS, _STEPS = 2, 70
Rows = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: the calls of SQLite made before it and when it had returned, and all rows from then on."""

    begun: int
    acknowledged: int
    rows: Rows


@dataclass(slots=True)
class Run:
    """What SQLite did, and the steps; the first is the making of the tables."""

    ops: list[Op]
    steps: list[Step] = field(default_factory=list)

    def allowed(self, number: int) -> list[Rows]:
        """Return what may lie there after a cut at this call: what returned, or that with the step under way."""
        done = [step.rows for step in self.steps if step.acknowledged <= number]
        under_way = [step.rows for step in self.steps if step.begun <= number < step.acknowledged]
        return [*(done[-1:] or [{}]), *under_way]


def address(root: Path) -> str:
    """Return the registry's address in a folder."""
    return f"sqlite+aiosqlite:///{root / FILE}"


def rows(root: Path) -> Rows:
    """Return every row of every table, {} where there is no table yet; raises AssertionError for a damaged file."""
    with closing(sqlite3.connect(root / FILE, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall() for name in tables}


async def record(root: Path, seed: int) -> Run:
    """Make the tables, take receipts, claim spans, keep conflicts and refusals; close, open and go on."""
    random_, recorder = random.Random(seed), Recorder(root)
    run = Run(recorder.ops)

    async def step(work: Awaitable[object]) -> None:
        begun = len(recorder.ops)
        await work
        run.steps.append(Step(begun, len(recorder.ops), rows(root)))

    with recorder.watching():
        for session in range(_SESSIONS):
            registry = SqlRegistry(address(root))
            await step(registry.start())
            if session == 0:
                await step(registry.tenants.create_tenant(TENANT, TENANT.title(), NOW_MS))
                await step(registry.gateways.add(GatewayRow(TENANT, "gw-1", "Jalan Merdeka", bytes(32), NOW_MS)))
            for number in range(_STEPS):
                await step(_some_step(registry, random_, session * _STEPS + number))
            await registry.close()
    return run


def _some_step(registry: SqlRegistry, random_: random.Random, number: int) -> Awaitable[object]:
    """Return one transaction of those by which a batch is taken."""
    device, at_ms = f"m-{random_.randrange(6)}", NOW_MS + 60_000 * number
    key = BatchKey("gw-1", 1 + number // 50, number)
    choice = random_.randrange(5)
    if choice == 0:
        spans = [
            StoredSpan(f"m-{one}", key.epoch, at_ms + one, at_ms + 30_000) for one in range(random_.randint(1, 40))
        ]
        return registry.spans.claim(TENANT, spans, at_ms)
    if choice == 1:
        many = [Conflict(device, "frequency", at_ms + one, 50.0, 50.1, key) for one in range(random_.randint(1, 60))]
        return registry.conflicts.add(TENANT, many, at_ms)
    if choice == 2:
        return registry.receipts.note_refusals(TENANT, [RefusalCount("gw-1", device, "future", "too new", 3, at_ms)])
    sequences = random_.sample(range(number, number + 400), random_.randint(1, 60))
    return registry.receipts.add(TENANT, [BatchKey("gw-1", key.epoch, one) for one in sequences], at_ms)
