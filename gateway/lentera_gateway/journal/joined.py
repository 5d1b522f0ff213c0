"""Several reports of known gaps as one: never less than any of them claims. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from lentera_model.protocol import GapReport

MAX_DEVICES: Final = 64
"""Devices that are named; of more a gap says "all"."""


def joined(one: GapReport, other: GapReport) -> GapReport:
    """Return one gap that covers two, under the number of the first.

    What is left of one kind of gap does not hold for another: so "nothing is left" wins, and an unknown number of lost
    values makes the sum unknown.
    """
    devices = sorted({*one.devices, *other.devices})
    named = bool(one.devices and other.devices) and len(devices) <= MAX_DEVICES
    return msgspec.structs.replace(
        one,
        from_ms=min(one.from_ms, other.from_ms),
        to_ms=max(one.to_ms, other.to_ms),
        devices=devices if named else [],
        detail_s=max(one.detail_s, other.detail_s) if one.detail_s and other.detail_s else 0,
        values=one.values + other.values if one.values and other.values else 0,
        uncertainty_ms=max(one.uncertainty_ms, other.uncertainty_ms),
    )


def distance_ms(one: GapReport, other: GapReport) -> int:
    """Return the time between two gaps, 0 where they overlap or touch."""
    return max(0, other.from_ms - one.to_ms, one.from_ms - other.to_ms)


def nearest_pair(gaps: Sequence[GapReport]) -> tuple[GapReport, GapReport] | None:
    """Return the two gaps of one reason with the least time between them; None where no reason occurs twice."""
    in_order = sorted(gaps, key=lambda gap: (gap.reason, gap.from_ms))
    pairs = [(one, other) for one, other in pairwise(in_order) if one.reason == other.reason]
    return min(pairs, key=lambda pair: distance_ms(*pair), default=None)
