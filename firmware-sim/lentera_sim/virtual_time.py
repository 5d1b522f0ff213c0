"""An event loop whose clock jumps: where all wait, the wait is over at once, and the loop says how long it was.

Ten minutes of a simulated line pass in seconds, to the microsecond as they would have been: what is asleep until an
instant wakes at that instant of `loop.time()`, in order. Only for what lives in memory: a wait for a process or socket
of the real world would be jumped over.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: says how long it would have waited instead."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; if nothing is, count the wait as done.

        Raises:
            RuntimeError: everybody waits for what will never come.
        """
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left to happen in simulated time, yet somebody waits: a lost wake-up")
        if not ready and timeout is not None:
            self.jumped_s += max(timeout, 0.0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its `time()` starts at 0 and is simulated seconds: it stands still while code runs, and jumps while all wait."""

    def __init__(self) -> None:
        """Start at 0."""
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._jumping.jumped_s


def run_in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on a `VirtualTimeLoop`, like `asyncio.run`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
