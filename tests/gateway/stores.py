"""A journal's store on real folders, with a clock that the test moves: what several test files need."""

import os

from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.outbox import Outgoing
from lentera_gateway.journal.store import JournalStore
from lentera_model.batch import ClockFit, decode
from lentera_model.readings import Sample

BOOT = bytes(range(16))
FIT = ClockFit(1_790_000_000_000, 5, "ntp")
WALL = 1_790_000_000_000


def sample(at: int, value: float = 1.0, device: str = "m1") -> Sample:
    return Sample(device, "eastron_sdm630", at, {"voltage_l1": value, "energy_active_import": float(at)})


def opened(limits: JournalLimits, boot: bytes = BOOT, at: int = 0) -> JournalStore:
    store = JournalStore("gw-1", boot, limits)
    store.open(at, WALL)
    return store


def killed(store: JournalStore) -> None:
    """What kill -9 leaves: open files closed by the kernel, nothing else done."""
    store.places.memory.close_segment()
    store.places.card.close_segment()
    assert store._lock is not None
    os.close(store._lock)


def drained(store: JournalStore, live_after: int = 1 << 40) -> list[Outgoing]:
    batches: list[Outgoing] = []
    while (batch := store.outbox.next_batch(live_after)) is not None:
        batches.append(batch)
    return batches


def stamps(batches: list[Outgoing]) -> list[int]:
    return [s.monotonic_ms for batch in batches for s in decode(batch.sealed).samples]
