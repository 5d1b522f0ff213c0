"""Moments and spans as a request writes them: RFC 3339, `now`, or a span before now such as `-1h`. Pure."""

from __future__ import annotations

import re
from typing import Final

from lentera_cloud.kit.problems import invalid_field
from lentera_cloud.kit.times import from_wire

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_SPAN: Final = re.compile(r"(\d{1,9})([smhdw])\Z", re.ASCII)


def span_ms(text: str) -> int | None:
    """Return the milliseconds of `10s`, `15m`, `1h`, `1d` or `1w`; None if the text is no span."""
    found = _SPAN.match(text)
    return int(found[1]) * _UNITS_MS[found[2]] if found else None


def moment_ms(parameter: str, text: str, now_ms: int) -> int:
    """Return the epoch milliseconds of an RFC 3339 time, of `now`, or of a span before now such as `-1h`.

    Raises:
        Problem: invalid_request, naming the parameter.
    """
    if text == "now":
        return now_ms
    if text.startswith("-"):
        span = span_ms(text[1:])
        if span is None:
            raise invalid_field(parameter, f"{text[:40]!r} is no span before now: write it like -30s, -15m, -1h or -7d")
        return max(now_ms - span, 0)
    try:
        # In a URL a "+" that is not escaped arrives as a space.
        return from_wire(text.replace(" ", "+") if re.search(r" \d\d:\d\d\Z", text) else text)
    except ValueError as error:
        raise invalid_field(parameter, f"{error}; or a span before now, like -1h") from error
