"""When a silent unit may be asked again, so that the dead do not eat the time of the living on their bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REST_STEP_MS: Final = 2_000
REST_MAX_MS: Final = 300_000
DEAD_SHARE: Final = 0.08
"""Of each second, at most this part goes to units that do not answer: the others are slowed by 8.7 %."""
_MOST_SAVED_MS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one unit: misses in a row, and until when it rests (monotonic milliseconds).

    After the n-th miss in a row the unit rests min(2 s * n, 300 s); then one short read probes it.

    Attributes:
        since_ms: of the first miss in the row.
        starting_until_ms: until then it may have come back with its whole bus, and is asked without regard to others.
    """

    misses: int = 0
    rests_until_ms: int = 0
    since_ms: int = 0
    starting_until_ms: int = 0

    def rests_for_ms(self, now_ms: int) -> int:
        """How long the unit must still not be asked; 0 when it may be."""
        return max(0, self.rests_until_ms - now_ms) if self.misses else 0

    def missed(self, now_ms: int, *, grows: bool = True) -> Breaker:
        """Return the state after one more unanswered request; the pause grows where others need the time."""
        misses = self.misses + 1
        rest_ms = min(REST_STEP_MS * misses, REST_MAX_MS) if grows else REST_STEP_MS
        since_ms = self.since_ms if self.misses else now_ms
        return Breaker(misses, now_ms + rest_ms, since_ms, self.starting_until_ms)

    def prompted(self, now_ms: int, starting_until_ms: int) -> Breaker:
        """Return the state of a unit that has probably come back: it is asked at once, and its pauses are short."""
        return Breaker(1, now_ms, self.since_ms, starting_until_ms)


@dataclass(frozen=True, slots=True)
class DeadTime:
    """An account of the bus's time that units without an answer may take: it fills by `DEAD_SHARE` of the clock.

    A unit that was silent may be asked while the account is not overdrawn; what its silence then costs is drawn from
    it, and every silent unit waits until that is made up for. However many units are dead, and however fast they are
    asked, their share converges to `DEAD_SHARE`.

    Attributes:
        saved_ms: milliseconds in the account, negative when overdrawn.
        at_ms: when it was so (milliseconds of any monotonic clock).
    """

    saved_ms: float = 0.0
    at_ms: float = 0.0

    def at(self, now_ms: float) -> DeadTime:
        """Return the account now. What is not used is saved up to a second, so that it can never buy a long silence."""
        filled = self.saved_ms + max(0.0, now_ms - self.at_ms) * DEAD_SHARE
        return DeadTime(min(filled, _MOST_SAVED_MS), now_ms)

    def allows(self, now_ms: float) -> bool:
        """Whether a unit that was silent may be asked now."""
        return self.at(now_ms).saved_ms >= 0.0

    def allows_at_ms(self) -> float:
        """When a unit that was silent may be asked again."""
        return self.at_ms + max(0.0, -self.saved_ms) / DEAD_SHARE

    def spent(self, now_ms: float, cost_ms: float) -> DeadTime:
        """Return the account after a silence that cost so much of the bus's time."""
        return DeadTime(self.at(now_ms).saved_ms - cost_ms, now_ms)
