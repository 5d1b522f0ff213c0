"""The gateways' own counts of their reads, found again by device and hour. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lentera_cloud.domain.completeness import HOUR_MS, UNKNOWN, PaceVersion, ReadCount
from lentera_model.protocol import EVERY_DEVICE, TallyRow

_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MOST_REASONS: Final = 16


@dataclass(frozen=True, slots=True)
class HourTally:
    """What a gateway told of an hour, or of a part of it; (gateway, epoch, number) names it."""

    gateway: str
    epoch: int
    number: int
    hour_ms: int
    rows: tuple[TallyRow, ...]


def read_count(row: TallyRow) -> ReadCount:
    """Return a row's counts; words that are none, and reads of which nothing is told, are unknown."""
    answered, missed = row.taken + row.unchanged, dict[str, int]()
    for reason, count in sorted(row.missed.items())[:_MOST_REASONS]:
        word = reason if _REASON.fullmatch(reason) else UNKNOWN
        missed[word] = missed.get(word, 0) + count
    untold = row.expected - answered - sum(missed.values())
    if untold > 0:
        missed[UNKNOWN] = missed.get(UNKNOWN, 0) + untold
    missed = {reason: count for reason, count in missed.items() if count}
    if row.device == EVERY_DEVICE:  # its `taken` are all that were answered
        return ReadCount(answered, missed)
    return ReadCount(answered, missed, taken=row.taken, unchanged=row.unchanged)


class TallyIndex:
    """Tallies by gateway and hour; a device finds its own row, or the one for every device of its interval."""

    def __init__(self, tallies: Iterable[HourTally]) -> None:
        """Take tallies of any gateways and hours; one that is told twice must be there once."""
        self._hours: dict[tuple[str, int], list[dict[tuple[str, int], ReadCount]]] = {}
        for tally in tallies:
            rows = {(row.device, row.every_ms): read_count(row) for row in tally.rows}
            self._hours.setdefault((tally.gateway, tally.hour_ms), []).append(rows)

    def reads(self, device: str, hour_ms: int, versions: Sequence[PaceVersion]) -> Mapping[int, ReadCount]:
        """Return interval -> reads of a device in an hour, by the gateways that told its paces.

        A gateway that tells an hour without a word of an interval has read nothing at it: that is no count.
        """
        found: dict[int, ReadCount] = {}
        for gateway, intervals in _told_by(versions, hour_ms).items():
            for rows in self._hours.get((gateway, hour_ms), ()):
                for every_ms in intervals:
                    count = rows.get((device, every_ms)) or rows.get((EVERY_DEVICE, every_ms))
                    if count is not None:
                        found[every_ms] = found[every_ms] + count if every_ms in found else count
        return found


def _told_by(versions: Sequence[PaceVersion], hour_ms: int) -> dict[str, set[int]]:
    """Return gateway -> intervals that hold in the hour; the first version holds before its time too."""
    found: dict[str, set[int]] = {}
    for index, version in enumerate(versions):
        ends_ms = versions[index + 1].valid_from_ms if index + 1 < len(versions) else hour_ms + HOUR_MS
        begins = index == 0 or version.valid_from_ms < hour_ms + HOUR_MS
        if begins and ends_ms > hour_ms:
            found.setdefault(version.gateway, set()).update(pace.every_ms for pace in version.paces)
    return found
