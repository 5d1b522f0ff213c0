"""How fast the air may be used: a rate that an operator sets, and what a slow link itself can carry. Pure."""

from __future__ import annotations

from typing import Final

_BURST_S: Final = 10.0
"""Unused rate is saved for so long."""
_LEAST_WINDOW: Final = 4 * 1024
_MOST_WINDOW: Final = 64 * 1024
_SLOW_MS: Final = 1500
_QUICK_MS: Final = 500


class Bucket:
    """Bytes that may pass now: they come in at the rate and are taken by everything that passes, also by live data.

    Only the backlog asks whether there are any left, so everything else goes before it.
    """

    def __init__(self) -> None:
        """Begin without a limit."""
        self._rate = 0
        self._bytes = 0.0
        self._at_ms = 0

    def limit(self, rate_bytes_s: int, now_ms: int) -> None:
        """Set the rate; 0: none."""
        if rate_bytes_s != self._rate:
            self._rate, self._bytes, self._at_ms = rate_bytes_s, 0.0, now_ms

    def take(self, count: int) -> None:
        """Note bytes that passed."""
        if self._rate:
            self._bytes -= count

    def wait_s(self, now_ms: int) -> float:
        """Return in how many seconds the backlog may go on; 0: now."""
        if not self._rate:
            return 0.0
        self._bytes = min(_BURST_S * self._rate, self._bytes + self._rate * (now_ms - self._at_ms) / 1000)
        self._at_ms = now_ms
        return max(0.0, -self._bytes / self._rate)


class BacklogWindow:
    """How many bytes of backlog may be on their way: few on a slow link, or a live batch would wait behind them.

    An answer that comes late halves it; a quick one widens it by what it answers, if so much was really on its way.
    """

    def __init__(self) -> None:
        """Begin small."""
        self.bytes = 2 * _LEAST_WINDOW

    def answered(self, took_ms: int, size: int, flying: int) -> None:
        """Note how long a batch's answer took, its size, and how many bytes were on their way until it came."""
        if took_ms > _SLOW_MS:
            self.bytes = max(_LEAST_WINDOW, self.bytes // 2)
        elif took_ms < _QUICK_MS and 2 * flying >= self.bytes:
            self.bytes = min(_MOST_WINDOW, self.bytes + size)
