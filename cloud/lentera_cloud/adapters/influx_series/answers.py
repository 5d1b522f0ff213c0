"""InfluxDB's raw CSV, read as it streams in: no table objects, no record objects."""

from __future__ import annotations

import csv
from calendar import timegm
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from lentera_cloud.ports import StoreUnavailableError


class Cell(NamedTuple):
    """One value of an answer: device ("" where the question dropped it), field, time (-1 likewise) and the number."""

    device: str
    field: str
    at_ms: int
    value: float


@lru_cache(maxsize=4096)
def _minute_ms(text: str) -> int:
    return timegm((int(text[0:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]), 0)) * 1000


@lru_cache(maxsize=65536)  # each field of an answer has the same times again
def parse_time(text: str) -> int:
    """Return the epoch milliseconds of InfluxDB's `2026-11-25T01:02:03.5Z` (always UTC; digits past 1 ms are cut)."""
    fraction = text[20:-1]
    return _minute_ms(text[:16]) + int(text[17:19]) * 1000 + (int(fraction[:3].ljust(3, "0")) if fraction else 0)


def cells(lines: Iterable[str]) -> Iterator[Cell]:
    """Yield the values of an answer.

    An answer is a run of blocks, each with a header and ended by an empty line. An error that came up while the
    answer was on its way arrives as a block with the columns `error` and `reference`.

    Raises:
        StoreUnavailableError: the server gave up in the middle, or the answer is not what we asked for.
    """
    header: list[str] | None = None
    device = field = at = value = -1
    for row in csv.reader(lines):
        if not row:
            header = None
        elif header is None:
            header = row
            if "_value" not in header:
                if "error" in header:
                    continue
                raise StoreUnavailableError(f"InfluxDB answered with columns {header[:8]}: is a proxy in between?")
            device, field, at, value = (header.index(name) if name in header else -1 for name in _COLUMNS)
        elif value < 0 or "_value" not in header:
            raise StoreUnavailableError(
                f"InfluxDB gave up on a question: {' '.join(filter(None, row))[:300]}; try again"
            )
        else:
            yield Cell(
                row[device] if device >= 0 else "",
                row[field] if field >= 0 else "",
                parse_time(row[at]) if at >= 0 else -1,
                float(row[value]),
            )


_COLUMNS = ("device", "_field", "_time", "_value")
