"""Thin sealed batches: which step comes next, and what is left of a run of batches. Pure; `thinner` does it to files.

A thinned batch keeps its name, boot, clock fit and time of sealing and holds a part of the values that it held, so a
replay of the original contradicts nothing. One run is thinned as a whole: batches of a second each have nothing to thin
by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lentera_gateway.journal.index import Key, Segment
from lentera_gateway.journal.losses import Loss
from lentera_gateway.journal.records import ThinnedRecord
from lentera_model.batch import BatchError, Header, decode, encode, peek
from lentera_model.readings import Sample
from lentera_model.thinning import NewestEach


class Step(NamedTuple):
    """How far to thin: one value of a quantity in so many seconds, counters in full or not."""

    detail_s: int
    counters: bool


STEPS: Final = (Step(60, False), Step(900, False), Step(900, True))
"""In this order; a segment's level says how many of them it has seen. After the last it is dropped whole."""
RUN_VALUES: Final = 150_000
"""Kept values at which a run takes no further segment: some 30 MB while it is thinned."""
RUN_SEGMENTS: Final = 64


def header_of(sealed: bytes) -> Header | None:
    """Return a batch's header, None where it does not read."""
    try:
        return peek(sealed)
    except BatchError:
        return None


def key_of(header: Header) -> Key:
    """Return a batch's epoch and sequence."""
    return Key(header.key.epoch, header.key.sequence)


def level_of(record: ThinnedRecord) -> int:
    """Return the level that a segment's record names; one that this version does not know counts as not thinned."""
    step = Step(record.detail_s, record.counters)
    return STEPS.index(step) + 1 if step in STEPS else 0


def run_to_thin(segments: Iterable[Segment], busy: set[int]) -> list[int]:
    """Choose adjacent segments of the lowest level there is, oldest first; empty when all have seen every step.

    Args:
        segments: of a tier, oldest first.
        busy: numbers of segments that are left alone: being written, or with batches in flight.
    """
    waiting = list(segments)
    free = {one.number: one.level for one in waiting if one.number not in busy and one.scanned and one.waiting}
    level = min(free.values(), default=len(STEPS))
    if level == len(STEPS):
        return []
    chosen: list[int] = []
    for segment in waiting:
        if free.get(segment.number) == level and len(chosen) < RUN_SEGMENTS:
            chosen.append(segment.number)
        elif chosen:
            break
    return chosen


@dataclass(slots=True)
class _Taken:
    """A batch of the run; `samples` are its places in the thinning of its boot, `held` the values of each device.

    `sealed` is kept only of a batch whose body does not read.
    """

    header: Header
    sealed: bytes = b""
    samples: tuple[int, int] = (0, 0)
    held: Counter[str] = field(default_factory=Counter[str])
    from_ms: int = 0
    to_ms: int = 0


@dataclass(frozen=True, slots=True)
class Thinned:
    """What is left of a batch: its bytes, None when no value is; and what was lost, None when nothing was."""

    header: Header
    sealed: bytes | None
    values: int
    lost: Loss | None = None

    @property
    def key(self) -> Key:
        """Its epoch and sequence."""
        return key_of(self.header)


class RunOfBatches:
    """Takes batches one by one, oldest first, then gives what is left of each, one by one."""

    def __init__(self, level: int) -> None:
        """Describe the thinning to a level, from 1."""
        self.level = level
        self.step = STEPS[level - 1]
        self._boots: dict[bytes, NewestEach] = {}
        self._keys: set[Key] = set()
        self._taken: list[_Taken] = []
        self._left: dict[bytes, list[Sample | None]] | None = None
        self._packed = 0

    @property
    def kept_values(self) -> int:
        """Values that are left of the batches taken so far."""
        return sum(thinning.kept_values for thinning in self._boots.values())

    def add(self, header: Header, sealed: bytes) -> None:
        """Take the next batch.

        One whose body does not read is left as it is: whoever delivers it will tell. Of two with one name, which a cut
        may leave, the first is taken: it holds all that the other does.
        """
        key = key_of(header)
        if key in self._keys:
            return
        self._keys.add(key)
        try:
            samples = decode(sealed).samples
        except BatchError:
            self._taken.append(_Taken(header, sealed))
            return
        thinning = self._boots.setdefault(header.boot_id, NewestEach(1000 * self.step.detail_s, self.step.counters))
        taken = _Taken(header, b"", (thinning.count, thinning.count + len(samples)))
        for sample in samples:
            thinning.add(sample)
            taken.held[sample.device] += len(sample.values)
        stamps = [sample.monotonic_ms for sample in samples]
        taken.from_ms, taken.to_ms = min(stamps), max(stamps)
        self._taken.append(taken)

    def pack_next(self) -> Thinned | None:
        """Return what is left of the next batch; None after the last."""
        if self._left is None:
            self._left = {boot_id: thinning.result() for boot_id, thinning in self._boots.items()}
            self._boots.clear()
        if self._packed == len(self._taken):
            return None
        taken = self._taken[self._packed]
        self._packed += 1
        if taken.sealed:
            return Thinned(taken.header, taken.sealed, taken.header.values)
        start, end = taken.samples
        found = self._left[taken.header.boot_id][start:end]
        return self._thinned(taken, [sample for sample in found if sample is not None])

    def _thinned(self, taken: _Taken, left: Sequence[Sample]) -> Thinned:
        header, gone = taken.header, Counter(taken.held)
        for sample in left:
            gone[sample.device] -= len(sample.values)
        gone = +gone
        sealed = encode(header.key, header.boot_id, header.sealed_monotonic_ms, left, header.clock) if left else None
        lost = Loss(
            "journal_thinned",
            header.boot_id,
            header.clock,
            taken.from_ms,
            taken.to_ms,
            tuple(sorted(gone)),
            self.step.detail_s,
            gone.total(),
        )
        return Thinned(header, sealed, header.values - gone.total(), lost if gone else None)
