"""What the driver keeps of one lamp between its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from lentera_drivers.mqtt import proof
from lentera_drivers.mqtt.device import AVAILABILITY, FieldDevice, Role
from lentera_drivers.profiles import LampMessage, LampProfile, decode_availability, decode_lamp_payload, encode_get
from lentera_model.config import DeviceConfig

_LEVEL: Final = "level_percent"
_POWER: Final = "power_active_total"
_RECENT_INTERVALS: Final = 2


class Lamp(FieldDevice):
    """One lamp. Stamps are milliseconds of the boot's monotonic clock.

    Attributes:
        profile, topics: what it is and where it speaks.
        turn: held by the command that runs.
        latest: level and power with their stamps.
        drawn_w: last power on the telemetry topic since the level shown has changed, and its stamp.
        watch: what is known about the command that runs.
        asked_whether_off_ms: when it was last asked for on/off.
        news: set when something came that a running command may wait for.
    """

    def __init__(self, device: DeviceConfig, profile: LampProfile, base: str | None) -> None:
        """Take the configuration, the profile and the bus's base topic."""
        self.profile = profile
        self.topics = profile.topics_for(device.topic or "", base)
        own = self.topics
        topics = {"state": own.state, AVAILABILITY: own.availability, "telemetry": own.telemetry}
        roles = {role: topic for role, topic in topics.items() if topic is not None}
        super().__init__(device, profile.id, roles, profile.quantities, profile.silent_after_s)
        if self.topics.get is not None:
            self.question = self.topics.get, encode_get(profile)
        self.turn = asyncio.Lock()
        self.latest: dict[str, tuple[float, int]] = {}
        self.drawn_w: tuple[float, int] | None = None
        self.watch: proof.Watch | None = None
        self.asked_whether_off_ms: int | None = None
        self.news = asyncio.Event()

    def decode(self, role: Role, payload: bytes) -> LampMessage:
        """Read a message by the profile's dialect."""
        return decode_lamp_payload(self.profile, payload)

    def decode_online(self, payload: bytes) -> bool:
        """Read `online` or `offline`."""
        return decode_availability(payload)

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
