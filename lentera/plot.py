"""Small plots for a terminal, made of block characters. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"
LEVELS = _EIGHTHS[1:]
"""Blocks from the lowest to the full one."""


def sparkline(values: Sequence[float | None], width: int) -> str:
    """One line of at most `width` characters; a gap stays a gap (a middle dot), a flat line is half high."""
    columns = resample(values, width)
    present = [value for value in columns if value is not None]
    if not present:
        return "·" * len(columns)
    low, high = min(present), max(present)
    return "".join("·" if value is None else _EIGHTHS[_step(value, low, high, 7) + 1] for value in columns)


def plot(values: Sequence[float | None], width: int, height: int, unit: str) -> list[str]:
    """Lines of a column plot, highest first, with the scale of the values at the left; gaps are left empty."""
    columns = resample(values, width)
    present = [value for value in columns if value is not None]
    if not present:
        return []
    low, high = min(present), max(present)
    steps = [None if value is None else _step(value, low, high, height * 8 - 1) + 1 for value in columns]
    labels = {0: f"{high:,.1f} {unit}", height - 1: f"{low:,.1f} {unit}"}
    margin = max(map(len, labels.values()))
    lines = []
    for row in range(height):
        base = (height - 1 - row) * 8
        cells = "".join(" " if step is None else _EIGHTHS[max(0, min(8, step - base))] for step in steps)
        lines.append(f"{labels.get(row, ''):>{margin}} ┤{cells}".rstrip())
    return lines


def resample(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most `width` values, each the mean of its share of the input; a share without any value is None."""
    if len(values) <= width:
        return list(values)
    shares: list[float | None] = []
    for column in range(width):
        share = values[column * len(values) // width : (column + 1) * len(values) // width]
        present = [value for value in share if value is not None and math.isfinite(value)]
        shares.append(sum(present) / len(present) if present else None)
    return shares


def _step(value: float, low: float, high: float, steps: int) -> int:
    if high <= low:
        return steps // 2
    return round((value - low) / (high - low) * steps)
