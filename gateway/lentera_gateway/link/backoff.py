"""How long to wait before the next attempt to connect. Pure: the present and the chance are arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits with jitter, so that a thousand gateways do not come back in the same second.

    Attributes:
        first_s: longest wait after the first failure.
        max_s: bound of all waits.
        healthy_s: a connection that lasted this long makes the next failure the first again.
        failures: failures in a row.
    """

    first_s: float = 1.0
    max_s: float = 60.0
    healthy_s: float = 60.0
    failures: int = 0

    def wait_s(self, chance: float, at_least_s: float = 0.0) -> float:
        """Return the next wait.

        Args:
            chance: uniform in 0 to 1.
            at_least_s: what the server asked for; up to half as much again is added, since it asks all its gateways.
        """
        bound_s = min(self.max_s, self.first_s * 2 ** min(self.failures, 30))
        return max(at_least_s * (1 + 0.5 * chance), bound_s * (0.5 + 0.5 * chance))

    def failed(self, lasted_s: float = 0.0) -> Backoff:
        """Return the state after a connection that lasted `lasted_s` (0: it never opened)."""
        return replace(self, failures=0 if lasted_s >= self.healthy_s else self.failures + 1)
