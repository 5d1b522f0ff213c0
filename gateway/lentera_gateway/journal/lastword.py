"""How the process before this one ended, and what that may have cost, from what it left behind. Pure.

It lives as long as its mark on the memory tier moves on, each second. A mark of this boot that stopped means that it
was killed; a mark of another boot, or none, that the board was without power; a state that says so, that it was
stopped in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from lentera_gateway.journal.records import AliveRecord, EndRecord, StateRecord

_POLLS_END_WITHIN_MS: Final = 5_000
"""A gateway that stops in order takes no sample for the last moments; never for so long."""
StopReason = Literal["killed", "power_cut", "stopped"]


@dataclass(frozen=True, slots=True)
class LastWord:
    """From when on values of the process before may be missing.

    Attributes:
        reason: how it ended.
        from_monotonic_ms: on this boot's clock; None where it was another boot.
        from_ms: Unix milliseconds, where it was another boot.
        uncertainty_ms: how far that may be off.
    """

    reason: StopReason
    from_monotonic_ms: int | None
    from_ms: int | None = None
    uncertainty_ms: int = 0


def last_word(
    boot_id: bytes,
    alive: AliveRecord | None,
    states: list[StateRecord],
    newest_on_card_ms: Callable[[], int | None],
    at_most_lost_ms: int,
) -> LastWord | None:
    """Return how the process before ended; None where there was none, or where nobody can know.

    Args:
        boot_id: this boot.
        alive: the mark on the memory tier.
        states: what the tiers' state files say.
        newest_on_card_ms: finds the time at which the newest batch on the card was sealed.
        at_most_lost_ms: of what came before a power cut, at most so much is on no medium.
    """
    state = max(states, key=lambda one: (one.epoch, one.end is not None), default=None)
    end = None if state is None else state.end
    if alive is not None and alive.boot_id == boot_id:
        if end is not None and end.boot_id == boot_id and end.monotonic_ms >= alive.monotonic_ms:
            return LastWord("stopped", end.monotonic_ms)
        return LastWord("killed", alive.monotonic_ms)
    if end is not None and end.boot_id == boot_id:
        return LastWord("stopped", end.monotonic_ms)
    if state is not None and end is not None:
        return LastWord("stopped", None, end.at_ms or state.saved_at_ms, end.uncertainty_ms)
    if state is not None and not state.seal_age_ms:
        return None  # of a version that kept neither mark nor end: an orderly one looks like any other
    known_ms = max((ms for ms in (state and state.saved_at_ms, newest_on_card_ms()) if ms is not None), default=None)
    if known_ms is None:
        return None
    return LastWord("power_cut", None, known_ms - at_most_lost_ms, at_most_lost_ms)


def stopped_at(
    boot_id: bytes, now_ms: int, newest_stamp_ms: int | None, wall_ms: int, uncertainty_ms: int
) -> EndRecord:
    """Return the mark of an orderly end: nothing is missing up to the last sample.

    Args:
        boot_id: this boot.
        now_ms: CLOCK_BOOTTIME.
        newest_stamp_ms: stamp of the newest sample that was taken, None for none.
        wall_ms: the wall clock, 0 while it is not trusted.
        uncertainty_ms: of the wall clock.
    """
    since_ms = now_ms - _POLLS_END_WITHIN_MS
    from_ms = now_ms if newest_stamp_ms is None else min(max(newest_stamp_ms, since_ms), now_ms)
    return EndRecord(boot_id, from_ms, wall_ms - now_ms + from_ms if wall_ms else 0, uncertainty_ms)
