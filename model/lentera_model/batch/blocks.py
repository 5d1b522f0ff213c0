"""Samples of one profile as a block of columns, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from lentera_model.batch.columns import (
    FLOAT32,
    FLOAT64,
    DecimalColumn,
    FloatColumn,
    IntegerColumn,
    pack_integers,
    pack_values,
    unpack_integers,
    unpack_values,
)
from lentera_model.batch.types import CorruptBatchError, InvalidSampleError, Limits, OversizedBatchError
from lentera_model.identifiers import InvalidIdError, check_id
from lentera_model.quantities import CATALOGUE, Kind, stored_precision
from lentera_model.readings import Quality, Sample

MAX_STAMP_MS: Final = 1 << 48
"""Stamps are milliseconds since a boot; 48 bits are 8,900 years."""


class Column(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One quantity: its name, which rows have it (a bit a row, least significant first; None: all), its values."""

    name: str
    present: bytes | None
    values: DecimalColumn | FloatColumn


class Block(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All samples of one profile, ordered by device, then stamp.

    `counts[k]` rows belong to `devices[k]`. `quality` is None where every row is good.
    """

    profile: str
    devices: list[str]
    counts: list[int]
    stamps: IntegerColumn
    quality: bytes | None
    columns: list[Column]


def _width(name: str) -> int:
    found = CATALOGUE.get(name)
    return FLOAT64 if found is None or found.kind is Kind.COUNTER else FLOAT32


def _checked(sample: Sample) -> dict[str, float]:
    """Return the sample's values in stored precision, or say what is wrong with the sample."""
    if not 0 <= sample.monotonic_ms < MAX_STAMP_MS:
        raise InvalidSampleError(f"device {sample.device!r}: stamp {sample.monotonic_ms} ms is out of bounds")
    try:
        check_id("device", sample.device)
        check_id("profile", sample.profile)
        for name in sample.values:
            check_id("quantity", name)
    except InvalidIdError as error:
        raise InvalidSampleError(str(error)) from error
    values = {name: stored_precision(name, value) for name, value in sample.values.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise InvalidSampleError(f"device {sample.device!r}: {name} is {sample.values[name]!r}, not a finite value")
    return values


def _pack_column(name: str, rows: Sequence[dict[str, float]]) -> Column:
    values = [row[name] for row in rows if name in row]
    present: bytes | None = None
    if len(values) != len(rows):
        bits = sum(1 << index for index, row in enumerate(rows) if name in row)
        present = bits.to_bytes((len(rows) + 7) // 8, "little")
    return Column(name, present, pack_values(values, _width(name)))


def pack_blocks(samples: Iterable[Sample]) -> tuple[list[Block], int, int]:
    """Pack samples into a block a profile; return the blocks, the number of samples and of values.

    Raises:
        InvalidSampleError: a sample that no batch can carry, with the device and what is wrong.
    """
    by_profile: dict[str, list[tuple[Sample, dict[str, float]]]] = {}
    for sample in samples:
        by_profile.setdefault(sample.profile, []).append((sample, _checked(sample)))
    blocks: list[Block] = []
    rows = values = 0
    for profile, group in by_profile.items():
        group.sort(key=lambda pair: (pair[0].device, pair[0].monotonic_ms))
        counts: dict[str, int] = {}
        for sample, _ in group:
            counts[sample.device] = counts.get(sample.device, 0) + 1
        table = [row for _, row in group]
        names = dict.fromkeys(name for row in table for name in row)
        qualities = bytes(sample.quality for sample, _ in group)
        blocks.append(
            Block(
                profile,
                list(counts),
                list(counts.values()),
                pack_integers([sample.monotonic_ms for sample, _ in group]),
                qualities if any(qualities) else None,
                [_pack_column(name, table) for name in names],
            )
        )
        rows += len(group)
        values += sum(map(len, table))
    return blocks, rows, values


def _rows_of(column: Column, rows: int) -> list[int]:
    """Return the indexes of the rows that have the column's quantity."""
    if column.present is None:
        return list(range(rows))
    bits = int.from_bytes(column.present, "little")
    if len(column.present) != (rows + 7) // 8 or bits >> rows:
        raise CorruptBatchError(f"column {column.name!r}: the presence bits do not fit {rows} rows")
    indexes = [index for index in range(rows) if bits >> index & 1] if rows <= 64 else _set_bits(column.present)
    if not indexes:
        raise CorruptBatchError(f"column {column.name!r} has no value in any row")
    return indexes


def _set_bits(data: bytes) -> list[int]:
    return [byte_index * 8 + bit for byte_index, byte in enumerate(data) if byte for bit in range(8) if byte >> bit & 1]


def _check_shape(block: Block, limits: Limits) -> int:
    """Return the block's number of rows after checking its names and counts."""
    if len(block.devices) != len(block.counts) or len(set(block.devices)) != len(block.devices):
        raise CorruptBatchError(f"block {block.profile!r}: devices and row counts do not agree")
    if any(count < 1 for count in block.counts):
        raise CorruptBatchError(f"block {block.profile!r}: a device has no rows")
    rows = sum(block.counts)
    if rows > limits.rows or len(block.columns) > limits.columns:
        raise OversizedBatchError(f"block {block.profile!r} has {rows} rows and {len(block.columns)} columns")
    names = [column.name for column in block.columns]
    if rows < 1 or len(set(names)) != len(names):
        raise CorruptBatchError(f"block {block.profile!r}: no rows, or a quantity twice")
    try:
        check_id("profile", block.profile)
        for device in block.devices:
            check_id("device", device)
        for name in names:
            check_id("quantity", name)
    except InvalidIdError as error:
        raise CorruptBatchError(str(error)) from error
    return rows


def _qualities(block: Block, rows: int) -> list[Quality]:
    if block.quality is None:
        return [Quality.GOOD] * rows
    try:
        qualities = [Quality(code) for code in block.quality]
    except ValueError as error:
        raise CorruptBatchError(f"block {block.profile!r}: {error}") from error
    if len(qualities) != rows:
        raise CorruptBatchError(f"block {block.profile!r}: {len(qualities)} quality codes for {rows} rows")
    return qualities


def unpack_block(block: Block, limits: Limits, values_left: int) -> tuple[list[Sample], int]:
    """Unpack one block; return its samples and its number of values.

    Args:
        block: as decoded from the body.
        limits: what the reader is ready to unpack.
        values_left: how many values the batch may still hold.

    Raises:
        CorruptBatchError: the block contradicts itself.
        OversizedBatchError: the block goes beyond the limits.
    """
    rows = _check_shape(block, limits)
    stamps = unpack_integers(block.stamps, rows)
    if min(stamps) < 0 or max(stamps) >= MAX_STAMP_MS:
        raise CorruptBatchError(f"block {block.profile!r}: a stamp is out of bounds")
    table: list[dict[str, float]] = [{} for _ in range(rows)]
    values = 0
    for column in block.columns:
        indexes = _rows_of(column, rows)
        values += len(indexes)
        if values > values_left:
            raise OversizedBatchError(f"the batch holds more values than it promises ({values_left} were left)")
        numbers = unpack_values(column.values, len(indexes), _width(column.name))
        for index, number in zip(indexes, numbers, strict=True):
            table[index][column.name] = number
    devices = [device for device, count in zip(block.devices, block.counts, strict=True) for _ in range(count)]
    rows_of_samples = zip(devices, stamps, table, _qualities(block, rows), strict=True)
    return [
        Sample(device, block.profile, stamp, row, quality) for device, stamp, row, quality in rows_of_samples
    ], values
