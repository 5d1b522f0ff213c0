"""Samples of one profile as a block of columns, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from lentera_model.batch.columns import (
    DecimalColumn,
    FloatColumn,
    IntegerColumn,
    pack_integers,
    pack_values,
    unpack_integers,
    unpack_values,
)
from lentera_model.batch.stored import MAX_STAMP_MS, check_sample, stored_values, width_of
from lentera_model.batch.types import CorruptBatchError, Limits, OversizedBatchError
from lentera_model.identifiers import InvalidIdError, check_id
from lentera_model.readings import Quality, Sample


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


def _pack_column(name: str, rows: Sequence[Sample], everywhere: bool) -> tuple[Column, int]:
    """Pack a quantity; returns the column and how many values it has."""
    having = rows if everywhere else [row for row in rows if name in row.values]
    present: bytes | None = None
    if len(having) != len(rows):
        bits = sum(1 << index for index, row in enumerate(rows) if name in row.values)
        present = bits.to_bytes((len(rows) + 7) // 8, "little")
    width = width_of(name)
    values, _ = stored_values(name, width, [row.values[name] for row in having], having)
    return Column(name, present, pack_values(values, width)), len(having)


def pack_blocks(samples: Iterable[Sample]) -> tuple[list[Block], int, int]:
    """Pack samples into a block a profile; return the blocks, the number of samples and of values.

    Raises:
        InvalidSampleError: a sample that no batch can carry, with the device and what is wrong.
    """
    by_profile: dict[str, list[Sample]] = {}
    shapes: set[tuple[str, ...]] = set()
    for sample in samples:
        check_sample(sample, shapes)
        by_profile.setdefault(sample.profile, []).append(sample)
    blocks: list[Block] = []
    rows = values = 0
    for profile, group in by_profile.items():
        block, count = _pack_block(profile, group)
        blocks.append(block)
        rows += len(group)
        values += count
    return blocks, rows, values


def _pack_block(profile: str, group: list[Sample]) -> tuple[Block, int]:
    """Pack the samples of one profile; returns the block and how many values it has."""
    group.sort(key=lambda sample: (sample.device, sample.monotonic_ms))
    counts: dict[str, int] = {}
    for sample in group:
        counts[sample.device] = counts.get(sample.device, 0) + 1
    shapes = dict.fromkeys(tuple(sample.values) for sample in group)
    names = dict.fromkeys(name for shape in shapes for name in shape)
    qualities = bytes(sample.quality for sample in group)
    packed = [_pack_column(name, group, len(shapes) == 1) for name in names]
    block = Block(
        profile,
        list(counts),
        list(counts.values()),
        pack_integers([sample.monotonic_ms for sample in group]),
        qualities if any(qualities) else None,
        [column for column, _ in packed],
    )
    return block, sum(count for _, count in packed)


def _rows_of(name: str, present: bytes, rows: int) -> list[int]:
    """Return the indexes of the rows that have a quantity."""
    bits = int.from_bytes(present, "little")
    if len(present) != (rows + 7) // 8 or bits >> rows:
        raise CorruptBatchError(f"column {name!r}: the presence bits do not fit {rows} rows")
    indexes = [index for index in range(rows) if bits >> index & 1] if rows <= 64 else _set_bits(present)
    if not indexes:
        raise CorruptBatchError(f"column {name!r} has no value in any row")
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


def _unpack_table(block: Block, rows: int, values_left: int) -> tuple[list[dict[str, float]], int]:
    """Unpack the columns; return each row's values by name, and how many values there are."""
    values = 0
    full: dict[str, list[float]] = {}
    partial: list[tuple[str, list[int], list[float]]] = []
    for column in block.columns:
        indexes = None if column.present is None else _rows_of(column.name, column.present, rows)
        count = rows if indexes is None else len(indexes)
        values += count
        if values > values_left:
            raise OversizedBatchError(f"the batch holds more values than it promises ({values_left} were left)")
        numbers = unpack_values(column.values, count, width_of(column.name))
        if indexes is None:
            full[column.name] = numbers
        else:
            partial.append((column.name, indexes, numbers))
    # What all rows have is turned into rows at once: that is most of any batch.
    table: list[dict[str, float]] = [dict(zip(full, row, strict=True)) for row in zip(*full.values(), strict=True)]
    if not full:
        table = [{} for _ in range(rows)]
    for name, indexes, numbers in partial:
        for index, number in zip(indexes, numbers, strict=True):
            table[index][name] = number
    return table, values


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
    table, values = _unpack_table(block, rows, values_left)
    devices = [device for device, count in zip(block.devices, block.counts, strict=True) for _ in range(count)]
    rows_of_samples = zip(devices, stamps, table, _qualities(block, rows), strict=True)
    return [
        Sample(device, block.profile, stamp, row, quality) for device, stamp, row, quality in rows_of_samples
    ], values
