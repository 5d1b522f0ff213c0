"""Batches that the cloud refuses for their content: set aside with the reason, bounded, in nobody's way.

`EPOCH-SEQUENCE.batch` holds the sealed bytes (they can be carried to `POST /v1/batches` once the cause is gone),
`EPOCH-SEQUENCE.json` the reasons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.segments import make_folder, sync_folder, write_durably

_INCOMING: Final = "incoming"
MAX_BATCHES: Final = 256
MAX_BYTES: Final = 16 * 1024 * 1024


class Quarantine:
    """The folder of refused batches. Runs in the journal's thread only."""

    def __init__(self, folder: Path, max_batches: int = MAX_BATCHES, max_bytes: int = MAX_BYTES) -> None:
        """Describe the folder and its bounds; it is made with the first batch."""
        self.folder = folder
        self.max_batches = max_batches
        self.max_bytes = max_bytes
        self.dropped = 0

    def put(self, key: Key, sealed: bytes, reasons: list[dict[str, str]]) -> int:
        """Set a batch aside and make room by removing the oldest. Returns the bytes written.

        Args:
            key: the batch's epoch and sequence.
            sealed: its bytes.
            reasons: one dict of `code`, `text` and, where one device's rows are meant, `device`.

        Raises:
            OSError: when the folder refuses.
        """
        make_folder(self.folder)
        stem = self.folder / f"{key.epoch:012d}-{key.sequence:012d}"
        reason = msgspec.json.format(msgspec.json.encode({"refused": reasons}), indent=2)
        # Whole and on the medium before the journal forgets the batch, whatever happens in between.
        for suffix, data in ((".json", reason), (".batch", sealed)):
            write_durably(self.folder / _INCOMING, data)
            (self.folder / _INCOMING).replace(stem.with_suffix(suffix))
        sync_folder(self.folder)
        self._make_room()
        return len(sealed) + len(reason)

    def count(self) -> int:
        """Return how many batches are set aside."""
        return sum(1 for _ in self.folder.glob("*.batch")) if self.folder.is_dir() else 0

    def _make_room(self) -> None:
        batches = sorted(self.folder.glob("*.batch"))
        total = sum(path.stat().st_size for path in batches)
        while batches and (len(batches) > self.max_batches or total > self.max_bytes):
            oldest = batches.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink(missing_ok=True)
            oldest.with_suffix(".json").unlink(missing_ok=True)
            self.dropped += 1
