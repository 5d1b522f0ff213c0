"""What the gateway knows of each device now: reachable or not, why, and when it last answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class DeviceState:
    """One device.

    Attributes:
        online: None until anything is known.
        reason: how that is known, for people.
        changed_ms: CLOCK_BOOTTIME of the last change.
        last_ok_ms: CLOCK_BOOTTIME of the last sample, None before the first.
    """

    online: bool | None = None
    reason: str = ""
    changed_ms: int = 0
    last_ok_ms: int | None = None


class DeviceBook:
    """The states of all devices; tells whoever listens when one comes or goes."""

    def __init__(self, devices: Iterable[str]) -> None:
        """Begin with devices of which nothing is known."""
        self.states = {device: DeviceState() for device in devices}
        self.on_change: Callable[[str], None] | None = None

    def status(self, device: str, online: bool, reason: str, now_ms: int) -> None:
        """Note what a driver reports."""
        state = self.states.get(device)
        if state is None or (state.online, state.reason) == (online, reason):
            return
        state.online, state.reason, state.changed_ms = online, reason, now_ms
        if self.on_change is not None:
            self.on_change(device)

    def answered(self, device: str, at_ms: int) -> None:
        """Note a sample."""
        state = self.states.get(device)
        if state is not None:
            state.last_ok_ms = at_ms
