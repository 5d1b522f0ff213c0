"""The power goes at each call of a recorded run of a store: what may then lie on the disk. Pure.

Beside tests/faults/disk.py: SQLite's files lie in one folder, its shared memory (`-shm`) is gone with the power, and a
disk takes each sector of 512 bytes by itself. Of a sector that SQLite appends to only the new bytes are in danger
(what SQLite calls powersafe overwrite, and assumes of every disk).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.faults.disk import KINDS, Disk, Image, Kind
from tests.faults.files import Op
from tests.faults.seeds import some

CUTS_A_CALL = 2
"""Kinds of cut drawn for a call; in the long form every call is looked at, so each kind meets each stretch of it."""


def each_cut(
    ops: Sequence[Op], seed: int, count: int, before: Image | None = None
) -> Iterator[tuple[int, Kind, Image]]:
    """Yield (call's number, kind of cut, what lies on the disk) of the calls looked at in this form."""
    disk, done = Disk(before), 0
    for number in some(range(len(ops) + 1), count, seed):
        disk.follow(ops[done:number])
        under_way = [op for op in ops[number : number + 1] if "sync" not in op.kind]
        disk.follow(under_way)
        done = number + len(under_way)
        random_ = random.Random(f"{seed} {number}")
        for kind in random_.sample(KINDS, CUTS_A_CALL):
            yield number, kind, without_shared_memory(disk.after_power_cut(kind, random_))


def without_shared_memory(image: Image) -> Image:
    """Return what the next boot finds: SQLite makes its shared memory anew."""
    return Image(image.folders, {name: data for name, data in image.files.items() if not name.endswith("-shm")})
