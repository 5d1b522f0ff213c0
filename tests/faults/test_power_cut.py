"""The power goes at each call of a recorded run: what was not synced is lost, torn or reordered, the tmpfs is empty."""

import random
from collections.abc import Iterator

import pytest

from lentera_gateway.journal.gaps import GapKeeper
from tests.faults.disk import KINDS, Disk, Image
from tests.faults.files import Files
from tests.faults.ledger import View
from tests.faults.recovery import Restart, after_power_cut, check, tell
from tests.faults.run import Recorded, record
from tests.faults.seeds import LONG, SEEDS, named, quick_folder, some


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
async def recorded(request):
    """A run and its seed."""
    print("seed", request.param)
    with quick_folder() as root:
        yield await record(root, request.param), request.param


def each_cut(recorded: Recorded, seed: int, count: int) -> Iterator[tuple[int, Disk]]:
    """Yield (call's number, disk with the call under way) of the calls looked at in this form.

    Calls on the tmpfs change nothing that outlives the cut, but what is promised may change with them: so the cut is
    looked at where the most is promised, just before the card's next call.
    """
    wanted = [number for number, op in enumerate(recorded.ops) if not op.path.startswith("mem")] + [len(recorded.ops)]
    disk, done = Disk(), 0
    for number in some(wanted, count, seed):
        under_way = [op for op in recorded.ops[number : number + 1] if "sync" not in op.kind]
        disk.follow(recorded.ops[done:number])
        disk.follow(under_way)
        done = number + len(under_way)
        yield number, disk


def open_after(image: Image, view: View, restart: Restart) -> None:
    with quick_folder() as root:
        image.lay(root)
        check(root, view, view.durable, restart)


def look_at_each(run: Recorded, seed: int) -> None:
    for number, disk in each_cut(run, seed, 300):
        random_ = random.Random(f"{seed} {number}")
        for kind in KINDS if LONG else random_.sample(KINDS, 2):
            with named("seed", seed, "call", number, kind, *run.ops[number : number + 1]):
                image = disk.after_power_cut(kind, random_).without("mem")
                open_after(image, run.ledger.before(number), after_power_cut(random_))


@pytest.mark.timeout(3600)
def test_nothing_older_than_the_budget_is_lost_nothing_doubled(recorded):
    look_at_each(*recorded)


def second_cut(image: Image, restart: Restart, random_: random.Random) -> Image:
    """Recover under the layer, and cut the power of that too."""
    with quick_folder() as root:
        image.lay(root)
        files = Files(root)
        with files.watching():
            store = restart.open(root)
            store.pin(restart.fit)
            tell(store, restart)
            store.mover.maintain(restart.monotonic_ms + 60_000)
            store.places.memory.close_segment()
            store.places.card.close_segment()
        disk = Disk(image)
        disk.follow(files.ops[: random_.randint(0, len(files.ops))])
    return disk.after_power_cut(random_.choice(KINDS), random_).without("mem")


@pytest.mark.timeout(3600)
def test_a_second_cut_while_the_first_is_recovered_costs_nothing_more(recorded):
    run, seed = recorded
    for number, disk in each_cut(run, seed, 60):
        random_ = random.Random(f"{seed} {number} again")
        with named("seed", seed, "call", number, *run.ops[number : number + 1]):
            image = disk.after_power_cut(random_.choice(KINDS), random_).without("mem")
            restart = after_power_cut(random_)
            image = second_cut(image, restart, random_)
            open_after(image, run.ledger.before(number), Restart(b"and another one!", 6000, restart.wall_ms))


@pytest.mark.timeout(3600)
def test_a_cut_of_which_nobody_is_told_is_found(recorded, monkeypatch):
    run, seed = recorded
    monkeypatch.setattr(GapKeeper, "note_stop", lambda *_: None)
    with pytest.raises(AssertionError, match="in no known gap"):
        look_at_each(run, seed)
