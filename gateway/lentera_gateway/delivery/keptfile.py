"""A small file that outlives the process: one copy on tmpfs, one on the card, each with a checksum.

A line of content, then a line with its CRC32C in hex digits. A copy that does not match is none, so that a flipped
bit changes no setting and no count: the other copy holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import google_crc32c
import structlog

from lentera_gateway.journal.iothread import IoThread
from lentera_gateway.journal.segments import sync_folder, write_durably

_MAX_BYTES: Final = 65_536
_TAIL_BYTES: Final = len("\n00000000\n")


def checked(content: bytes) -> bytes:
    """Return a content as it lies in its file."""
    return content + f"\n{google_crc32c.value(content):08x}\n".encode()


class KeptFile:
    """Reads and replaces both copies; what refuses one is logged when it begins and when it ends."""

    def __init__(self, name: str, memory_dir: Path, card_dir: Path) -> None:
        """Keep a file of this name in both folders."""
        self._name = name
        self._memory_dir = memory_dir
        self._card_dir = card_dir
        self._io: IoThread | None = None
        self._trouble: dict[str, str] = {}
        self._log: Any = structlog.get_logger("gateway")

    def read(self) -> list[bytes]:
        """Return the contents that hold, of none, one or both copies."""
        found: list[bytes] = []
        for folder in (self._memory_dir, self._card_dir):
            try:
                with (folder / self._name).open("rb") as file:
                    data = file.read(_MAX_BYTES)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.warning("not_read", file=str(folder / self._name), error=str(error))
                continue
            if data == checked(content := data[:-_TAIL_BYTES]):
                found.append(content)
            else:
                self._log.warning("damaged_file", file=str(folder / self._name))
        return found

    def keep_in_memory(self, content: bytes) -> bool:
        """Replace the copy on tmpfs; False when the folder refuses."""
        return self._keep(self._memory_dir, content, durable=False)

    def keep_on_card(self, content: bytes) -> bool:
        """Replace the copy on the card, durably; may take seconds. False when the card refuses."""
        return self._keep(self._card_dir, content, durable=True)

    @property
    def thread(self) -> IoThread:
        """Where the card is written, job by job: one that hangs holds up neither the event loop nor the end."""
        if self._io is None:
            self._io = IoThread(f"keep-{self._name}")
        return self._io

    def close(self) -> None:
        """Let the thread end after what was handed to it."""
        if self._io is not None:
            self._io.stop()
            self._io = None

    def _keep(self, folder: Path, content: bytes, durable: bool) -> bool:
        temporary = folder / f"{self._name}.new"
        try:
            if durable:
                write_durably(temporary, checked(content))
            else:
                temporary.write_bytes(checked(content))
            temporary.replace(folder / self._name)
            if durable:
                sync_folder(folder)
        except OSError as error:
            self._tell(folder, str(error))
            return False
        self._tell(folder, "")
        return True

    def _tell(self, folder: Path, trouble: str) -> None:
        file = str(folder / self._name)
        if trouble == self._trouble.get(file, ""):
            return
        self._trouble[file] = trouble
        if trouble:
            self._log.warning("not_kept", file=file, error=trouble)
        else:
            self._log.info("kept_again", file=file)
