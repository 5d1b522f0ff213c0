"""The series store, the power cut at each call of SQLite: what `write` acknowledged is there, the rest all or none.

The run writes, compacts closed hours, writes late into them, closes and opens again, and its log outgrows the bound at
which SQLite folds it into the file; so cuts fall into each of these.
"""

import random
from itertools import islice
from pathlib import Path
from unittest import mock

import pytest
import pytest_asyncio

from tests.faults.disk import KINDS, Disk, Image
from tests.faults.seeds import LONG, SEEDS, named, quick_folder
from tests.faults.sqlite.cuts import each_cut, without_shared_memory
from tests.faults.sqlite.layer import Connection, Recorder
from tests.faults.sqlite.series import AFTER, Run, content, damage, go_on, record

SOME_SEEDS = SEEDS[:2]
"""In the long form every call of two runs takes ten to twenty minutes; more runs prove little more."""

SECOND_CUTS = 20 if LONG else 1
"""Of so many first cuts one is cut again."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SOME_SEEDS, ids=lambda seed: f"seed{seed}")
async def recorded(request: pytest.FixtureRequest):
    """A run and its seed."""
    print("seed", request.param)
    with quick_folder() as root:
        yield await record(root, request.param), request.param


async def check(root: Path, run: Run, number: int) -> None:
    """Hold what a newly opened store gives against what was promised before the call, then use it as before."""
    found, promised, under_way = await content(root), run.promised(number), run.under_way(number)
    found = {key: value for key, value in found.items() if key[0] != AFTER}
    assert {key: found.get(key) for key in promised} == promised, "acknowledged, and not there"
    rest = {key: value for key, value in found.items() if key not in promised}
    assert rest in ({}, under_way), "half a write"
    more = await go_on(root, number)
    assert await content(root) == found | more, "compaction lost or changed something"
    assert damage(root) == []


@pytest.mark.timeout(3600)
async def test_what_is_acknowledged_outlives_any_cut(recorded):
    run, seed = recorded
    for number, kind, image in each_cut(run.ops, seed, 60):
        with named("seed", seed, "call", number, kind, *run.ops[number : number + 1]), quick_folder() as root:
            image.lay(root)
            await check(root, run, number)


async def test_a_file_that_was_cut_short_in_the_making_counts_as_none(recorded):
    run, seed = recorded
    assert run.writes[0].begun == 0
    making = run.ops[: run.writes[0].acknowledged]
    for number, kind, image in each_cut(making, seed, len(making) if LONG else 60):
        with named("seed", seed, "call", number, kind, *making[number : number + 1]), quick_folder() as root:
            image.lay(root)
            await check(root, run, number)


async def cut_again(image: Image, number: int, random_: random.Random) -> Image:
    """Recover, compact and write under the layer, and cut the power of that too."""
    with quick_folder() as root:
        image.lay(root)
        recorder = Recorder(root)
        with recorder.watching():
            await content(root)
            await go_on(root, number)
        disk = Disk(image)
        disk.follow(recorder.ops[: random_.randint(0, len(recorder.ops))])
    return without_shared_memory(disk.after_power_cut(random_.choice(KINDS), random_))


@pytest.mark.timeout(3600)
async def test_a_second_cut_while_the_first_is_recovered_costs_nothing_more(recorded):
    run, seed = recorded
    for number, kind, image in islice(each_cut(run.ops, seed, 16), 0, None, SECOND_CUTS):
        with named("seed", seed, "call", number, kind, *run.ops[number : number + 1]), quick_folder() as root:
            (await cut_again(image, number, random.Random(f"{seed} {number} {kind} again"))).lay(root)
            await check(root, run, number)


async def test_without_a_sync_at_each_commit_it_would_be_lost():
    """The layer sees what it is there to see: with synchronous=NORMAL a cut costs what was acknowledged."""
    execute = Connection.execute

    def with_normal(self, sql, parameters=()):
        return execute(self, sql.replace("synchronous=FULL", "synchronous=NORMAL"), parameters)

    with quick_folder() as root, mock.patch.object(Connection, "execute", with_normal):
        run = await record(root, 1)
    disk = Disk()
    disk.follow(run.ops[: run.writes[9].acknowledged])
    with quick_folder() as root:
        without_shared_memory(disk.after_power_cut("dropped", random.Random(1))).lay(root)
        with pytest.raises(AssertionError, match="acknowledged, and not there"):
            await check(root, run, run.writes[9].acknowledged)


async def test_the_run_meets_all_that_may_go_wrong(recorded):
    run, _ = recorded
    found = {(op.kind, op.path.rpartition("sqlite3")[2]) for op in run.ops}
    assert {("write", ""), ("write", "-wal"), ("write", "-journal"), ("sync", ""), ("sync", "-wal")} <= found
    assert {("truncate", ""), ("unlink", "-wal"), ("unlink", "-journal"), ("sync_folder", ".")} <= found | {
        (op.kind, op.path) for op in run.ops
    }
    folds = [number for number, op in enumerate(run.ops) if (op.kind, op.path[-7:]) == ("sync", "sqlite3")]
    closes = [number for number, op in enumerate(run.ops) if (op.kind, op.path[-4:]) == ("unlink", "-wal")]
    assert len(closes) == 3
    assert len(folds) > 3, "the log never outgrew its bound"
