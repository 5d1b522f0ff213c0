"""The registry on SQLite, the power cut at each call: every transaction that returned is there, the next wholly or not.

All tables are compared row by row with what they held after each step, so receipts, spans, conflicts and refusals are
judged alike, and the making of the tables too.
"""

import random
from itertools import islice
from unittest import mock

import pytest
import pytest_asyncio

from lentera_cloud.adapters.sql import SqlRegistry
from tests.faults.disk import KINDS, Disk, Image
from tests.faults.seeds import LONG, SEEDS, named, quick_folder
from tests.faults.sqlite.cuts import each_cut, without_shared_memory
from tests.faults.sqlite.layer import Cursor, Recorder
from tests.faults.sqlite.registry import FILE, Run, address, record, rows

SOME_SEEDS = SEEDS[:2]
"""In the long form every call of two runs; more runs prove little more."""

SECOND_CUTS = 50 if LONG else 1
"""Of so many first cuts one is cut again."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SOME_SEEDS, ids=lambda seed: f"seed{seed}")
async def recorded(request: pytest.FixtureRequest):
    """A run and its seed."""
    print("seed", request.param)
    with quick_folder() as root:
        yield await record(root, request.param), request.param


async def start_and_stop(root) -> None:
    """Start the registry as the next boot does."""
    registry = SqlRegistry(address(root))
    await registry.start()
    await registry.close()


async def check(image: Image, run: Run, number: int, *, start: bool) -> None:
    """Hold every row against what was promised before the call; then the registry must start and change nothing."""
    with quick_folder() as root:
        image.lay(root)
        allowed = run.allowed(number)
        found = rows(root) if (root / FILE).exists() else {}
        assert found in allowed, "acknowledged and not there, or half a step"
        if start or not found:
            await start_and_stop(root)
            assert rows(root) == (found or run.steps[0].rows)


@pytest.mark.timeout(3600)
async def test_what_was_committed_outlives_any_cut(recorded):
    run, seed = recorded
    for turn, (number, kind, image) in enumerate(each_cut(run.ops, seed, 80)):
        with named("seed", seed, "call", number, kind, *run.ops[number : number + 1]):
            await check(image, run, number, start=turn % (50 if LONG else 12) == 0)


@pytest.mark.timeout(3600)
async def test_a_second_cut_while_the_first_is_recovered_costs_nothing_more(recorded):
    run, seed = recorded
    for number, kind, image in islice(each_cut(run.ops, seed, 10), 0, None, SECOND_CUTS):
        random_ = random.Random(f"{seed} {number} {kind} again")
        with named("seed", seed, "call", number, kind, *run.ops[number : number + 1]), quick_folder() as root:
            image.lay(root)
            recorder = Recorder(root)
            with recorder.watching():
                await start_and_stop(root)
            disk = Disk(image)
            disk.follow(recorder.ops[: random_.randint(0, len(recorder.ops))])
            again = without_shared_memory(disk.after_power_cut(random_.choice(KINDS), random_))
            allowed = [*run.allowed(number), *([run.steps[0].rows] if {} in run.allowed(number) else [])]
            with quick_folder() as other:
                again.lay(other)
                assert (rows(other) if (other / FILE).exists() else {}) in allowed


async def test_without_a_sync_at_each_commit_it_would_be_lost():
    """The layer sees what it is there to see: with synchronous=NORMAL a cut costs what was committed."""
    execute = Cursor.execute

    def with_normal(self, sql, parameters=()):
        return execute(self, sql.replace("synchronous=FULL", "synchronous=NORMAL"), parameters)

    with quick_folder() as root, mock.patch.object(Cursor, "execute", with_normal):
        run = await record(root, 1)
    at = run.steps[20].acknowledged
    disk = Disk()
    disk.follow(run.ops[:at])
    with pytest.raises(AssertionError, match="acknowledged and not there"):
        await check(without_shared_memory(disk.after_power_cut("dropped", random.Random(1))), run, at, start=False)


async def test_the_run_meets_all_that_may_go_wrong(recorded):
    run, _ = recorded
    found = {(op.kind, op.path.removeprefix(FILE)) for op in run.ops}
    assert {("write", ""), ("write", "-wal"), ("sync", ""), ("sync", "-wal"), ("unlink", "-wal")} <= found
    last = run.steps[-1].rows
    for table in ("receipt_range", "stored_span", "conflicting_value", "refusal", "gateway", "tenant"):
        assert last[table], f"{table} is empty"
