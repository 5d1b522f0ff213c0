"""An hour's counts as the rows of a Tally, as few as say it: what most devices share is told once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from lentera_gateway.acquire.schedule import Poll
from lentera_gateway.acquire.tally import ByPoll, Counts
from lentera_model.protocol import EVERY_DEVICE, TallyRow

_MOST_REASONS: Final = 16
MOST_SHARING: Final = 400
"""More rows than this go in several tallies, and a shared row speaks for one of them: then each device has its own."""

Shape = tuple[int, tuple[tuple[str, int], ...]]
"""Reads that were answered, and those that were missed: what the cloud reckons with."""


def rows_of(counts: ByPoll, intervals_ms: Mapping[Poll, int]) -> list[TallyRow]:
    """Return the rows of an hour.

    The commonest counts of an interval are told once, for every device with that interval that has no row of its own;
    a street whose lamps all answered is one row.
    """
    merged = _by_interval(counts, intervals_ms)
    rows = _rows(merged, sharing=True)
    return rows if len(rows) <= MOST_SHARING else _rows(merged, sharing=False)


def _rows(merged: Mapping[int, Mapping[str, Counts]], *, sharing: bool) -> list[TallyRow]:
    rows: list[TallyRow] = []
    for every_ms, devices in merged.items():
        shapes = Counter(map(_shape, devices.values()))
        common, number = max(shapes.items(), key=lambda item: (item[1], item[0]))
        shared = sharing and number > 1 and common != _shape(Counts())
        if shared:
            answered, missed = common
            total = answered + sum(count for _, count in missed)
            rows.append(TallyRow(EVERY_DEVICE, every_ms, total, answered, 0, dict(missed)))
        rows += _own_rows(every_ms, devices, common if shared else _shape(Counts()))
    return rows


def _by_interval(counts: ByPoll, intervals_ms: Mapping[Poll, int]) -> dict[int, dict[str, Counts]]:
    """Return interval -> device -> counts. Two paces of one interval are read together: the first speaks for both."""
    merged: dict[int, dict[str, Counts]] = {}
    for poll in sorted(intervals_ms):
        merged.setdefault(intervals_ms[poll], {}).setdefault(poll.device, counts.get(poll, Counts()))
    return merged


def _own_rows(every_ms: int, devices: Mapping[str, Counts], told: Shape) -> Iterator[TallyRow]:
    for device, one in devices.items():
        if _shape(one) != told:
            expected = one.taken + one.unchanged + sum(one.missed.values())
            yield TallyRow(device, every_ms, expected, one.taken, one.unchanged, dict(one.missed))


def _shape(one: Counts) -> Shape:
    missed = sorted(one.missed.items(), key=lambda item: (-item[1], item[0]))[:_MOST_REASONS]
    return one.taken + one.unchanged, tuple(sorted(missed))
