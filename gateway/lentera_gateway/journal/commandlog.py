"""What became of the last commands, on the card at once: a restart must answer a repeat with the same result.

Where the card refuses, the memory tier keeps it, which still survives a killed process.
"""

from __future__ import annotations

import os
from pathlib import Path

from lentera_gateway.journal.framing import frame, scan
from lentera_gateway.journal.records import CommandRecord, decode_record, encode_record
from lentera_gateway.journal.segments import sync_folder

_NAME = "commands"


class CommandLog:
    """An append-only file of CommandRecords, rewritten when most of it is history. Journal's thread only."""

    def __init__(self, memory: Path, card: Path, kept: int) -> None:
        """Name the two folders and how many commands are remembered."""
        self.folders = (card, memory)
        self.kept = kept
        self.written_bytes = 0
        self._latest: dict[str, CommandRecord] = {}
        self._appended = 0

    def load(self) -> list[CommandRecord]:
        """Return the remembered commands, oldest first; damaged records are stepped over."""
        for folder in self.folders:
            try:
                found = scan((folder / _NAME).read_bytes()).frames
            except OSError:
                continue
            self._appended = max(self._appended, len(found))
            for item in found:
                record = decode_record(item.record)
                if isinstance(record, CommandRecord) and self._is_news(record):
                    self._remember(record)
        return list(self._latest.values())

    def keep(self, record: CommandRecord) -> str | None:
        """Make a record durable. Returns None, or why the card did not take it."""
        self._remember(record)
        problem: str | None = None
        for folder in self.folders:
            try:
                self._write(folder, record)
            except OSError as error:
                problem = f"{folder / _NAME}: {error.strerror or error}"
                continue
            break
        return problem

    def _is_news(self, record: CommandRecord) -> bool:
        known = self._latest.get(record.execution_id)
        return known is None or (record.attempt, record.monotonic_ms) >= (known.attempt, known.monotonic_ms)

    def _remember(self, record: CommandRecord) -> None:
        self._latest.pop(record.execution_id, None)
        self._latest[record.execution_id] = record
        while len(self._latest) > self.kept:
            self._latest.pop(next(iter(self._latest)))

    def _write(self, folder: Path, record: CommandRecord) -> None:
        path = folder / _NAME
        if self._appended >= 4 * self.kept or not path.exists():
            data = b"".join(frame(encode_record(kept)) for kept in self._latest.values())
            temporary = path.with_suffix(".new")
            _write_durably(temporary, data, "wb")
            temporary.replace(path)
            sync_folder(folder)
            self._appended = 0
        else:
            data = frame(encode_record(record))
            _write_durably(path, data, "ab")
        self._appended += 1
        self.written_bytes += len(data)


def _write_durably(path: Path, data: bytes, mode: str) -> None:
    with path.open(mode) as file:
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
