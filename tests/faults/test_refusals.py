"""A disk that is full, broken or read-only from any call on: reported, and nothing is lost while the process lives."""

import errno
from dataclasses import dataclass, field, replace

import pytest

from tests.faults.files import Op, Refusal
from tests.faults.recovery import check, same_boot
from tests.faults.run import Run, layered
from tests.faults.seeds import FIRST_SEED, named, quick_folder, some

FULL = frozenset({"mkdir", "create", "write"})
CHANGES = FULL | {"open", "truncate", "rename", "unlink", "sync", "sync_folder"}


@dataclass(slots=True)
class Trouble:
    """Calls of some kinds on a tier fail, from the `first` on, `times` in a row.

    A disk fills up in the middle of a write: `fits` of its bytes are taken first, and a write too many is refused.
    """

    tier: str
    kinds: frozenset[str]
    code: int
    times: int
    first: int = 0
    fits: int = 0
    seen: int = 0
    refused: list[Op] = field(default_factory=list)

    def judge(self, op: Op) -> Refusal | None:
        if not op.path.startswith(self.tier) or op.kind not in self.kinds:
            return None
        self.seen += 1
        if not self.first < self.seen <= self.first + self.times:
            return None
        self.refused.append(op)
        first_write = op.kind == "write" and len(self.refused) == 1
        return Refusal(self.code, min(self.fits, len(op.data) - 1) if first_write else 0)


EVER = 1 << 30
TROUBLES = {
    "card-full-once": Trouble("card", FULL, errno.ENOSPC, 1),
    "card-full-for-a-while": Trouble("card", FULL, errno.ENOSPC, 8, fits=11),
    "card-full": Trouble("card", FULL, errno.ENOSPC, EVER, fits=11),
    "card-sync-fails-once": Trouble("card", frozenset({"sync", "sync_folder"}), errno.EIO, 1),
    "card-broken-for-a-while": Trouble("card", CHANGES, errno.EIO, 9),
    "card-broken": Trouble("card", CHANGES | {"read"}, errno.EIO, EVER),
    "card-not-read-once": Trouble("card", frozenset({"read"}), errno.EIO, 1),
    "card-read-only": Trouble("card", CHANGES, errno.EROFS, EVER),
    "memory-full-once": Trouble("mem", FULL, errno.ENOSPC, 2, fits=7),
    "memory-full-for-a-while": Trouble("mem", FULL, errno.ENOSPC, 12),
    "memory-full": Trouble("mem", FULL, errno.ENOSPC, EVER, fits=7),
    "no-descriptors-left-to-read-once": Trouble("mem/segments", frozenset({"read"}), errno.EMFILE, 1),
}
BEFORE_OPEN = 6
"""A memory folder that cannot even be made is a clear error and no gateway: calls before that are left alone."""


async def live_through(run: Run, trouble: Trouble) -> None:
    """Carry the script out; with the memory tier in trouble nobody kills the process that holds the batches."""
    run.kills = trouble.tier == "card"
    await run.script()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TROUBLES)
async def test_a_disk_that_refuses_costs_nothing(name):
    with quick_folder() as root:
        kind = TROUBLES[name]
        counted = replace(kind, first=EVER, refused=[])
        with layered(root, FIRST_SEED, counted.judge) as run:
            await live_through(run, counted)
    print("seed", FIRST_SEED)
    for first in some(range(BEFORE_OPEN if kind.tier != "card" else 0, counted.seen), 7, FIRST_SEED):
        trouble = replace(kind, first=first, refused=[])
        with named("seed", FIRST_SEED, name, "call", first), quick_folder() as root:
            with layered(root, FIRST_SEED, trouble.judge) as run:
                await live_through(run, trouble)
            assert trouble.refused, "nothing was refused"
            if trouble.times == EVER and any("marks" not in op.path for op in trouble.refused[:-6]):
                assert run.reports[trouble.tier], "the status told nobody"
            view = run.ledger.before(len(run.files.ops))
            check(root, view, set(run.ledger.given), same_boot(view))
