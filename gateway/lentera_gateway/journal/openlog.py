"""The log of samples that are in no sealed batch yet: a small file on the memory tier, emptied at each seal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from lentera_gateway.journal.framing import Scan, frame, scan
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.records import SamplesRecord, encode_record, to_row
from lentera_model.readings import Sample


class OpenLog:
    """Append samples, empty it, read it back. Runs in the journal's thread only."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made with the first record."""
        self.path = path
        self.size = 0
        self.written_bytes = 0

    def read(self) -> Scan:
        """Scan what an earlier process left.

        Raises:
            OSError: when the file exists and cannot be read.
        """
        data = self.path.read_bytes() if self.path.exists() else b""
        self.size = len(data)
        return scan(data)

    def append(self, key: Key, boot_id: bytes, samples: Sequence[Sample]) -> None:
        """Keep samples that are meant for the batch `key`; nothing is left of a failed write.

        Raises:
            OSError: when the file system refuses.
        """
        rows = [to_row(sample) for sample in samples]
        data = frame(encode_record(SamplesRecord(key.epoch, key.sequence, boot_id, rows)))
        with self.path.open("ab", buffering=0) as file:
            try:
                written = file.write(data)
                if written != len(data):
                    raise OSError(28, "no space left for the log of unsealed samples")
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), self.size)
                raise
        self.size += len(data)
        self.written_bytes += len(data)

    def replace(self, boot_id: bytes, portions: Sequence[tuple[Key, Sequence[Sample]]]) -> None:
        """Put samples that are about to be sealed as several batches in the place of all that is logged, as a whole.

        Raises:
            OSError: when the file system refuses; the log stays as it is.
        """
        data = b"".join(
            frame(
                encode_record(SamplesRecord(key.epoch, key.sequence, boot_id, [to_row(sample) for sample in samples]))
            )
            for key, samples in portions
        )
        temporary = self.path.with_suffix(".new")
        temporary.write_bytes(data)
        temporary.replace(self.path)
        self.size = len(data)
        self.written_bytes += len(data)

    def empty(self) -> None:
        """Forget all samples: they are in a sealed batch now.

        Raises:
            OSError: when the file system refuses.
        """
        if self.size:
            os.truncate(self.path, 0)
            self.size = 0
