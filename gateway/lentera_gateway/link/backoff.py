"""How long to wait before the next attempt to connect. Pure: the present and the chance are arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits with jitter, so that a thousand gateways do not come back in the same second.

    Attributes:
        first_s: longest wait after the first failure.
        max_s: bound of all waits that nobody asked for.
        healthy_s: a connection that lasted this long makes the next failure the first again.
        spread_s: after a healthy connection the return is spread over so long: its end may be that of all gateways,
            in the same instant, because the cloud or what stands before it restarted.
        longest_asked_s: bound of the wait that a server asks for, so that none can silence a gateway for good.
        failures: failures in a row.
    """

    first_s: float = 1.0
    max_s: float = 60.0
    healthy_s: float = 60.0
    spread_s: float = 10.0
    longest_asked_s: float = 3600.0
    failures: int = 0

    def wait_s(self, chance: float, at_least_s: float = 0.0) -> float:
        """Return the next wait.

        Args:
            chance: uniform in 0 to 1.
            at_least_s: what the server asked for; up to half as much again is added, since it asks all its gateways.
        """
        asked_s = min(at_least_s, self.longest_asked_s) * (1 + 0.5 * chance)
        bound_s = min(self.max_s, self.first_s * 2 ** min(self.failures, 30))
        own_s = 0.5 * bound_s + (self.spread_s if self.failures == 0 else 0.5 * bound_s) * chance
        return max(asked_s, own_s)

    def failed(self, lasted_s: float = 0.0) -> Backoff:
        """Return the state after a connection that lasted `lasted_s` (0: it never opened)."""
        return replace(self, failures=0 if lasted_s >= self.healthy_s else self.failures + 1)


def asked_wait_s(retry_after: str | None, date: str | None) -> float:
    """Return the wait that an HTTP answer asks for, 0 where it asks for none or nothing that reads.

    Args:
        retry_after: the answer's Retry-After: seconds, or a date of HTTP.
        date: the answer's Date, which a date is measured from; the board's own clock may be wrong.
    """
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(date or "")).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
