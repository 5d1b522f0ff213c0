"""Open a fresh journal on what a fault has left and hold it against the ledger."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass
from pathlib import Path

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.store import JournalStore
from lentera_gateway.journal.telling import after_tick
from lentera_model.batch import BatchError, ClockFit
from lentera_model.protocol import GapReport
from tests.faults.ledger import View, numbered, numbers_in, untold
from tests.faults.run import START_WALL_MS, limits_below
from tests.gateway.stores import killed

LATER_WALL_MS = START_WALL_MS + 3_600_000
FRESH = 1_000_000
"""The numbers of the samples that the fresh journal is given begin here."""
MOST_BATCHES = 1000
"""Far more than a run seals."""


@dataclass(frozen=True, slots=True)
class Restart:
    """How the gateway comes back: which boot, on which clock.

    A board without a clock of its own comes back in 1970.
    """

    boot_id: bytes
    monotonic_ms: int
    wall_ms: int

    def open(self, root: Path) -> JournalStore:
        store = JournalStore("gw-1", self.boot_id, limits_below(root))
        store.open(self.monotonic_ms, self.wall_ms)
        while store.scan_card():
            pass
        return store

    @property
    def fit(self) -> ClockFit:
        return ClockFit(LATER_WALL_MS - self.monotonic_ms, 5, "ntp")


def after_power_cut(random_: random.Random) -> Restart:
    """Return the start after a power cut: another boot."""
    return Restart(b"after power cut!", 5000, random_.choice([LATER_WALL_MS, 17_000]))


def same_boot(view: View) -> Restart:
    """Return the start of a program that was killed, in the same boot."""
    boot_id, monotonic_ms = view.boot
    return Restart(boot_id, monotonic_ms + 500, LATER_WALL_MS)


def quarantined(store: JournalStore) -> set[int]:
    """Return the samples that were set aside, in files that can be read."""
    numbers: set[int] = set()
    for folder in (store.limits.card_dir, store.limits.memory_dir):
        for path in folder.glob("quarantine/*.batch"):
            with contextlib.suppress(BatchError):  # a bit of it was flipped
                numbers |= numbers_in(path.read_bytes())
    return numbers


def deliver_all(store: JournalStore, view: View) -> None:
    """Hand the cloud everything that the journal gives out, each batch acknowledged."""
    for _ in range(MOST_BATCHES):
        outgoing = store.outbox.next_batch(1 << 40)
        if outgoing is None:
            return
        view.cloud.take(outgoing.key, outgoing.sealed)
        store.settle(outgoing.key)
        store.places.in_flight.pop(outgoing.key, None)
    raise AssertionError(f"more than {MOST_BATCHES} batches: an acknowledgement is not heard")


def tell(store: JournalStore, restart: Restart) -> None:
    """Let the journal tell how the process before ended."""
    after_tick(store, restart.monotonic_ms, restart.monotonic_ms, restart.monotonic_ms, [], None, LATER_WALL_MS)


def gaps_of(store: JournalStore) -> list[GapReport]:
    """Return the known gaps that the journal has to tell."""
    return [report for report in store.reports.waiting() if isinstance(report, GapReport)]


def check(root: Path, view: View, expected: set[int], restart: Restart, tells: bool = True) -> JournalStore:
    """Recover, deliver, go on; raises AssertionError when something is missing, doubled, altered or invented.

    Where `tells`, whatever else is missing must lie within a gap that the journal tells of.
    """
    store = restart.open(root)
    assert store.state.epoch not in view.epochs, f"epoch {store.state.epoch} was in use before"
    store.pin(restart.fit)
    tell(store, restart)
    deliver_all(store, view)
    found = set(view.cloud.key_of) | quarantined(store)
    assert expected <= found, f"samples {sorted(expected - found)} are missing"
    lost = untold(view.taken, found, gaps_of(store), store.state.pins)
    assert not (tells and lost), f"samples {lost} are missing and in no known gap"
    _commands(store, view)
    _goes_on(store, view, restart)
    killed(store)
    return store


def _commands(store: JournalStore, view: View) -> None:
    loaded = {record.execution_id: record.state for record in store.commands.load()}
    for execution, states in view.commands.items():
        assert loaded.get(execution) in states, f"command {execution} is {loaded.get(execution)}, was kept as {states}"


def _goes_on(store: JournalStore, view: View, restart: Restart) -> None:
    now_ms = restart.monotonic_ms
    for number in range(FRESH, FRESH + 3):
        now_ms += 1000
        view.cloud.given[number] = numbered(number, now_ms)
        store.keep_samples([view.cloud.given[number]])
        assert store.seal([view.cloud.given[number]], now_ms, restart.fit) == 1
        store.mover.maintain(now_ms)
    deliver_all(store, view)
    assert {view.cloud.key_of[FRESH + index] for index in range(3)} == {
        Key(store.state.epoch, sequence) for sequence in (1, 2, 3)
    }
    assert store.status().waiting_batches == 0
