"""Is a device reachable? What its gateway says, as far as that can still be believed."""

from dataclasses import dataclass

SILENT_AFTER_MS = 900_000
"""A device that its gateway calls online but that has given no reading for this long is not known to be."""


@dataclass(frozen=True, slots=True)
class Reachability:
    """``online`` is None where it is not known; ``reason`` says how it is known, or why not."""

    online: bool | None
    reason: str


def reachability(
    told: bool | None, told_reason: str | None, declared: bool, connected: bool, read_at_ms: int | None, now_ms: int
) -> Reachability:
    """Judge whether a device answers.

    Args:
        told: what its gateway last said of it; None if it never did.
        told_reason: and how the gateway knew.
        declared: whether the gateway still lists the device.
        connected: whether the gateway has a link now.
        read_at_ms: when the newest reading was taken, if there is one.
        now_ms: the present.
    """
    if not declared:
        return Reachability(None, "its gateway no longer lists it")
    if not connected:
        return Reachability(None, "its gateway has no link")
    fresh = read_at_ms is not None and now_ms - read_at_ms <= SILENT_AFTER_MS
    if told is False:
        return Reachability(False, told_reason or "its gateway gets no answer from it")
    if fresh:
        return Reachability(True, told_reason or "it gives readings")
    if told is None:
        return Reachability(None, "nothing was heard of it yet" if read_at_ms is None else "it has fallen silent")
    if read_at_ms is None:
        return Reachability(True, told_reason or "its gateway reaches it")
    return Reachability(None, "it has given no reading for 15 minutes")
