"""What a full journal gives up, told so that it can be recorded as a known gap.

Whoever gives values up notes a `Loss` in `Losses`; whoever records gaps drains them (`telling`). Adjacent losses of one
kind are one: thinning a segment of a thousand batches is one Loss, not a thousand. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from lentera_model.batch import BatchError, ClockFit, Header, decode, peek

LossReason = Literal["journal_thinned", "journal_dropped", "samples_dropped"]
"""A tier was full and its oldest values were thinned, or given up whole; samples were given up before they were sealed,
because the journal's thread was stuck."""
ADJACENT_MS: Final = 120_000
"""Losses of one kind that are no further apart are one: batches are a minute long."""
MAX_DEVICES: Final = 64
"""Devices that are named; of more a Loss says "all"."""
MAX_LOSSES: Final = 256
"""Losses that wait to be drained; then the two nearest of one kind become one."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Values that were given up, all of one boot.

    Attributes:
        reason: why.
        boot_id: the boot whose clock stamped them.
        clock: that boot's fit as the batches have it; None where it is not in them (then the boot's pinned fit holds).
        from_ms, to_ms: stamps of the first and last value concerned, on that boot's monotonic clock.
        devices: whose values, sorted; empty: not known, or more than are named, so take it for all of the gateway's.
        detail_s: 60 or 900: of each device and quantity one value in so many seconds is left; 0: nothing is left.
        values: how many values were given up; 0 where that is not known.
    """

    reason: LossReason
    boot_id: bytes
    clock: ClockFit | None
    from_ms: int
    to_ms: int
    devices: tuple[str, ...] = ()
    detail_s: int = 0
    values: int = 0

    def _same_kind(self, other: Loss) -> bool:
        return (self.reason, self.boot_id, self.clock, self.detail_s) == (
            other.reason,
            other.boot_id,
            other.clock,
            other.detail_s,
        )

    def distance_ms(self, other: Loss) -> int | None:
        """Return the time between two losses, 0 where they overlap; None where they are not of one kind."""
        if not self._same_kind(other):
            return None
        return max(0, other.from_ms - self.to_ms, self.from_ms - other.to_ms)

    def joined(self, other: Loss) -> Loss:
        """Return one loss for two of one kind."""
        devices = tuple(sorted({*self.devices, *other.devices}))
        known = self.devices and other.devices and len(devices) <= MAX_DEVICES
        return replace(
            self,
            from_ms=min(self.from_ms, other.from_ms),
            to_ms=max(self.to_ms, other.to_ms),
            devices=devices if known else (),
            values=self.values + other.values,
        )


class Losses:
    """The losses that nobody has recorded yet: bounded, adjacent ones joined."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[Loss] = []

    def note(self, loss: Loss) -> None:
        """Add a loss."""
        if len(loss.devices) > MAX_DEVICES:
            loss = replace(loss, devices=())
        for at, found in enumerate(self._found):
            distance_ms = found.distance_ms(loss)
            if distance_ms is not None and distance_ms <= ADJACENT_MS:
                self._found[at] = found.joined(loss)
                return
        self._found.append(loss)
        if len(self._found) > MAX_LOSSES:
            self._join_nearest()

    @property
    def waiting(self) -> tuple[Loss, ...]:
        """What was noted and not drained."""
        return tuple(self._found)

    def drain(self) -> list[Loss]:
        """Take all losses out, in the order in which they were first noted."""
        found, self._found = self._found, []
        return found

    def _join_nearest(self) -> None:
        pairs = [
            (distance_ms, first, second)
            for second in range(len(self._found))
            for first in range(second)
            if (distance_ms := self._found[first].distance_ms(self._found[second])) is not None
        ]
        if not pairs:  # as many boots and reasons as there is room for: the oldest has waited longest in vain
            del self._found[0]
            return
        _, first, second = min(pairs)
        self._found[first] = self._found[first].joined(self._found.pop(second))


def losses_of_dropped(sealed: Sequence[bytes]) -> tuple[list[Header], list[Loss]]:
    """Say what goes with batches that are dropped whole: one Loss for each boot and fit among them.

    Returns the headers of the batches that read, and the losses. Whose values they are is not looked for.
    """
    headers: list[Header] = []
    groups: dict[tuple[bytes, ClockFit | None], list[tuple[Header, bytes]]] = {}
    for one in sealed:
        try:
            header = peek(one)
        except BatchError:
            continue
        headers.append(header)
        groups.setdefault((header.boot_id, header.clock), []).append((header, one))
    losses: list[Loss] = []
    for (boot_id, clock), group in groups.items():
        from_ms, to_ms = _stamps(*group[0])[0], _stamps(*group[-1])[1]
        values = sum(header.values for header, _ in group)
        losses.append(Loss("journal_dropped", boot_id, clock, min(from_ms, to_ms), to_ms, (), 0, values))
    return headers, losses


def _stamps(header: Header, sealed: bytes) -> tuple[int, int]:
    """Return the first and the last stamp of a batch; the time of its sealing where its body does not read."""
    try:
        stamps = [sample.monotonic_ms for sample in decode(sealed).samples]
    except BatchError:
        return header.sealed_monotonic_ms, header.sealed_monotonic_ms
    return min(stamps), max(stamps)
