"""Bytes of a segment that do not read, kept as they are: what a card does to them says what is wrong with it.

`TIER-SEGMENT-OFFSET.bytes` holds them, the `.json` beside it where they lay and why they were left out. Bounded, the
oldest go; a segment that is found damaged at each start is copied once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from lentera_gateway.journal.segments import make_folder, sync_folder, write_durably

FOLDER: Final = "damaged"
"""Below the folder of what the cloud refused."""
MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DamagedBytes:
    """Where bytes lay that do not read, and what is wrong with them."""

    file: str
    start: int
    end: int
    reason: str


class DamagedCopies:
    """The folder of damaged bytes. Runs in the journal's thread only."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        """Describe the folder and its bound; it is made with the first copy."""
        self.folder = folder
        self.max_bytes = max_bytes

    def put(self, tier: str, segment: Path, start: int, end: int, reason: str) -> int:
        """Copy bytes of a segment, cut at the folder's bound. Returns the bytes written, 0 where they are kept already.

        Raises:
            OSError: when the segment cannot be read or the folder refuses.
        """
        target = self.folder / f"{tier}-{segment.stem}-{start:010d}.bytes"
        if target.exists():
            return 0
        with segment.open("rb") as file:
            file.seek(start)
            data = file.read(min(end - start, self.max_bytes))
        found = msgspec.json.format(msgspec.json.encode(DamagedBytes(str(segment), start, end, reason)), indent=2)
        make_folder(self.folder)
        write_durably(target.with_suffix(".json"), found)
        write_durably(target, data)
        sync_folder(self.folder)
        self._make_room()
        return len(data) + len(found)

    def _make_room(self) -> None:
        kept = sorted((path.stat().st_mtime_ns, path) for path in self.folder.glob("*.bytes"))
        total = sum(path.stat().st_size for _, path in kept)
        while total > self.max_bytes and len(kept) > 1:
            _, oldest = kept.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink(missing_ok=True)
            oldest.with_suffix(".json").unlink(missing_ok=True)
