"""When a message was really published: what a broker kept while nobody was connected arrives late, all at once.

MQTT carries no time of publishing. So a connection begins with a *backlog phase*, and only in it a lamp's own time
(`last_seen`) moves a stamp back; later a bridge with a wrong clock must not shift what is live. Where the age of a
message of that phase cannot be known, it keeps the stamp of its arrival and is marked suspect: its time is uncertain.
"""

from __future__ import annotations

from typing import Final

from lentera_drivers.interface import Clock
from lentera_model.readings import Quality

QUIET_MS: Final = 500
"""So long without a message and everything that was kept has been delivered."""
LONGEST_MS: Final = 5_000
"""The phase ends even where lamps never pause."""
_LIVE_AGE_MS: Final = 1_000
_OLDEST_AGE_MS: Final = 86_400_000
"""A broker keeps the session no longer than a day (`lentera_drivers.mqtt.session`)."""


class Backlog:
    """Tells whether a connection is still delivering what the broker had kept."""

    def __init__(self, clock: Clock) -> None:
        """Take the boot's monotonic clock; no connection has begun."""
        self._clock = clock
        self._active = False
        self._since_ms: int | None = None
        self._latest_ms = 0

    def begin(self) -> None:
        """A connection is tried; the phase runs from its first message or from `connected`, whichever is earlier."""
        self._active, self._since_ms = True, None

    def connected(self) -> None:
        """The broker has accepted the connection."""
        if self._active and self._since_ms is None:
            self._since_ms = self._latest_ms = self._clock()

    def arrived(self) -> bool:
        """Note a message; whether it belongs to the phase, that is, may have been kept by the broker."""
        self.connected()
        if self.is_over():
            self._active = False
            return False
        self._latest_ms = self._clock()
        return True

    def is_over(self) -> bool:
        """Whether a message that came now would be live."""
        if not self._active:
            return True
        if self._since_ms is None:
            return False
        now_ms = self._clock()
        return now_ms - self._latest_ms >= QUIET_MS or now_ms - self._since_ms >= LONGEST_MS


def stamp_of_kept(
    arrival_ms: int, age_ms: int | None, *, shift: bool, silent_after_ms: int | None = None
) -> tuple[int, Quality]:
    """Return stamp and quality of a message of the backlog phase.

    Args:
        arrival_ms: when it came, on the boot's monotonic clock.
        age_ms: how long before that the device was heard, None where nothing tells.
        shift: whether the stamp may be moved back.
        silent_after_ms: the device's limit of silence: a value older than that which cannot be stamped by its own time
            is stale.
    """
    if age_ms is None or age_ms < 0:
        return arrival_ms, Quality.SUSPECT
    if age_ms <= _LIVE_AGE_MS:
        return arrival_ms, Quality.GOOD
    if shift and age_ms < min(_OLDEST_AGE_MS, arrival_ms):  # a time before this boot cannot be told on its clock
        return arrival_ms - age_ms, Quality.GOOD
    is_stale = silent_after_ms is not None and age_ms > silent_after_ms
    return arrival_ms, Quality.STALE if is_stale else Quality.SUSPECT
