"""The packed form of a reading: its column set, and the checks a reading passes before any store touches it.

A *column set* is the ordered list of quantities that a reading carries together with the precision of each. A meter
polled by one plan has one or two column sets in all its life, a lamp a few, so their names are stored once and a
reading shrinks to its values.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

import msgspec

from lentera_cloud.ports import StoreRefusedError
from lentera_model.identifiers import ID_PATTERN
from lentera_model.quantities import CATALOGUE, Kind
from lentera_model.readings import Quality, Reading

MAX_AT_MS: Final = 4_102_444_800_000
"""2100-01-01T00:00:00Z. Later is a broken clock, and InfluxDB's nanoseconds end in 2262 anyway."""

_DEVICE = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")
_QUANTITY = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_RESERVED: Final = frozenset({"quality", "time"})
_WIDTH: Final = {"d": 8, "f": 4}


@dataclass(frozen=True, slots=True)
class ColumnSet:
    """Quantities that are stored together, float64 columns first, each group in order of name.

    Attributes:
        names: quantity names.
        formats: one letter a name, "d" for float64 (counters, unknown names) or "f" for float32.
        packer: turns the values into the little-endian bytes of one record and back.
        offsets: byte offset of each column in a record.
        hashed: the hash of what is compared, reckoned once: each record is looked up by its column set.
    """

    names: tuple[str, ...]
    formats: str
    packer: struct.Struct = field(compare=False)
    offsets: tuple[int, ...]
    hashed: int = field(compare=False, repr=False)

    def __hash__(self) -> int:
        """Return what was reckoned at the start."""
        return self.hashed

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Build the column set of these quantities; the catalogue decides each one's precision."""
        return cls.from_columns(sorted((_format(name), name) for name in names))

    @classmethod
    def from_columns(cls, columns: Sequence[tuple[str, str]]) -> Self:
        """Build a column set from (format, name) pairs in the order in which they are stored."""
        offsets: list[int] = []
        end = 0
        for letter, _ in columns:
            offsets.append(end)
            end += _WIDTH[letter]
        formats = "".join(letter for letter, _ in columns)
        names = tuple(name for _, name in columns)
        return cls(names, formats, struct.Struct("<" + formats), tuple(offsets), hash((names, formats)))

    def pack(self, values: Mapping[str, float]) -> bytes:
        """Return the record of one reading's values.

        Raises:
            OverflowError: a value is too large for float32.
        """
        return self.packer.pack(*map(values.__getitem__, self.names))

    def unpack(self, record: bytes) -> dict[str, float]:
        """Return the values of one record by name."""
        return dict(zip(self.names, self.packer.unpack(record), strict=True))

    def width(self, index: int) -> int:
        """Return the bytes of column `index` in a record."""
        return _WIDTH[self.formats[index]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One instant of one device, checked and packed: what a store writes.

    Attributes:
        device: device id.
        at_ms: Unix epoch milliseconds, UTC.
        quality: a `Quality` as a number.
        columns: the column set of `data`.
        data: the values, packed; float32 columns are rounded by it, as `stored_precision` says.
    """

    device: str
    at_ms: int
    quality: int
    columns: ColumnSet
    data: bytes


def _format(name: str) -> str:
    known = CATALOGUE.get(name)
    return "d" if known is None or known.kind is Kind.COUNTER else "f"


def is_storable_name(name: str) -> bool:
    """Return whether a quantity of this name may be stored; the catalogue need not know it (a newer gateway may)."""
    return _QUANTITY.match(name) is not None and name not in _RESERVED


@lru_cache(maxsize=4096)
def column_set(names: tuple[str, ...]) -> ColumnSet:
    """Return the column set of these names, in whatever order they come.

    Raises:
        StoreRefusedError: a name that cannot be the name of a quantity.
    """
    for name in names:
        if not is_storable_name(name):
            raise StoreRefusedError(
                f"quantity {name[:70]!r} cannot be stored: use 1 to 64 of a-z, 0-9 and '_', starting with a letter, "
                f"and none of {', '.join(sorted(_RESERVED))}"
            )
    return ColumnSet.of(names)


@lru_cache(maxsize=65536)
def _check_device(device: str) -> None:
    if _DEVICE.match(device) is None:
        raise StoreRefusedError(
            f"device id {device[:70]!r} cannot be stored: use 1 to 64 letters, digits, '.', '_' or '-', "
            "starting with a letter or a digit"
        )


def to_records(readings: Iterable[Reading]) -> list[Record]:
    """Check readings and pack them, one record for each (device, instant) that has any value.

    Readings of one device at the same millisecond become one: of a quantity that comes twice the first value stays, and
    the worse quality counts for all.

    Raises:
        StoreRefusedError: a device or quantity name, a time or a value that no store may hold; the message names it.
    """
    found: list[Reading] = []
    places: dict[str, dict[int, int]] = {}
    device, own = "", dict[int, int]()
    for reading in readings:
        if reading.device != device:  # mostly a device's readings come together
            device = reading.device
            own = places.setdefault(device, {})
        place = own.setdefault(reading.at_ms, len(found))
        if place == len(found):
            found.append(reading)
        else:
            _record(reading)  # what is wrong with it may vanish in the joined one
            found[place] = _joined(found[place], reading)
    return [_record(reading) for reading in found if reading.values]


def _joined(first: Reading, second: Reading) -> Reading:
    quality = Quality(max(first.quality, second.quality))
    return Reading(first.device, first.profile, first.at_ms, {**second.values, **first.values}, quality)


def _record(reading: Reading) -> Record:
    device, at_ms, values = reading.device, reading.at_ms, reading.values
    _check_device(device)
    if not 0 <= at_ms < MAX_AT_MS:
        raise StoreRefusedError(
            f"reading of {device} at {at_ms} ms is not between 1970 and 2100: set the gateway's clock"
        )
    columns = column_set(tuple(values))
    try:
        data = columns.pack(values)
        # One that is not finite makes the sum so; many large ones may as well, and are looked at one by one.
        finite = math.isfinite(sum(values.values())) or all(map(math.isfinite, values.values()))
    except (OverflowError, struct.error, TypeError):
        finite, data = False, b""
    if not finite:
        raise StoreRefusedError(_bad_value(reading))
    return Record(device, at_ms, int(reading.quality), columns, data)


def _bad_value(reading: Reading) -> str:
    for name, value in reading.values.items():
        limit = 3.4e38 if _format(name) == "f" else math.inf
        if not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > limit:
            return (
                f"{name} of {reading.device} at {reading.at_ms} ms is {value!r}, which is no finite number of its "
                "precision: leave a value that was not read out of the reading"
            )
    return f"a value of {reading.device} at {reading.at_ms} ms cannot be packed: {dict(reading.values)!r}"
