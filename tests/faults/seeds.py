"""How long the tests of faults take: the short form in CI, the long one by LENTERA_FAULTS=long (`make faults`).

LENTERA_FAULTS_SEED gives the first seed; each test prints the one that it uses, and a failure names the call too.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

LONG = os.environ.get("LENTERA_FAULTS") == "long"
FIRST_SEED = int(os.environ.get("LENTERA_FAULTS_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + (20 if LONG else 1))
_T = TypeVar("_T")


def some(items: Sequence[_T], count: int, seed: int) -> Sequence[_T]:
    """Return all items in the long form, else about `count` of them, evenly spread, beginning where the seed says."""
    step = 1 if LONG else max(1, len(items) // count)
    return items[seed % step :: step]


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give an empty folder, in memory where the machine has such a place: what is durable, the model knows."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="lentera-faults-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def named(*words: object) -> Iterator[None]:
    """Say, when something fails in it, which seed and call it was."""
    try:
        yield
    except BaseException as error:
        error.add_note("to see it again: " + " ".join(str(word) for word in words))
        raise
