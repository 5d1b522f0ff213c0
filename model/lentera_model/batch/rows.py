"""Samples as the body of a batch of format 2, and back: by profile and quantity, every number in just enough bits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from typing import Final

from lentera_model.batch.bits import BitReader, BitWriter
from lentera_model.batch.names import PROFILE_PLACES, PROFILES, QUANTITIES, QUANTITY_PLACES
from lentera_model.batch.numbers import FORM_BITS, from_integers, to_integers
from lentera_model.batch.sequences import Groups, put_grouped, put_numbers, take_grouped, take_numbers
from lentera_model.batch.stored import (
    FLOAT32_BYTES,
    FLOAT64_BYTES,
    MAX_STAMP_MS,
    check_sample,
    known_id,
    stored_values,
    width_of,
)
from lentera_model.batch.types import CorruptBatchError, Limits, OversizedBatchError
from lentera_model.identifiers import InvalidIdError
from lentera_model.readings import Quality, Sample

_PLACE_BITS: Final = 6
_DIGITS: Final = re.compile(r"[0-9]{1,9}\Z")
_MOST_DIGITS: Final = 9


@lru_cache(maxsize=4096)
def _parts_of(device: str) -> tuple[str, int, int]:
    """Return what an id begins with, how many digits end it, and their number: devices stand in this order."""
    found = _DIGITS.search(device)
    digits = "" if found is None else found.group()
    return device[: len(device) - len(digits)], len(digits), int(digits or 0)


@dataclass(slots=True)
class _Written:
    """What a writer and a reader remember of the columns before: both do it alike.

    Attributes:
        near: first number of the last column of a form, and of a form and quantity: the next may be close to it.
    """

    near: dict[tuple[int, str], int] = field(default_factory=dict)

    def guess(self, form: int, name: str) -> int:
        """A number that may be close to those of a column."""
        return self.near.get((form, name), self.near.get((form, ""), 0))

    def note(self, form: int, name: str, number: int) -> None:
        """Remember a column's first number."""
        self.near[form, name] = self.near[form, ""] = number


def pack_rows(samples: Iterable[Sample], sealed_monotonic_ms: int) -> tuple[bytes, int, int]:
    """Return the body of a batch, its number of samples and of values.

    Raises:
        InvalidSampleError: a sample that no batch can carry, with the device and what is wrong.
    """
    by_profile: dict[str, list[Sample]] = {}
    by_shape: dict[str, dict[tuple[str, ...], None]] = {}
    shapes: set[tuple[str, ...]] = set()
    for sample in samples:
        shape = check_sample(sample, shapes)
        by_profile.setdefault(sample.profile, []).append(sample)
        by_shape.setdefault(sample.profile, {})[shape] = None
    bits = BitWriter()
    bits.put_gamma(len(by_profile) + 1)
    written = _Written()
    values = 0
    for profile, group in by_profile.items():
        group.sort(key=lambda sample: (_parts_of(sample.device), sample.monotonic_ms))
        groups = _put_rows(bits, profile, group, sealed_monotonic_ms)
        values += _put_columns(bits, group, list(by_shape[profile]), groups, written)
    return bits.to_bytes(), sum(map(len, by_profile.values())), values


def _put_rows(bits: BitWriter, profile: str, rows: list[Sample], sealed_ms: int) -> Groups:
    """Write of the samples of one profile all but the values; returns which rows are of one device."""
    counts: dict[str, int] = {}
    for sample in rows:
        counts[sample.device] = counts.get(sample.device, 0) + 1
    place = PROFILE_PLACES.get(profile)
    bits.put(place is not None, 1)
    if place is None:
        bits.put_text(profile)
    else:
        bits.put(place, _PLACE_BITS)
    _put_devices(bits, list(counts))
    put_numbers(bits, list(counts.values()))
    groups = Groups(list(counts.values()))
    put_grouped(bits, [sealed_ms - sample.monotonic_ms for sample in rows], groups)
    qualities = [int(sample.quality) for sample in rows]
    bits.put(any(qualities), 1)
    if any(qualities):
        put_numbers(bits, qualities)
    return groups


def _put_devices(bits: BitWriter, devices: list[str]) -> None:
    """Write ids in order: those that differ in the number at their end alone share all the rest."""
    alike: dict[tuple[str, int], list[int]] = {}
    for device in devices:
        prefix, digits, number = _parts_of(device)
        alike.setdefault((prefix, digits), []).append(number)
    bits.put_gamma(len(alike) + 1)
    before = ""
    for (prefix, digits), numbers in alike.items():
        shared = next((n for n, (a, b) in enumerate(zip(before, prefix, strict=False)) if a != b), None)
        shared = min(len(before), len(prefix)) if shared is None else shared
        bits.put_gamma(shared + 1)
        bits.put_text(prefix[shared:])
        bits.put_gamma(digits + 1)
        if digits:
            bits.put_gamma(len(numbers))
            put_numbers(bits, numbers)
        before = prefix


def _put_names(bits: BitWriter, names: set[str]) -> list[str]:
    """Write the quantities' names; returns them in the order in which their columns follow."""
    places = sorted(QUANTITY_PLACES[name] for name in names if name in QUANTITY_PLACES)
    others = sorted(name for name in names if name not in QUANTITY_PLACES)
    bits.put_gamma(len(places) + 1)
    for before, place in zip([-1, *places], places, strict=False):
        bits.put_gamma(place - before)
    bits.put_gamma(len(others) + 1)
    for name in others:
        bits.put_text(name)
        bits.put(width_of(name) == FLOAT64_BYTES, 1)
    return [*(QUANTITIES[place] for place in places), *others]


def _put_columns(
    bits: BitWriter, rows: list[Sample], shapes: list[tuple[str, ...]], groups: Groups, written: _Written
) -> int:
    """Write a column for each quantity of the shapes; returns how many values they have."""
    names = _put_names(bits, {name for shape in shapes for name in shape})
    # Where all rows have the same quantities in the same order, turn them into columns at once.
    whole = zip(*[row.values.values() for row in rows], strict=True) if len(shapes) == 1 else ()
    columns: dict[str, tuple[float, ...]] = dict(zip(shapes[0], whole, strict=False))
    seen: dict[tuple[int, bytes, bytes], int] = {}
    presence = b""
    count = 0
    for index, name in enumerate(names):
        having, own = rows, groups
        here = b"" if columns else bytes(name in sample.values for sample in rows)
        partial = 0 in here
        bits.put(partial, 1)
        if partial:
            bits.put(here == presence, 1)
            if here != presence:
                bits.put_all(here, 1)
            presence = here
            having = list(compress(rows, here))
            own = groups.only(here)
        width = width_of(name)
        raw = columns[name] if columns else [sample.values[name] for sample in having]
        values, packed = stored_values(name, width, raw, having)
        same = seen.setdefault((width, packed, here if partial else b""), index)
        bits.put(same != index, 1)
        if same != index:
            bits.put(same, index.bit_length())
        else:
            form, numbers = to_integers(values, packed, width)
            bits.put(form, FORM_BITS)
            put_grouped(bits, numbers, own, written.guess(form, name))
            written.note(form, name, numbers[0])
        count += len(having)
    return count


def unpack_rows(body: bytes, sealed_monotonic_ms: int, rows: int, values: int, limits: Limits) -> list[Sample]:
    """Return the samples of a body.

    Args:
        body: as `pack_rows` made it.
        sealed_monotonic_ms: what the header says.
        rows: how many samples the header promises.
        values: how many values the header promises.
        limits: what the reader is ready to unpack.

    Raises:
        CorruptBatchError, OversizedBatchError, TruncatedBatchError: what is wrong with the body.
    """
    bits = BitReader(body)
    samples: list[Sample] = []
    reader = _BlockReader(bits, sealed_monotonic_ms, limits, rows, values)
    for _ in range(bits.take_gamma() - 1):
        samples += reader.block()
    bits.end()
    if reader.rows_left or reader.values_left:
        raise CorruptBatchError(
            f"the batch holds {rows - reader.rows_left} rows and {values - reader.values_left} values, "
            f"not {rows} and {values}"
        )
    return samples


class _BlockReader:
    """Reads block after block within what the header promises."""

    def __init__(self, bits: BitReader, sealed_ms: int, limits: Limits, rows: int, values: int) -> None:
        self._bits = bits
        self._sealed_ms = sealed_ms
        self._limits = limits
        self._written = _Written()
        self.rows_left = rows
        self.values_left = values

    def block(self) -> list[Sample]:
        """Read the samples of one profile."""
        bits = self._bits
        profile = self._profile()
        devices = self._devices()
        sizes = take_numbers(bits, len(devices))
        if min(sizes) < 1:
            raise CorruptBatchError(f"block {profile!r}: a device has no rows")
        count = sum(sizes)
        self._spend_rows(count)
        groups = Groups(sizes)
        stamps = [self._sealed_ms - age for age in take_grouped(bits, groups)]
        if min(stamps) < 0 or max(stamps) >= MAX_STAMP_MS:
            raise CorruptBatchError(f"block {profile!r}: a stamp is out of bounds")
        qualities = self._qualities(count)
        table = self._table(count, groups)
        owners = [device for device, size in zip(devices, sizes, strict=True) for _ in range(size)]
        rows = zip(owners, stamps, table, qualities, strict=True)
        return [Sample(device, profile, stamp, row, quality) for device, stamp, row, quality in rows]

    def _spend_rows(self, count: int) -> None:
        if count > self.rows_left:
            raise OversizedBatchError(f"the batch holds more rows than it promises ({self.rows_left} were left)")
        self.rows_left -= count

    def _profile(self) -> str:
        if not self._bits.take(1):
            return _valid("profile", self._bits.take_text())
        place = self._bits.take(_PLACE_BITS)
        if place >= len(PROFILES):
            raise CorruptBatchError(f"format 2 has no profile {place} in its list")
        return PROFILES[place]

    def _devices(self) -> list[str]:
        bits = self._bits
        devices: list[str] = []
        before = ""
        for _ in range(bits.take_gamma() - 1):
            before = before[: bits.take_gamma() - 1] + bits.take_text()
            digits = bits.take_gamma() - 1
            if digits > _MOST_DIGITS:
                raise CorruptBatchError(f"a device's number has {digits} digits")
            count = bits.take_gamma() if digits else 1
            if len(devices) + count > self.rows_left:
                raise OversizedBatchError(f"the batch has more devices than rows that it promises ({self.rows_left})")
            numbers = take_numbers(bits, count) if digits else [0]
            if min(numbers) < 0 or max(numbers) >= 10**digits:
                raise CorruptBatchError(f"a device's number does not fit its {digits} digits")
            devices += [f"{before}{number:0{digits}}" for number in numbers] if digits else [before]
        if not devices or len(set(devices)) != len(devices):
            raise CorruptBatchError("a block has no devices, or one twice")
        return [_valid("device", device) for device in devices]

    def _qualities(self, count: int) -> list[Quality]:
        if not self._bits.take(1):
            return [Quality.GOOD] * count
        try:
            return [Quality(code) for code in take_numbers(self._bits, count)]
        except ValueError as error:
            raise CorruptBatchError(str(error)) from error

    def _names(self) -> list[tuple[str, int]]:
        """Read the quantities' names and the bytes of precision that each keeps."""
        bits = self._bits
        known = bits.take_gamma() - 1
        place = -1
        names: list[tuple[str, int]] = []
        for _ in range(min(known, len(QUANTITIES) + 1)):
            place += bits.take_gamma()
            if place >= len(QUANTITIES):
                raise CorruptBatchError(f"format 2 has no quantity {place} in its list")
            names.append((QUANTITIES[place], width_of(QUANTITIES[place])))
        others = bits.take_gamma() - 1
        if known + others > self._limits.columns:
            raise OversizedBatchError(f"a block has {known + others} columns")
        for _ in range(others):
            name = _valid("quantity", bits.take_text())
            names.append((name, FLOAT64_BYTES if bits.take(1) else FLOAT32_BYTES))
        if len({name for name, _ in names}) != len(names):
            raise CorruptBatchError("a block has a quantity twice")
        return names

    def _table(self, count: int, groups: Groups) -> list[dict[str, float]]:
        """Read the columns; return each row's values by name."""
        full: dict[str, Sequence[float]] = {}
        parts: list[tuple[str, list[int], Sequence[float]]] = []
        columns: list[tuple[int, Sequence[int], Groups]] = []
        presence: Sequence[int] = []
        for name, width in self._names():
            own = groups
            if partial := self._bits.take(1):
                if not self._bits.take(1):
                    presence = self._bits.take_all(count, 1)
                if len(presence) != count or not any(presence):
                    raise CorruptBatchError(f"column {name!r} has no value in any row")
                own = groups.only(presence)
            if own.rows > self.values_left:
                raise OversizedBatchError(
                    f"the batch holds more values than it promises ({self.values_left} were left)"
                )
            self.values_left -= own.rows
            form, numbers = self._column(name, own, columns)
            columns.append((form, numbers, own))
            values = from_integers(form, numbers, width)
            if partial:
                parts.append((name, list(compress(range(count), presence)), values))
            else:
                full[name] = values
        table = _rows_of(full, count)
        for name, indexes, values in parts:
            for index, value in zip(indexes, values, strict=True):
                table[index][name] = value
        return table

    def _column(
        self, name: str, own: Groups, columns: list[tuple[int, Sequence[int], Groups]]
    ) -> tuple[int, Sequence[int]]:
        """Read a column's form and numbers."""
        if self._bits.take(1):
            place = self._bits.take(len(columns).bit_length())
            if place >= len(columns) or columns[place][2].rows != own.rows:
                raise CorruptBatchError(f"column {name!r} is said to be the same as one that does not fit")
            return columns[place][:2]
        form = self._bits.take(FORM_BITS)
        numbers = take_grouped(self._bits, own, self._written.guess(form, name))
        self._written.note(form, name, numbers[0])
        return form, numbers


def _rows_of(full: dict[str, Sequence[float]], count: int) -> list[dict[str, float]]:
    """Turn columns that all rows have into rows."""
    if not full:
        return [{} for _ in range(count)]
    names = tuple(full)
    # each row is as long as the names: to look again takes a third of the time
    return [dict(zip(names, row, strict=False)) for row in zip(*full.values(), strict=True)]


def _valid(kind: str, name: str) -> str:
    try:
        return known_id(kind, name)
    except InvalidIdError as error:
        raise CorruptBatchError(str(error)) from error
