"""A kill at every call of a recorded run, the last write torn: the tmpfs stays, and the last second is all it costs."""

import random
from dataclasses import replace

import pytest

from lentera_gateway.journal.gaps import GapKeeper
from tests.faults.disk import Disk, Image
from tests.faults.files import Files, Op
from tests.faults.recovery import Restart, check, same_boot, tell
from tests.faults.run import Recorded, record
from tests.faults.seeds import SEEDS, named, quick_folder, some


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
async def recorded(request):
    """A run and its seed."""
    print("seed", request.param)
    with quick_folder() as root:
        yield await record(root, request.param), request.param


def each_kill(ops: list[Op], seed: int, count: int, random_: random.Random):
    """Yield (call's number, what a new process finds when the call was cut short)."""
    for number in some(range(len(ops) + 1), count, seed):
        disk = Disk()
        disk.follow(ops[:number])
        for op in ops[number : number + 1]:
            if op.kind == "write":
                disk.follow([replace(op, data=op.data[: random_.randrange(len(op.data))])])
        yield number, disk.as_it_is()


def look_at_each(run: Recorded, seed: int) -> None:
    random_ = random.Random(f"{seed} kill")
    for number, image in each_kill(run.ops, seed, 260, random_):
        view = run.ledger.before(number)
        with named("seed", seed, "call", number, *run.ops[number : number + 1]), quick_folder() as root:
            image.lay(root)
            check(root, view, view.kept, same_boot(view))


@pytest.mark.timeout(3600)
def test_a_kill_costs_the_last_second_at_most(recorded):
    look_at_each(*recorded)


def killed_again(image: Image, restart: Restart, random_: random.Random) -> Image:
    """Recover under the layer, and kill that too."""
    with quick_folder() as root:
        image.lay(root)
        files = Files(root)
        with files.watching():
            store = restart.open(root)
            store.pin(restart.fit)
            tell(store, restart)
            store.mover.maintain(restart.monotonic_ms)
            store.places.memory.close_segment()
            store.places.card.close_segment()
    disk = Disk(image)
    disk.follow(files.ops[: random_.randint(0, len(files.ops))])
    return disk.as_it_is()


@pytest.mark.timeout(3600)
def test_a_second_kill_while_the_first_is_recovered_costs_nothing_more(recorded):
    run, seed = recorded
    random_ = random.Random(f"{seed} kill again")
    for number, image in each_kill(run.ops, seed, 60, random_):
        view = run.ledger.before(number)
        restart = same_boot(view)
        with named("seed", seed, "call", number, *run.ops[number : number + 1]), quick_folder() as root:
            killed_again(image, restart, random_).lay(root)
            check(root, view, view.kept, replace(restart, monotonic_ms=restart.monotonic_ms + 300))


@pytest.mark.timeout(3600)
def test_a_kill_of_which_nobody_is_told_is_found(recorded, monkeypatch):
    run, seed = recorded
    monkeypatch.setattr(GapKeeper, "note_stop", lambda *_: None)
    with pytest.raises(AssertionError, match="in no known gap"):
        look_at_each(run, seed)
