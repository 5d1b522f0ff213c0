"""What the driver keeps of one lamp between its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from lentera_drivers.mqtt import proof
from lentera_drivers.profiles import LampProfile, LampTopics
from lentera_model.config import DeviceConfig

Role = Literal["state", "availability", "telemetry"]
"""What a topic is for."""
_LEVEL: Final = "level_percent"
_POWER: Final = "power_active_total"
_RECENT_INTERVALS: Final = 2


@dataclass(slots=True)
class Lamp:
    """One lamp. Stamps are milliseconds of the boot's monotonic clock.

    Attributes:
        device, profile, topics: what it is and where it speaks.
        turn: held by the command that runs.
        available: what its availability topic says, None before it said anything.
        told: what was last reported of it.
        heard_ms: when its last message came.
        latest: level and power with their stamps.
        drawn_w: last power on the telemetry topic since the level shown has changed, and its stamp.
        last_payload: the last message on each topic.
        last_seen_ms: the lamp's own time (Unix ms) in the last message on each topic.
        watch: what is known about the command that runs.
        asked_whether_off_ms: when it was last asked for on/off.
        news: set when something came that a running command may wait for.
    """

    device: DeviceConfig
    profile: LampProfile
    topics: LampTopics
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    available: bool | None = None
    told: bool | None = None
    heard_ms: int | None = None
    latest: dict[str, tuple[float, int]] = field(default_factory=dict)
    drawn_w: tuple[float, int] | None = None
    last_payload: dict[Role, bytes] = field(default_factory=dict)
    last_seen_ms: dict[Role, int] = field(default_factory=dict)
    watch: proof.Watch | None = None
    asked_whether_off_ms: int | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, role: Role, values: Mapping[str, float], at_ms: int) -> None:
        """Note what proves an action; a power of before a change of level says nothing of the level shown now."""
        level, power_w = values.get(_LEVEL), values.get(_POWER)
        known = self.latest.get(_LEVEL)
        if level is not None and (known is None or known[0] != level):
            self.drawn_w = None
        if role == "telemetry" and power_w is not None:
            self.drawn_w = (power_w, at_ms)
        self.latest |= {name: (values[name], at_ms) for name in (_LEVEL, _POWER) if name in values}

    def recent(self, now_ms: int) -> dict[str, float]:
        """Return the latest level (which is kept until it changes) and power, if it was measured of late."""
        oldest_ms = self._oldest_recent_ms(now_ms)
        return {name: value for name, (value, at_ms) in self.latest.items() if name == _LEVEL or at_ms >= oldest_ms}

    def recent_drawn_w(self, now_ms: int) -> float | None:
        """Return the power in W that the lamp drew at the level that it shows, if it was measured of late."""
        if self.drawn_w is None or self.drawn_w[1] < self._oldest_recent_ms(now_ms):
            return None
        return self.drawn_w[0]

    def _oldest_recent_ms(self, now_ms: int) -> int:
        return now_ms - round(_RECENT_INTERVALS * self.device.every_s * 1000)
