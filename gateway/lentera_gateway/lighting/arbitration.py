"""From what is commanded to what is in effect. Pure.

Programs, sun times, overrides and locks join here; today a command is the only voice.
"""

from __future__ import annotations

from typing import Final

OFF_PERCENT: Final = 0.0
FULL_PERCENT: Final = 100.0


def level_in_effect(device: str, commanded_percent: float) -> float:
    """Return the level in percent that a luminaire gets.

    Args:
        device: device id; locks and groups are looked up by it.
        commanded_percent: what the command asks for; anything outside 0 to 100 is brought to the nearer end.

    Raises:
        ValueError: the commanded level is not a number.
    """
    if commanded_percent != commanded_percent:
        raise ValueError(f"{device}: a level must be a number from 0 to 100 percent")
    return min(FULL_PERCENT, max(OFF_PERCENT, commanded_percent))
