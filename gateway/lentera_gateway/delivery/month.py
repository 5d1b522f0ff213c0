"""Which month of a quota it is. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta

LocalDate = Callable[[int], date]
"""Unix ms -> the local date."""


def local_date(wall_ms: int) -> date:
    """Return the date on the board's own clock."""
    found = time.localtime(wall_ms / 1000)
    return date(found.tm_year, found.tm_mon, found.tm_mday)


def month_of(today: date, month_day: int) -> date:
    """Return the first day of the quota's month that a day lies in.

    Args:
        today: a local date.
        month_day: on which day of the calendar's month it begins, 1 to 28.
    """
    first = today.replace(day=month_day)
    return first if today.day >= month_day else (first.replace(day=1) - timedelta(days=1)).replace(day=month_day)
