"""The running hour's tally on tmpfs: a killed process does not lose it. A power cut does; then the paces must do."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from lentera_gateway.acquire.schedule import Poll
from lentera_gateway.acquire.tally import ByPoll, Counts, ReadTally

FILE_NAME: Final = "tally.msgpack"
_MAX_BYTES: Final = 16 << 20

_Number = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]


class _Line(Struct, array_like=True, frozen=True):
    start_ms: _Number
    device: str
    pace: _Number
    taken: _Number
    unchanged: _Number
    missed: dict[str, _Number]


class _Content(Struct, array_like=True, frozen=True):
    boot_id: bytes
    hours: list[_Line]
    slots: list[_Line]


class TallyFile:
    """Keeps the counts of a `ReadTally` in the journal's folder on tmpfs."""

    def __init__(self, folder: Path, boot_id: bytes) -> None:
        """Name the folder, and the boot whose monotonic clock slots are of."""
        self.path = folder / FILE_NAME
        self._boot_id = boot_id

    def load(self, tally: ReadTally) -> None:
        """Go on with what an earlier process has counted; a file that cannot be read is as none."""
        try:
            with self.path.open("rb") as file:
                content = msgspec.msgpack.decode(file.read(_MAX_BYTES), type=_Content)
        except (OSError, msgspec.MsgspecError):
            return
        slots = _counts(content.slots) if content.boot_id == self._boot_id else {}
        tally.restore(_counts(content.hours), slots)

    def save(self, tally: ReadTally) -> None:
        """Write what is counted, whole or not at all.

        Raises:
            OSError: the folder takes no file.
        """
        content = _Content(self._boot_id, _lines(tally.hours), _lines(tally.slots))
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(msgspec.msgpack.encode(content))
        os.replace(fresh, self.path)

    def forget(self) -> None:
        """Remove the file, if there is one."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def _lines(places: dict[int, ByPoll]) -> list[_Line]:
    return [
        _Line(start, poll.device, poll.pace, one.taken, one.unchanged, one.missed)
        for start, counts in places.items()
        for poll, one in counts.items()
    ]


def _counts(lines: list[_Line]) -> dict[int, ByPoll]:
    found: dict[int, ByPoll] = {}
    for line in lines:
        counts = Counts(line.taken, line.unchanged, dict(line.missed))
        found.setdefault(line.start_ms, {})[Poll(line.device, line.pace)] = counts
    return found
