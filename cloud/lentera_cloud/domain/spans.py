"""Which times of a device may hold readings already: closed spans per boot epoch, never smaller than what is stored.

A span may cover more than was stored (short holes are closed, and a bound on their number closes longer ones): that
costs a look into the store, where a span that covered less would let a second value pass unseen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Range = tuple[int, int]
"""From and to in Unix milliseconds, both included."""

HOLE_MS: Final = 150_000
"""Holes up to this are closed: batches of a slow device follow each other by a minute or two without a row each."""
SPANS_AN_EPOCH: Final = 16
"""Spans kept of one device and epoch; past it the shortest holes are closed."""


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """Readings of a device that a gateway brought in one boot epoch, from the first to the last (included).

    Epoch 0 stands for what is told apart no more: long silent epochs, and what was stored before spans were kept.
    """

    device: str
    epoch: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What follows from spans that are about to be stored.

    Attributes:
        met: device -> ranges of the new spans that earlier ones cover; a device that meets none is absent.
        gone: rows that others have swallowed.
        changed: rows to write.
    """

    met: dict[str, list[Range]]
    gone: tuple[StoredSpan, ...]
    changed: tuple[StoredSpan, ...]


def joined(ranges: Iterable[Range], hole_ms: int = HOLE_MS, at_most: int = SPANS_AN_EPOCH) -> list[Range]:
    """Return the ranges in order with holes up to ``hole_ms`` closed, then the shortest until ``at_most`` are left."""
    found: list[Range] = []
    for from_ms, to_ms in sorted(ranges):
        if found and from_ms - found[-1][1] <= hole_ms:
            found[-1] = found[-1][0], max(found[-1][1], to_ms)
        else:
            found.append((from_ms, to_ms))
    while len(found) > at_most:
        shortest = min(range(1, len(found)), key=lambda at: found[at][0] - found[at - 1][1])
        found[shortest - 1 : shortest + 1] = [(found[shortest - 1][0], found[shortest][1])]
    return found


def common(one: Range, others: Iterable[Range]) -> list[Range]:
    """Return the parts of a range that any of the others covers, joined where they touch."""
    first, last = one
    parts = [(max(first, begin), min(last, end)) for begin, end in others if begin <= last and end >= first]
    return joined(parts, hole_ms=0, at_most=len(parts)) if parts else []


def claim(known: Iterable[StoredSpan], new: Sequence[StoredSpan]) -> Claim:
    """Work out what new spans meet and how the rows change.

    Args:
        known: the rows of the new spans' devices: all of the same epochs, and of others those that overlap.
        new: what is about to be stored; several of one device are not held against each other.
    """
    by_epoch: dict[tuple[str, int], list[Range]] = {}
    by_device: dict[str, list[Range]] = {}
    for row in known:
        by_epoch.setdefault((row.device, row.epoch), []).append((row.from_ms, row.to_ms))
        by_device.setdefault(row.device, []).append((row.from_ms, row.to_ms))
    fresh: dict[tuple[str, int], list[Range]] = {}
    met: dict[str, list[Range]] = {}
    for span in new:
        mine = span.from_ms, span.to_ms
        fresh.setdefault((span.device, span.epoch), []).append(mine)
        earlier = by_device.get(span.device)
        if earlier is not None and (parts := common(mine, earlier)):
            met.setdefault(span.device, []).extend(parts)
    gone: list[StoredSpan] = []
    changed: list[StoredSpan] = []
    for (device, epoch), ranges in fresh.items():
        before = by_epoch.get((device, epoch), [])
        if len(before) == len(ranges) == 1 and 0 <= ranges[0][0] - before[0][1] <= HOLE_MS:  # nearly always: it grows
            changed.append(StoredSpan(device, epoch, before[0][0], ranges[0][1]))
            continue
        after = joined([*before, *ranges])
        begins = {begin for begin, _ in after}
        gone.extend(StoredSpan(device, epoch, *one) for one in before if one[0] not in begins)
        changed.extend(StoredSpan(device, epoch, *one) for one in after if one not in before)
    return Claim(met, tuple(gone), tuple(changed))
