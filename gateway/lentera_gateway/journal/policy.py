"""What to copy to the card and what to give up when a tier is full. Pure; `thinning` says what comes before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from lentera_gateway.journal.index import Entry, Segment
from lentera_model.readings import Sample


class Shaping(Protocol):
    """What is left of samples before they are sealed, and when they are."""

    @property
    def seal_age_ms(self) -> int:
        """Batches are sealed at multiples of this on the boot's clock."""
        ...

    def reduce(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return what is sealed of some samples."""
        ...


def due_for_card(
    entries: Iterable[tuple[int, Entry]], now_ms: int, budget_ms: int, surplus_bytes: int, everything: bool = False
) -> list[tuple[int, Entry]]:
    """Choose the memory batches to copy to the card, oldest first.

    Once one has waited too long the link is as good as gone, and all go with it: a synchronous write costs a card some
    20 KB beside the data, so one each `budget_ms` is written where one a second would cost twice the data again.

    Args:
        entries: waiting memory batches with their segment, oldest first.
        now_ms: CLOCK_BOOTTIME.
        budget_ms: how long a batch may wait in memory alone.
        surplus_bytes: bytes by which the memory tier is fuller than it should be: that much goes early.
        everything: at shutdown nothing stays in memory alone.
    """
    waiting = list(entries)
    if everything or any(now_ms - entry.waits_since_ms >= budget_ms for _, entry in waiting):
        return waiting
    chosen: list[tuple[int, Entry]] = []
    for number, entry in waiting:
        if surplus_bytes <= 0:
            break
        chosen.append((number, entry))
        surplus_bytes -= entry.size
    return chosen


def to_evict(segments: Iterable[Segment], total_bytes: int, max_bytes: int, open_number: int | None) -> list[int]:
    """Choose the segments to drop, oldest first, until `total_bytes` is within `max_bytes`.

    The segment being written is never chosen, so the bound should leave room for several segments.
    """
    chosen: list[int] = []
    for segment in segments:
        if total_bytes <= max_bytes:
            break
        if segment.number != open_number:
            chosen.append(segment.number)
            total_bytes -= segment.size
    return chosen


def seal_due(live: bool, age_ms: int, values: int, bytes_a_value: float, seal_age_ms: int, seal_bytes: int) -> bool:
    """Decide whether the samples that are not sealed yet become a batch now.

    Args:
        live: seal whatever there is, each second.
        age_ms: age of the oldest unsealed sample.
        values: number of unsealed values.
        bytes_a_value: what sealed values have taken lately.
        seal_age_ms: economy mode's age.
        seal_bytes: economy mode's size.
    """
    return values > 0 and (live or age_ms >= seal_age_ms or values * bytes_a_value >= seal_bytes)
