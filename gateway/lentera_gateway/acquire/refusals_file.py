"""The file in which the gateway keeps what models of meters refuse, so that a restart asks for none of it again.

It lies in the journal's folder on the card, not on tmpfs: it must survive a power cut, and it is written only when
something is learnt, a few times in a board's life. A damaged file is set aside and the book begins anew: everything in
it can be found again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from lentera_drivers.modbus.holes import HoleBook, HoleBookError

FILE_NAME: Final = "refusals.json"


class RefusalsFile:
    """Keeps a `HoleBook` on the card. `book` is shared by all Modbus buses."""

    def __init__(self, folder: Path, log: FilteringBoundLogger) -> None:
        """Read what is there; a file that cannot be read costs nothing but a line in the log."""
        self.path = folder / FILE_NAME
        self._log = log
        self._waiting: bytes | None = None
        self._writing: asyncio.Future[None] | None = None
        self.book = self._read()
        self.book.on_change = self._changed

    def _read(self) -> HoleBook:
        try:
            return HoleBook(self.path.read_bytes())
        except FileNotFoundError:
            return HoleBook()
        except OSError as error:
            self._log.warning("refusals_unreadable", file=str(self.path), error=str(error))
        except HoleBookError as error:
            aside = self.path.with_suffix(".damaged")
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            self._log.warning("refusals_set_aside", file=str(aside), error=str(error))
        return HoleBook()

    def _changed(self, data: bytes) -> None:
        """Write what is newest; no bus waits for the card."""
        self._waiting = data
        if self._writing is None or self._writing.done():
            loop = asyncio.get_running_loop()
            self._writing = asyncio.ensure_future(self._write_all(loop))

    async def _write_all(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting is not None:
            data, self._waiting = self._waiting, None
            try:
                await loop.run_in_executor(None, _replace, self.path, data)
            except OSError as error:
                self._log.warning("refusals_not_written", file=str(self.path), error=str(error))

    async def close(self) -> None:
        """Wait for a write that runs."""
        if self._writing is not None:
            await self._writing


def forget(folder: Path) -> bool:
    """Remove the file, so that everything is asked for again; whether there was one.

    Raises:
        OSError: the folder refuses.
    """
    try:
        (folder / FILE_NAME).unlink()
    except FileNotFoundError:
        return False
    return True


def _replace(path: Path, data: bytes) -> None:
    """Replace the file as a whole and make sure that it is on the card."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
