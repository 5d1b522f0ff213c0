"""How far the newest stored value of each quantity has come on its way to the cloud. Pure; the journal tells it.

A board knows of a few thousand quantities, so a number of a batch for each is kept, and which batches still wait: what
a technician asks about is never looked up in the segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from lentera_model.readings import Sample

_WAITING_BEFORE_PRUNING: Final = 10_000
"""Batches of an outage: beyond so many, those that hold no quantity's newest value are forgotten here."""


class Stage(StrEnum):
    """Where the newest stored value of a quantity is."""

    NOWHERE = "nowhere"
    """None was stored since the gateway started."""
    UNSEALED = "unsealed"
    """It waits for the next batch to be sealed."""
    WAITING = "waiting"
    """Its batch is in the journal: not sent yet, or not acknowledged."""
    DELIVERED = "delivered"
    """The cloud has acknowledged it."""
    SET_ASIDE = "set_aside"
    """The cloud refused it; a copy is in quarantine."""


class Whereabouts(NamedTuple):
    """Where it is, and what the cloud said when it refused it."""

    stage: Stage
    text: str = ""


class _Newest:
    """The last batch of each quantity of one device.

    Most devices give the same quantities each time, so those of the last sample have one number together.
    """

    __slots__ = ("_last", "_others", "_sequence")

    def __init__(self) -> None:
        self._others: dict[str, int] = {}
        self._last: Mapping[str, float] = {}
        self._sequence = 0

    def note(self, values: Mapping[str, float], sequence: int) -> None:
        if values.keys() != self._last.keys():
            self._others |= dict.fromkeys(self._last, self._sequence)
            self._last = values
        self._sequence = sequence

    def of(self, quantity: str) -> int | None:
        return self._sequence if quantity in self._last else self._others.get(quantity)

    def sequences(self) -> Mapping[str, int]:
        return self._others | dict.fromkeys(self._last, self._sequence)


class Delivery:
    """Follows the newest stored values of one process of the gateway."""

    def __init__(self) -> None:
        """Begin with nothing stored."""
        self._newest: dict[str, _Newest] = {}
        self._waiting: set[int] = set()
        self._refused: dict[tuple[str, str], tuple[int, str]] = {}

    def sealed(self, samples: Iterable[Sample], sequence: int) -> None:
        """Note that samples are in the journal; `sequence` is the last of their batches, if they needed several."""
        self._waiting.add(sequence)
        for sample in samples:
            newest = self._newest.get(sample.device)
            if newest is None:
                newest = self._newest[sample.device] = _Newest()
            newest.note(sample.values, sequence)
        if len(self._waiting) > _WAITING_BEFORE_PRUNING:
            self._waiting &= {one for newest in self._newest.values() for one in newest.sequences().values()}

    def settled(self, sequence: int, refused: Iterable[tuple[str, str]] = ()) -> None:
        """Note that the cloud has a batch, without the rows of some devices: (device, why)."""
        self._waiting.discard(sequence)
        for device, text in refused:
            newest = self._newest.get(device)
            for quantity, its in newest.sequences().items() if newest is not None else ():
                if its == sequence:
                    self._refused[device, quantity] = sequence, text

    def refused(self, sequence: int, text: str) -> None:
        """Note that the cloud refused a whole batch."""
        self.settled(sequence, [(device, text) for device in self._newest])

    def whereabouts(self, device: str, quantity: str, unsealed: Iterable[Sample]) -> Whereabouts:
        """Say where the newest stored value of a quantity is; `unsealed` are the samples that are in no batch yet."""
        if any(sample.device == device and quantity in sample.values for sample in unsealed):
            return Whereabouts(Stage.UNSEALED)
        newest = self._newest.get(device)
        sequence = None if newest is None else newest.of(quantity)
        if sequence is None:
            return Whereabouts(Stage.NOWHERE)
        if sequence in self._waiting:
            return Whereabouts(Stage.WAITING)
        since, text = self._refused.get((device, quantity), (None, ""))
        return Whereabouts(Stage.SET_ASIDE, text) if since == sequence else Whereabouts(Stage.DELIVERED)
