"""What waits in a gateway's journal as a file for a spreadsheet or an analyst: CSV, or Parquet where pyarrow is there.

A row a value, written as it is read, so that a full card fits through a small board. The file has its name only once
it is whole and on its medium.
"""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from lentera.errors import ExportError
from lentera.language import Words
from lentera_model.batch import BatchError
from lentera_model.quantities import CATALOGUE, Kind, round_to_float32

if TYPE_CHECKING:
    from lentera_gateway.journal.inspect import Waiting

COLUMNS: Final = (
    "time",
    "unix_ms",
    "device",
    "quantity",
    "unit",
    "value",
    "quality",
    "epoch",
    "sequence",
    "tier",
)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ROWS_A_GROUP: Final = 50_000

Row = tuple[str, int | None, str, str, str, float, str, int, int, str]
"""One value, in the order of COLUMNS; time and unix_ms are empty while the time is not known."""


class Sheet(Protocol):
    """Takes rows and puts them into a file."""

    def write(self, rows: Sequence[Row]) -> None:
        """Take some rows more."""
        ...

    def close(self) -> None:
        """Write what is held and the file's end, and bring it to the medium."""
        ...


def local_time(at_ms: int, zone: tzinfo | None = None) -> str:
    """An instant in ISO 8601 with its zone, `zone` or the board's; empty if it lies beyond what a calendar holds."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def rows_of(one: Waiting, zone: tzinfo | None = None) -> Iterator[Row]:
    """Yield the values of a batch as rows. Raises BatchError if its body does not read."""
    epoch, sequence = one.key
    for sample in one.samples():
        at_ms = None if one.clock is None else sample.monotonic_ms + one.clock.offset_ms
        time = "" if at_ms is None else local_time(at_ms, zone)
        for name, value in sample.values.items():
            known = CATALOGUE.get(name)
            unit = "" if known is None else known.unit
            quality = sample.quality.word
            yield time, at_ms, sample.device, name, unit, value, quality, epoch, sequence, one.where.value


@lru_cache(maxsize=1 << 14)
def number_text(name: str, value: float) -> str:
    """A value in the fewest digits that give it back: a moment's is a float32, a counter's keeps all its digits."""
    known = CATALOGUE.get(name)
    if known is not None and known.kind is not Kind.COUNTER:
        for digits in (7, 8):
            text = f"{value:.{digits}g}"
            if round_to_float32(float(text)) == round_to_float32(value):
                return text
    return repr(value)


class CsvSheet:
    """Comma-separated values in UTF-8, RFC 4180, with a line of titles."""

    def __init__(self, path: Path) -> None:
        """Make the file. Raises OSError."""
        # The encoding and the line ends are the format's, not the board's.
        self._file: TextIO = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows. Raises OSError."""
        self._writer.writerows((*row[:5], number_text(row[3], row[5]), *row[6:]) for row in rows)

    def close(self) -> None:
        """Bring it to the medium: a stick is pulled out soon. Raises OSError."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()


class ParquetSheet:
    """Parquet with zstd by pyarrow, a row group each 50,000 values."""

    def __init__(self, path: Path) -> None:
        """Make the file. Raises OSError."""
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
        types = {"unix_ms": arrow.int64(), "value": arrow.float64(), "epoch": arrow.int64(), "sequence": arrow.int64()}
        self._schema = arrow.schema([(name, types.get(name, arrow.string())) for name in COLUMNS])
        self._arrow = arrow
        self._file = path.open("xb")
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._held: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Take rows. Raises OSError."""
        self._held += rows
        if len(self._held) >= _ROWS_A_GROUP:
            self._put()

    def close(self) -> None:
        """Write the rest and the file's end, and bring it to the medium. Raises OSError."""
        try:
            self._put()
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def _put(self) -> None:
        if self._held:
            columns = [list(column) for column in zip(*self._held, strict=True)]
            arrays = [
                self._arrow.array(column, type=one.type) for column, one in zip(columns, self._schema, strict=True)
            ]
            self._writer.write_table(self._arrow.table(arrays, schema=self._schema))
            self._held = []


_SHEETS: Final[dict[str, Callable[[Path], Sheet]]] = {".csv": CsvSheet, ".parquet": ParquetSheet}


def check_target(path: Path, journal: Sequence[Path], words: Words) -> None:
    """Refuse a target before anything is read: its name's end, an existing file, a place in the journal, no pyarrow.

    Raises:
        ExportError: what is wrong and what to do.
    """
    if path.suffix.lower() not in _SHEETS:
        raise ExportError(words("journal.export.suffix", path=path))
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise ExportError(words("journal.export.no_pyarrow", path=path, csv=path.with_suffix(".csv")))
    if path.exists() or path.is_symlink():
        raise ExportError(words("journal.export.exists", path=path))
    if any(path.resolve().is_relative_to(folder.resolve()) for folder in journal):
        raise ExportError(words("journal.export.inside", path=path))


def export(
    path: Path, waiting: Iterable[Waiting], unreadable: Callable[[Waiting, BatchError], None], words: Words
) -> int:
    """Write what waits into a file and return how many values that are; `path` exists only if all went well.

    Args:
        path: the file, as `check_target` accepts it.
        waiting: the batches, as a Survey yields them.
        unreadable: told of each batch whose body does not read; the others are written all the same.
        words: the reader's language.

    Raises:
        ExportError: the medium is full or refuses.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            count = _fill(_SHEETS[path.suffix.lower()](part), waiting, unreadable)
            if path.exists():
                raise ExportError(words("journal.export.exists", path=path))
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        case = "full" if error.errno in _FULL else "refused"
        raise ExportError(
            words(f"journal.export.{case}", path=path, folder=path.parent, error=error.strerror or error)
        ) from error
    return count


def _fill(sheet: Sheet, waiting: Iterable[Waiting], unreadable: Callable[[Waiting, BatchError], None]) -> int:
    count = 0
    try:
        for one in waiting:
            try:
                rows = list(rows_of(one))
            except BatchError as error:
                unreadable(one, error)
                continue
            sheet.write(rows)
            count += len(rows)
    except BaseException:
        with suppress(OSError):  # the first trouble is the one to tell
            sheet.close()
        raise
    sheet.close()
    return count


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems of sticks have no such thing; the file itself is safe
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
