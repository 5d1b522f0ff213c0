"""Runs of rows of one column set: decoded from rows or from a block, merged, and encoded into a block.

A block is one zstd frame over `rows` records of `stride` bytes, transposed byte by byte: all first bytes of the
records, then all second bytes, and so on. The exponents and leading digits of a slowly changing value are then long
runs of equal bytes, and one column is read without touching the others.
docs/formats/sqlite-series.md has the layout byte by byte.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lentera_cloud.adapters.series_common.records import ColumnSet
from lentera_cloud.ports import StoreUnavailableError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HOUR_MS = 3_600_000
_BLOCK_FORMAT = 1
_LEVEL = 3  # level 9 saves 3 to 5 % on meter data and takes several times as long
_TIME_BYTES = 4
_DOUBLE_BYTES = 8
_BIG_ENDIAN = sys.byteorder == "big"


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of one column set in time order, held as byte planes.

    Attributes:
        columns: what each record holds.
        times_ms: strictly rising Unix epoch milliseconds.
        quality: one `Quality` a row.
        planes: `stride` planes of `len(times_ms)` bytes each, one after another.
    """

    columns: ColumnSet
    times_ms: Sequence[int]
    quality: bytes
    planes: bytes

    def column(self, name: str) -> array[float]:
        """Return the values of one quantity, a value a row. Raises `ValueError` if the set has no such quantity."""
        index = self.columns.names.index(name)
        rows, width, offset = len(self.times_ms), self.columns.width(index), self.columns.offsets[index]
        raw = bytearray(rows * width)
        for byte in range(width):
            begin = (offset + byte) * rows
            raw[byte::width] = self.planes[begin : begin + rows]
        values: array[float] = array("d" if width == _DOUBLE_BYTES else "f", bytes(raw))
        if _BIG_ENDIAN:
            values.byteswap()
        return values

    def records(self) -> list[bytes]:
        """Return the packed record of each row."""
        rows, stride = len(self.times_ms), self.columns.packer.size
        joined = bytearray(rows * stride)
        for byte in range(stride):
            joined[byte::stride] = self.planes[byte * rows : (byte + 1) * rows]
        return [bytes(joined[begin : begin + stride]) for begin in range(0, rows * stride, stride)]

    def between(self, from_ms: int, to_ms: int) -> Segment:
        """Return the rows from `from_ms` (included) to `to_ms` (not)."""
        if not self.times_ms or (from_ms <= self.times_ms[0] and self.times_ms[-1] < to_ms):
            return self
        rows = zip(self.times_ms, self.quality, self.records(), strict=True)
        return from_rows(self.columns, [row for row in rows if from_ms <= row[0] < to_ms])


def from_rows(columns: ColumnSet, rows: Iterable[tuple[int, int, bytes]]) -> Segment:
    """Build a segment of (at_ms, quality, record) rows that are in time order."""
    listed = list(rows)
    joined = b"".join(row[2] for row in listed)
    stride = columns.packer.size
    planes = b"".join(joined[byte::stride] for byte in range(stride))
    return Segment(columns, [row[0] for row in listed], bytes(row[1] for row in listed), planes)


def merge(block: Segment, rows: Segment) -> Segment:
    """Return the rows of both in time order; where both have an instant the block's row stays, it was stored first."""
    if not rows.times_ms:
        return block
    by_time = dict(zip(rows.times_ms, zip(rows.quality, rows.records(), strict=True), strict=True))
    by_time.update(zip(block.times_ms, zip(block.quality, block.records(), strict=True), strict=True))
    return from_rows(block.columns, ((at_ms, *by_time[at_ms]) for at_ms in sorted(by_time)))


def encode_block(segment: Segment, hour: int) -> bytes:
    """Return the bytes of a block; every row must lie in that hour (hours since the epoch)."""
    start = hour * HOUR_MS
    offsets = [at_ms - start for at_ms in segment.times_ms]
    steps = [after - before for before, after in zip([0, *offsets[:-1]], offsets, strict=True)]
    times = array("I", steps)
    if _BIG_ENDIAN:
        times.byteswap()
    raw = times.tobytes()
    time_planes = b"".join(raw[byte::_TIME_BYTES] for byte in range(_TIME_BYTES))
    return bytes((_BLOCK_FORMAT,)) + zstd.compress(time_planes + segment.quality + segment.planes, _LEVEL)


def decode_block(data: bytes, columns: ColumnSet, hour: int, rows: int) -> Segment:
    """Return the rows of a block.

    Raises:
        StoreUnavailableError: the block is damaged or of a newer format; the message says which hour.
    """
    if data[:1] != bytes((_BLOCK_FORMAT,)):
        raise StoreUnavailableError(
            f"block of hour {hour} has format {data[:1].hex()}, this program knows 01: update it"
        )
    try:
        body = zstd.decompress(data[1:])
    except zstd.ZstdError as error:
        raise StoreUnavailableError(
            f"block of hour {hour} is damaged ({error}): restore the file from a backup"
        ) from error
    if len(body) != rows * (_TIME_BYTES + 1 + columns.packer.size):
        raise StoreUnavailableError(f"block of hour {hour} is {len(body)} bytes for {rows} rows: restore from a backup")
    raw = bytearray(rows * _TIME_BYTES)
    for byte in range(_TIME_BYTES):
        raw[byte::_TIME_BYTES] = body[byte * rows : (byte + 1) * rows]
    steps = array("I", bytes(raw))
    if _BIG_ENDIAN:
        steps.byteswap()
    start = hour * HOUR_MS
    times_ms = [start + offset for offset in accumulate(steps)]
    split = rows * _TIME_BYTES
    return Segment(columns, times_ms, body[split : split + rows], body[split + rows :])
