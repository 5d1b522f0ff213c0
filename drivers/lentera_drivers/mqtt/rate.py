"""How much devices may publish: a flood from one must neither starve the others nor grow in memory.

Each device has an allowance that refills steadily. What exceeds it is dropped undecoded, except that the newest message
of each topic is kept and taken when the allowance allows it: a state is late by a moment, never lost. All devices
together have one too; while that is used up, only those that have published much lately are held back. A device that
goes on flooding is muted: its topics are unsubscribed for a while, because on a small board even throwing away ten
thousand messages a second leaves no time for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RATE_PER_S: Final = 20.0
"""Messages a second that a device may publish for ever; meters and lamps publish one in seconds."""
BURST: Final = 2_000.0
"""Messages that it may publish at once: what a broker holds for an absent gateway (1,000 by default) must pass."""
QUIET: Final = 100.0
"""A device that has used no more than this of its burst is never held back for the sake of all."""
ALL_RATE_PER_S: Final = 1_000.0
ALL_BURST: Final = 20_000.0
MUTE_ABOVE_PER_S: Final = 1_000.0
"""Dropped messages a second, over two seconds, that get a device muted."""
MUTE_WINDOW_MS: Final = 2_000
MUTE_MS: Final = 30_000


@dataclass(slots=True)
class Bucket:
    """A token bucket. Times are monotonic milliseconds."""

    rate_per_s: float
    burst: float
    tokens: float
    at_ms: int = 0

    def refill(self, now_ms: int) -> None:
        """Add what has grown since the last time."""
        if now_ms > self.at_ms:
            self.tokens = min(self.burst, self.tokens + (now_ms - self.at_ms) * self.rate_per_s / 1000)
            self.at_ms = now_ms

    def wait_ms(self) -> float:
        """Return how long until there is a token, as of the last refill."""
        return max(0.0, (1 - self.tokens) * 1000 / self.rate_per_s)


class Allowance:
    """What one device may still publish.

    Attributes:
        dropped: messages that were thrown away because a newer one of the same topic came.
        mutes: how often the device was muted. muted_until_ms: until when it is, None when it is not.
    """

    def __init__(self) -> None:
        """The burst is there from the start."""
        self.bucket = Bucket(RATE_PER_S, BURST, BURST)
        self.dropped = 0
        self.mutes = 0
        self.muted_until_ms: int | None = None
        self._window_ms = 0
        self._window_dropped = 0

    def permits(self, now_ms: int, all_devices: Bucket) -> bool:
        """Whether a message may be taken now; it is charged if so."""
        bucket = self.bucket
        bucket.refill(now_ms)
        all_devices.refill(now_ms)
        quiet = bucket.tokens >= bucket.burst - QUIET
        if bucket.tokens < 1 or (all_devices.tokens < 1 and not quiet):
            return False
        bucket.tokens -= 1
        all_devices.tokens = max(0.0, all_devices.tokens - 1)
        return True

    def drop(self, now_ms: int) -> bool:
        """Count a message that was thrown away; whether the device is to be muted for it."""
        self.dropped += 1
        if now_ms - self._window_ms > MUTE_WINDOW_MS:
            self._window_ms, self._window_dropped = now_ms, 0
        self._window_dropped += 1
        return self._window_dropped >= MUTE_ABOVE_PER_S * MUTE_WINDOW_MS / 1000 and self.muted_until_ms is None

    def mute(self, now_ms: int) -> None:
        """Note that it is muted from now on."""
        self.mutes += 1
        self.muted_until_ms = now_ms + MUTE_MS
        self._window_dropped = 0


def all_devices() -> Bucket:
    """Return the allowance that all devices of a broker share."""
    return Bucket(ALL_RATE_PER_S, ALL_BURST, ALL_BURST)
