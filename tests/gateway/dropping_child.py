"""A process whose memory tier is full of batches that are thinned already; it is killed as soon as it drops some."""

import os
import random
import signal
import sys
from pathlib import Path

from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.store import JournalStore
from lentera_gateway.journal.telling import after_tick
from lentera_model.readings import Sample
from tests.gateway.stores import BOOT, FIT, WALL


def limits_below(folder: Path) -> JournalLimits:
    """Bounds that some minutes fill, and a budget that leaves the card alone."""
    return JournalLimits(folder / "mem", folder / "card", 1e6, memory_max_bytes=1 << 16, card_max_bytes=1 << 20)


def fill(folder: Path) -> None:
    """Journal until something is given up whole; then nothing more is done, not one call."""
    store = JournalStore("gw-1", BOOT, limits_below(folder))
    store.open(0, WALL)
    noise = random.Random(1)
    for tick in range(1, 10_000):
        now_ms = 60_000 * tick
        counters = {f"energy_{number}": noise.random() for number in range(100)}
        store.seal([Sample("m1", "p", now_ms, counters)], now_ms, FIT)
        if store.places.counters.dropped_values:
            print(store.places.counters.dropped_values, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        after_tick(store, now_ms, now_ms, None, [], FIT, WALL + now_ms)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
