"""Time spans as people type them: `30s`, `15m`, `1h`, `2d`; and ages as people read them."""

from __future__ import annotations

import re

from lentera.errors import BadTimeSpanError
from lentera.language import reader_words

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"^(\d+(?:\.\d+)?)\s*([smhd])$")


def span_seconds(text: str, where: str) -> float:
    """Seconds of a span such as `15m`. `where` names the option in the error. Raises BadTimeSpanError."""
    match = _SPAN.match(text.strip().lower())
    if match is None or float(match[1]) == 0:
        raise BadTimeSpanError(reader_words()("error.span", where=where, text=text))
    return float(match[1]) * _UNITS_S[match[2]]


def age_text(seconds: float | None) -> str:
    """An age in the largest unit that keeps it short: `0.4s`, `12s`, `3m`, `5h`, `2d`; `-` if there is none."""
    if seconds is None:
        return "-"
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f}s"
    for limit, unit, size in ((60, "s", 1), (3600, "m", 60), (86400, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // 86400)}d"
