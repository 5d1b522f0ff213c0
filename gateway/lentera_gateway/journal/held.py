"""Sealed batches that the memory tier did not take (tmpfs full): kept in the process, bounded, oldest dropped."""

from __future__ import annotations

from dataclasses import dataclass

from lentera_gateway.journal.index import Key


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A sealed batch in the process's own memory."""

    sealed: bytes
    order: int
    boot_id: bytes
    clocked: bool
    values: int
    sealed_monotonic_ms: int


class HeldBatches:
    """The batches that are nowhere else."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty, with a bound in bytes."""
        self.max_bytes = max_bytes
        self.total_bytes = 0
        self.batches: dict[Key, HeldBatch] = {}

    def put(self, key: Key, batch: HeldBatch) -> int:
        """Keep a batch; returns how many of the oldest had to go for it."""
        self.batches[key] = batch
        self.total_bytes += len(batch.sealed)
        dropped = 0
        while self.total_bytes > self.max_bytes and len(self.batches) > 1:
            self.remove(next(iter(self.batches)))
            dropped += 1
        return dropped

    def remove(self, key: Key) -> HeldBatch | None:
        """Take a batch out."""
        batch = self.batches.pop(key, None)
        if batch is not None:
            self.total_bytes -= len(batch.sealed)
        return batch
