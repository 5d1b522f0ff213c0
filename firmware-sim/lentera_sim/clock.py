"""The clock of the simulated world, which may run faster than the wall's."""

from __future__ import annotations

import time
from collections.abc import Callable

from lentera_sim.errors import PlanError


def wall_ms() -> int:
    """Return the wall clock: Unix epoch in milliseconds, UTC."""
    return time.time_ns() // 1_000_000


class SimClock:
    """Simulated time: starts at `epoch_ms` and advances `speed` times as fast as the monotonic clock.

    `monotonic_s` is a clock in seconds; tests pass their own.
    """

    def __init__(
        self, speed: float = 1.0, epoch_ms: int | None = None, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the clock now. Raises PlanError unless speed is positive."""
        if not speed > 0:
            raise PlanError(f"clock speed is {speed}; it must be above 0 (1 is real time, 60 a minute each second)")
        self.speed = speed
        self.epoch_ms = wall_ms() if epoch_ms is None else epoch_ms
        self._monotonic_s = monotonic_s
        self._started_s = monotonic_s()

    def now_ms(self) -> int:
        """Return the simulated time: Unix epoch in milliseconds, UTC."""
        return self.epoch_ms + int((self._monotonic_s() - self._started_s) * 1000 * self.speed)

    def wall_seconds(self, simulated_ms: float) -> float:
        """Return how many seconds of real time `simulated_ms` of simulated time take."""
        return simulated_ms / 1000 / self.speed
