"""What became of the last commands, on the card at once: a restart must answer a repeat with the same result.

Where the card refuses, the memory tier keeps it, which still survives a killed process.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from lentera_gateway.journal.framing import frame, scan
from lentera_gateway.journal.records import CommandRecord, decode_record, encode_record
from lentera_gateway.journal.segments import sync_folder, write_durably

_NAME = "commands"


class CommandLog:
    """An append-only file of CommandRecords, rewritten when most of it is history. Journal's thread only."""

    def __init__(self, memory: Path, card: Path, kept: int) -> None:
        """Name the two folders and how many commands are remembered."""
        self.folders = (card, memory)
        self.kept = kept
        self.written_bytes = 0
        self._latest: dict[str, CommandRecord] = {}
        self._appended = dict.fromkeys(self.folders, 0)

    def load(self) -> list[CommandRecord]:
        """Return the remembered commands, oldest first; damaged records are stepped over.

        The order of a file counts, not the clocks: each boot has its own. Where the memory tier has a file, it has been
        written to ever since the card refused in this boot, so what it says is newer.
        """
        for folder in self.folders:
            try:
                found = scan((folder / _NAME).read_bytes()).frames
            except OSError:
                continue
            self._appended[folder] = len(found)
            for item in found:
                record = decode_record(item.record)
                if isinstance(record, CommandRecord):
                    self._remember(record)
        return list(self._latest.values())

    def keep(self, record: CommandRecord) -> str | None:
        """Make a record durable. Returns None, or why the card did not take it."""
        self._remember(record)
        card, memory = self.folders
        try:
            self._write(card, record)
            problem = None
        except OSError as error:
            problem = f"{card / _NAME}: {error.strerror or error}"
        if problem is not None or (memory / _NAME).exists():
            with contextlib.suppress(OSError):  # the card has it, or its trouble is what the caller hears of
                self._write(memory, record)
        return problem

    def _remember(self, record: CommandRecord) -> None:
        self._latest.pop(record.execution_id, None)
        self._latest[record.execution_id] = record
        while len(self._latest) > self.kept:
            self._latest.pop(next(iter(self._latest)))

    def _write(self, folder: Path, record: CommandRecord) -> None:
        path = folder / _NAME
        if self._appended[folder] >= 4 * self.kept or not path.exists():
            data = b"".join(frame(encode_record(kept)) for kept in self._latest.values())
            temporary = path.with_suffix(".new")
            write_durably(temporary, data, "wb")
            temporary.replace(path)
            sync_folder(folder)
            self._appended[folder] = 0
        else:
            data = frame(encode_record(record))
            write_durably(path, data, "ab")
        self._appended[folder] += 1
        self.written_bytes += len(data)
