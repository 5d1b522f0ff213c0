"""How far a gateway's batches have come: up to which number all are stored, and which are not there between."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lentera_cloud.domain.receipts import IntervalSet

Range = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True, slots=True)
class ReceiptRange:
    """Neighbouring batches of a boot epoch that are stored; ``changed_at_ms`` is when the last of them came."""

    epoch: int
    first: int
    last: int
    changed_at_ms: int


@dataclass(frozen=True, slots=True)
class EpochProgress:
    """How far the batches of one boot epoch have come.

    Up to ``high_water`` every batch is stored (0: not even the first); ``newest`` is the highest number stored;
    ``holes`` are the ranges between that are not. A hole is a batch on its way, one that waits in the gateway's
    journal, or one that the gateway gave up: which of them, its known gaps say.
    """

    epoch: int
    high_water: int
    newest: int
    holes: tuple[Range, ...]
    changed_at_ms: int

    @property
    def missing(self) -> int:
        """How many batches the holes are."""
        return sum(last - first + 1 for first, last in self.holes)


@dataclass(frozen=True, slots=True)
class EpochSummary:
    """The same in numbers, for a list of many gateways."""

    gateway_id: str
    epoch: int
    high_water: int
    newest: int
    stored: int
    changed_at_ms: int


def progress_of(ranges: Iterable[ReceiptRange]) -> list[EpochProgress]:
    """Return the progress of each epoch, the newest epoch first; gateways number from 1."""
    by_epoch: dict[int, list[ReceiptRange]] = {}
    for one in ranges:
        by_epoch.setdefault(one.epoch, []).append(one)
    return [_progress(epoch, by_epoch[epoch]) for epoch in sorted(by_epoch, reverse=True)]


def _progress(epoch: int, ranges: Sequence[ReceiptRange]) -> EpochProgress:
    stored = list(IntervalSet((one.first, one.last) for one in ranges))
    holes: list[Range] = []
    expected = 1
    for first, last in stored:
        if first > expected:
            holes.append((expected, first - 1))
        expected = last + 1
    high_water = holes[0][0] - 1 if holes else stored[-1][1]
    return EpochProgress(epoch, high_water, stored[-1][1], tuple(holes), max(one.changed_at_ms for one in ranges))
