"""Sealed batches that the memory tier did not take (tmpfs full): kept in the process, thinned, then dropped."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.thinning import STEPS


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A sealed batch in the process's own memory; `level` says how far it was thinned."""

    sealed: bytes
    order: int
    boot_id: bytes
    clocked: bool
    values: int
    sealed_monotonic_ms: int
    level: int = 0


class HeldBatches:
    """The batches that are nowhere else."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty, with a bound in bytes."""
        self.max_bytes = max_bytes
        self.total_bytes = 0
        self.batches: dict[Key, HeldBatch] = {}

    def put(self, key: Key, batch: HeldBatch) -> list[HeldBatch]:
        """Keep a batch; returns the oldest ones that had to go for it."""
        self.batches[key] = batch
        self.total_bytes += len(batch.sealed)
        dropped: list[HeldBatch] = []
        while self.total_bytes > self.max_bytes and len(self.batches) > 1:
            oldest = self.remove(next(iter(self.batches)))
            dropped += [] if oldest is None else [oldest]
        return dropped

    def run_to_thin(self, in_flight: Container[Key], max_bytes: int) -> list[Key]:
        """Choose batches of the lowest level there is, oldest first and of about `max_bytes` together; [] for none."""
        free = [(key, batch) for key, batch in self.batches.items() if key not in in_flight]
        level = min((batch.level for _, batch in free), default=len(STEPS))
        if level == len(STEPS):
            return []
        chosen: list[Key] = []
        for key, batch in free:
            if batch.level == level and max_bytes > 0:
                chosen.append(key)
                max_bytes -= len(batch.sealed)
        return chosen

    def replace(self, key: Key, sealed: bytes | None, values: int, level: int) -> None:
        """Put thinned bytes in a batch's place; None when nothing is left of it."""
        batch = self.batches[key]
        if sealed is None:
            self.remove(key)
            return
        self.total_bytes += len(sealed) - len(batch.sealed)
        self.batches[key] = replace(batch, sealed=sealed, values=values, level=level)

    def remove(self, key: Key) -> HeldBatch | None:
        """Take a batch out."""
        batch = self.batches.pop(key, None)
        if batch is not None:
            self.total_bytes -= len(batch.sealed)
        return batch
