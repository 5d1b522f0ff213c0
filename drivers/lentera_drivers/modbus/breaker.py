"""When a silent unit may be asked again, so that it does not eat the time of the others on its bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REST_STEP_MS: Final = 2_000
REST_MAX_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one unit: misses in a row, and until when it rests (monotonic milliseconds).

    After the n-th miss in a row the unit rests min(2 s * n, 300 s); then one short read probes it.
    """

    misses: int = 0
    rests_until_ms: int = 0

    def is_resting(self, now_ms: int) -> bool:
        """Whether the unit must not be asked now."""
        return self.misses > 0 and now_ms < self.rests_until_ms

    @property
    def needs_probe(self) -> bool:
        """Whether a short read must go first."""
        return self.misses > 0

    def missed(self, now_ms: int) -> Breaker:
        """Return the state after one more unanswered request."""
        misses = self.misses + 1
        return Breaker(misses, now_ms + min(REST_STEP_MS * misses, REST_MAX_MS))

    def answered(self) -> Breaker:
        """Return the state after any answer."""
        return Breaker()
