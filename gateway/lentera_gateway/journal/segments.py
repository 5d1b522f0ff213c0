"""The segment files of one tier: append, read, drop. Runs in the journal's thread only.

A file found at the start is never appended to again: its tail may be torn. Marks (which batches of a segment are
settled) lie in a small file of their own on the memory tier, so that an acknowledgement never costs the card a write;
losing them costs a replay, which the cloud knows by epoch and sequence.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

from lentera_gateway.journal.framing import Frame, Scan, frame, read_frame, scan
from lentera_gateway.journal.index import Key, TierIndex
from lentera_gateway.journal.records import Fate, MarkRecord, ThinnedRecord, decode_record, encode_record
from lentera_gateway.journal.recovery import settled_keys
from lentera_gateway.journal.thinning import level_of
from lentera_model.errors import LenteraError

_SUFFIX = ".seg"
_REPLACEMENT = ".new"


class TierWriteError(LenteraError):
    """A tier cannot take a record now: full, read-only or broken."""

    code: ClassVar[str] = "journal_tier_write"

    def __init__(self, tier: str, path: Path, cause: OSError) -> None:
        """Name the tier, the path and the system's reason."""
        super().__init__(f"journal tier {tier}: cannot write {path}: {cause.strerror or cause}; data stays in memory")
        self.tier = tier
        self.errno = cause.errno


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make a folder whose name lasts: its parent is synced, as far as this user may open it.

    Raises:
        OSError: when the folder can be neither made nor found.
    """
    if not folder.parent.is_dir():
        make_folder(folder.parent, 0o777)
    folder.mkdir(exist_ok=True, mode=mode)
    with contextlib.suppress(OSError):  # a parent that cannot be opened belongs to whoever installed the board
        sync_folder(folder.parent)


def write_durably(path: Path, data: bytes, mode: str = "wb") -> None:
    """Write a small file, or append to it ("ab"), and sync it; its name is the caller's to sync.

    Raises:
        OSError: when the file system refuses, or takes a part of it only.
    """
    with path.open(mode) as file:  # buffered: what a full disk takes a part of is refused in the end, never ignored
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: when the folder cannot be opened or synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Tier:
    """The segments of one tier with their index and counters.

    Attributes:
        index: which batches wait where.
        written_bytes: bytes appended by this process, marks not included.
        open_number: the segment being written, if any.
    """

    def __init__(self, name: str, folder: Path, marks: Path, segment_bytes: int, durable: bool) -> None:
        """Describe a tier; nothing is touched before `prepare`.

        Args:
            name: "memory" or "card", for messages and mark files.
            folder: where the segment files lie.
            marks: where the mark files lie.
            segment_bytes: size at which a segment is closed.
            durable: whether `sync` must reach the medium.
        """
        self.name = name
        self.folder = folder
        self.marks = marks
        self.segment_bytes = segment_bytes
        self.durable = durable
        self.index = TierIndex()
        self.written_bytes = 0
        self.open_number: int | None = None
        self._descriptor: int | None = None
        self._next_number = 1

    def prepare(self) -> list[int]:
        """Make the folders and return the numbers of the segments found, oldest first; they are in the index.

        Raises:
            OSError: when a folder can be neither made nor listed.
        """
        if self.durable:
            make_folder(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.marks.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self.folder.glob("*" + _REPLACEMENT):  # a cut came while a segment was to be replaced: it stays
            with contextlib.suppress(OSError):
                path.unlink()
        found = sorted(int(path.stem) for path in self.folder.glob("*" + _SUFFIX) if path.stem.isdigit())
        for number in found:
            if number not in self.index.segments:
                self.index.found(number, self.path(number).stat().st_size)
        self._next_number = max(self._next_number, found[-1] + 1 if found else 1)
        return found

    def append(self, record: bytes) -> tuple[int, int, int]:
        """Append one record. Returns (segment number, offset, frame size); nothing is left of a failed write.

        Raises:
            TierWriteError: when the file system refuses.
        """
        framed = frame(record)
        if self.open_number is not None and self.index.segments[self.open_number].size >= self.segment_bytes:
            self.sync()  # `sync` reaches the open segment alone, and this one may hold records that wait for it
            self.close_segment()
        try:
            descriptor, number = self._open()
        except OSError as error:
            raise TierWriteError(self.name, self.folder, error) from error
        offset = self.index.segments[number].size
        try:
            _write_all(descriptor, framed)
        except OSError as error:
            self._undo(descriptor, offset)
            raise TierWriteError(self.name, self.path(number), error) from error
        self.index.grow(number, len(framed))
        self.written_bytes += len(framed)
        return number, offset, len(framed)

    def sync(self) -> None:
        """Make everything appended so far durable (nothing to do on tmpfs).

        Raises:
            TierWriteError: when the medium refuses.
        """
        if not self.durable or self._descriptor is None or self.open_number is None:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise TierWriteError(self.name, self.path(self.open_number), error) from error

    def read(self, number: int) -> Scan:
        """Scan a whole segment.

        Raises:
            OSError: when the file cannot be read.
        """
        found = scan(self.path(number).read_bytes())
        for item in found.frames[:1]:
            record = decode_record(item.record)
            if isinstance(record, ThinnedRecord):
                del found.frames[0]
                if number in self.index.segments:
                    self.index.segments[number].level = level_of(record)
        return found

    def sync_names(self) -> None:
        """Make renamed files and removed names durable (nothing to do on tmpfs).

        Raises:
            OSError: when the medium refuses.
        """
        if self.durable:
            sync_folder(self.folder)

    def read_at(self, number: int, offset: int, size: int) -> Frame | None:
        """Read one frame; None when it is damaged or the file is gone.

        Raises:
            OSError: when the file cannot be read now; it may well be another time.
        """
        try:
            with self.path(number).open("rb") as file:
                file.seek(offset)
                return read_frame(file.read(size), 0)
        except FileNotFoundError:
            return None

    def replace(self, number: int, records: Sequence[bytes]) -> list[tuple[int, int]]:
        """Put other records in the place of a closed segment's, whole or not at all; returns their (offset, size).

        The caller tells the index, and syncs the name before anything relies on the new records alone.

        Raises:
            TierWriteError: when the file system refuses; the segment is as it was.
        """
        frames = [frame(record) for record in records]
        temporary = self.path(number).with_suffix(_REPLACEMENT)
        try:
            if self.durable:
                write_durably(temporary, b"".join(frames))
            else:
                temporary.write_bytes(b"".join(frames))
            temporary.replace(self.path(number))
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise TierWriteError(self.name, temporary, error) from error
        sizes = [len(framed) for framed in frames]
        self.written_bytes += sum(sizes)
        return list(zip(accumulate(sizes, initial=0), sizes, strict=False))

    def drop(self, number: int) -> None:
        """Remove a segment and its marks, on disk and in the index."""
        if number == self.open_number:
            self.close_segment()
        self.index.remove(number)
        self.unlink(number)

    def unlink(self, number: int) -> None:
        """Remove the files of a segment that the index does not hold any more."""
        self.path(number).unlink(missing_ok=True)
        self._marks_path(number).unlink(missing_ok=True)
        (self.folder / self._marks_path(number).name).unlink(missing_ok=True)

    def mark(self, number: int, key: Key, fate: Fate) -> None:
        """Remember that a batch of a segment is settled, in the index and (best effort) on the memory tier."""
        if not self.index.settle(number, key):
            return
        framed = frame(encode_record(MarkRecord(key.epoch, key.sequence, int(fate))))
        try:
            with self._marks_path(number).open("ab", buffering=0) as file:
                file.write(framed)
        except OSError:
            return  # the mark only spares a replay

    def settled_before(self, number: int) -> tuple[set[Key], list[str]]:
        """Return the keys that earlier processes marked as settled in a segment, and what could not be read of them."""
        keys: set[Key] = set()
        problems: list[str] = []
        for folder in {self.marks, self.folder}:
            path = folder / self._marks_path(number).name
            try:
                keys |= settled_keys(path.read_bytes())
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(f"marks {path} cannot be read: {error.strerror or error}; its batches are sent again")
        return keys, problems

    def keep_marks(self) -> None:
        """Copy the marks of half-drained segments beside them, so that a shutdown and reboot replays nothing.

        Raises:
            OSError: when a file refuses; the others are written all the same.
        """
        problem: OSError | None = None
        for number, segment in self.index.segments.items():
            if 0 < len(segment.settled) < segment.count:
                marks = b"".join(
                    frame(encode_record(MarkRecord(key.epoch, key.sequence, int(Fate.ACKNOWLEDGED))))
                    for key in segment.settled
                )
                try:
                    (self.folder / self._marks_path(number).name).write_bytes(marks)
                except OSError as error:
                    problem = error
                    continue
                self.written_bytes += len(marks)
        if problem is not None:
            raise problem

    def close_segment(self) -> None:
        """Stop appending to the open segment; the next record starts a new one."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
        self.open_number = None

    def _open(self) -> tuple[int, int]:
        if self._descriptor is None or self.open_number is None:
            number = self._next_number
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path(number), flags, 0o600)
            self._next_number = number + 1
            self.open_number = number
            self.index.start(number)
            if self.durable:
                sync_folder(self.folder)
        return self._descriptor, self.open_number

    def _undo(self, descriptor: int, size: int) -> None:
        try:
            os.ftruncate(descriptor, size)
        except OSError:
            self.close_segment()  # a torn record stays in the middle; the scan steps over it

    def path(self, number: int) -> Path:
        """Return the file of a segment."""
        return self.folder / f"{number:010d}{_SUFFIX}"

    def _marks_path(self, number: int) -> Path:
        return self.marks / f"{self.name}-{number:010d}.ack"


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
