"""The layer sees every call of the journal, and the disk that is made from them is the real one."""

import os
import random

import pytest

from tests.faults.disk import Disk, read
from tests.faults.files import Files, Refusal
from tests.faults.run import record


async def test_what_was_recorded_is_what_lies_on_the_disk(tmp_path):
    recorded = await record(tmp_path, seed=1)
    disk = Disk()
    disk.follow(recorded.ops)
    assert disk.as_it_is() == read(tmp_path)


async def test_the_run_meets_all_that_may_go_wrong(tmp_path):
    recorded = await record(tmp_path, seed=1)
    kinds = {(op.kind, op.path.partition("/")[0]) for op in recorded.ops}
    every = {"mkdir", "create", "write", "rename", "unlink"}
    assert kinds >= {(kind, tier) for kind in every for tier in ("mem", "card")} | {("sync", "card")}
    written = {op.path.split("/")[1] for op in recorded.ops if op.kind == "write" and op.path.startswith("card/")}
    assert written == {
        *("state.new", "segments", "quarantine", "commands", "commands.new"),
        *("reports", "reports.new"),
    }
    view = recorded.ledger.before(len(recorded.ops))
    assert len(view.epochs) == 3
    assert len(view.cloud.key_of) > 150
    assert view.durable == set(recorded.ledger.given)


def written(root, *steps):
    """Follow steps on a file of one folder: bytes are appended, "sync" and "name" make them and the name durable."""
    files = Files(root)
    with files.watching():
        os.mkdir(root / "a")
        folder = os.open(root, os.O_RDONLY)
        os.fsync(folder)
        descriptor = os.open(root / "a" / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND)
        inner = os.open(root / "a", os.O_RDONLY)
        for step in steps:
            if isinstance(step, bytes):
                os.write(descriptor, step)
            else:
                os.fsync(descriptor if step == "sync" else inner)
        for open_ in (descriptor, inner, folder):
            os.close(open_)
    disk = Disk()
    disk.follow(files.ops)
    return disk


@pytest.mark.parametrize(
    ("steps", "kind", "left"),
    [
        ((b"one", "sync", "name", b"two"), "dropped", {"a/f": b"one"}),
        ((b"one", "sync"), "dropped", {}),
        ((b"one", "name"), "dropped", {"a/f": b""}),
        ((b"one",), "empty", {"a/f": b""}),
        ((b"one", "sync", "name", b"two"), "everything", {"a/f": b"onetwo"}),
    ],
)
def test_only_what_was_synced_is_sure_to_be_left(tmp_path, steps, kind, left):
    assert written(tmp_path, *steps).after_power_cut(kind, random.Random(0)).files == left


def test_a_write_may_be_torn_and_a_later_one_may_come_before_it(tmp_path):
    disk = written(tmp_path, b"one", "sync", "name", b"two", b"three")
    torn = {disk.after_power_cut("torn", random.Random(seed)).files["a/f"] for seed in range(200)}
    assert {b"one", b"onetw", b"onetwothr"} <= torn
    assert all(b"onetwothree".startswith(left) for left in torn)
    mixed = {disk.after_power_cut("reordered", random.Random(seed)).files["a/f"] for seed in range(200)}
    assert b"one\0\0\0thr" in mixed


def test_a_short_write_and_a_refused_one_are_what_the_caller_sees(tmp_path):
    answers = iter([Refusal(28, fits=2), Refusal(28)])
    files = Files(tmp_path, judge=lambda op: next(answers) if op.kind == "write" else None)
    with files.watching(), (tmp_path / "f").open("ab", buffering=0) as file:
        assert file.write(b"data") == 2
        with pytest.raises(OSError, match="No space left"):
            file.write(b"ta")
    assert (tmp_path / "f").read_bytes() == b"da"


def test_a_call_that_the_layer_does_not_know_is_no_silent_hole(tmp_path):
    with Files(tmp_path).watching(), pytest.raises(AssertionError, match="teach it"):
        os.link(tmp_path / "a", tmp_path / "b")
