"""A progress bar on standard error: redrawn in place on a terminal, a line for each quarter in a log."""

from __future__ import annotations

import sys
import time

_WIDTH = 30


def bar(name: str, done: float, total: float, took_s: float) -> str:
    """One line: how much is done, and how many seconds the rest needs at the pace so far."""
    part = min(1.0, done / total) if total else 1.0
    filled = round(_WIDTH * part)
    left = f", about {took_s * (1 - part) / part:.0f} s left" if part else ""
    return f"  {name} [{'#' * filled}{'.' * (_WIDTH - filled)}] {100 * part:3.0f} %{left}"


class Progress:
    """Shows how far a bench is. `reach` says how much is done by now; `end` closes the line."""

    def __init__(self, name: str, total: float) -> None:
        """Begin at nothing of `total`."""
        self._name = name
        self._total = total
        self._began_s = time.monotonic()
        self._quarters = -1
        self._done = 0.0
        self._live = sys.stderr.isatty()

    def reach(self, done: float) -> None:
        """Show that `done` of the total is done."""
        self._done = done
        line = bar(self._name, done, self._total, time.monotonic() - self._began_s)
        quarters = int(4 * done / self._total) if self._total else 4
        if self._live:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif quarters > self._quarters:
            print(line, file=sys.stderr, flush=True)
        self._quarters = max(self._quarters, quarters)

    def add(self, more: float) -> None:
        """Show that so much more is done."""
        self.reach(self._done + more)

    def end(self) -> None:
        """Close the line."""
        if self._live:
            print(file=sys.stderr, flush=True)
