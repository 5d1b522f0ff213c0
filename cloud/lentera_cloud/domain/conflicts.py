"""A second, different value for a (device, quantity, time): the first stays stored, the other is kept beside it."""

import math
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass

from lentera_model.batch import BatchKey
from lentera_model.quantities import stored_precision
from lentera_model.readings import Quality, Reading


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that differs from the stored one, in the precision that a store keeps, and the batch that brought it."""

    device: str
    quantity: str
    at_ms: int
    stored_value: float
    other_value: float
    key: BatchKey


def settle(
    readings: Iterable[Reading], stored: MutableMapping[int, Reading], key: BatchKey
) -> tuple[list[Reading], list[Conflict]]:
    """Part what one batch brings of one device into what is new and what contradicts.

    Args:
        readings: in the order in which they came.
        stored: the device's readings that are stored, by time; what is new is added to it, so that the next batch of
            the same device is held against this one too.
        key: of the batch.

    Returns:
        The readings with the values that are to be stored, and the conflicts. A value that is stored already and
        equal is in neither. What no store may hold stays in the readings: it is the store's to refuse.
    """
    fresh: list[Reading] = []
    conflicts: list[Conflict] = []
    for reading in readings:
        before = stored.get(reading.at_ms)
        if before is None:
            stored[reading.at_ms] = reading
            fresh.append(reading)
            continue
        new: dict[str, float] = {}
        for name, value in reading.values.items():
            kept, second = _kept(before, name), stored_precision(name, value)
            if kept is None or not math.isfinite(second):
                new[name] = value
            elif kept != second:
                conflicts.append(Conflict(reading.device, name, reading.at_ms, kept, second, key))
        if new:
            # The quality of an instant is that of its worst part, whichever came last.
            quality = Quality(max(before.quality, reading.quality))
            fresh.append(Reading(reading.device, reading.profile, reading.at_ms, new, quality))
            stored[reading.at_ms] = Reading(
                before.device, before.profile, before.at_ms, {**new, **before.values}, quality
            )
    return fresh, conflicts


def _kept(reading: Reading, name: str) -> float | None:
    """Return a value as a store keeps it; None where there is none, or none that a store may hold."""
    value = reading.values.get(name)
    kept = None if value is None else stored_precision(name, value)
    return kept if kept is not None and math.isfinite(kept) else None
