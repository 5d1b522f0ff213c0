"""What the driver keeps of one device on a broker between its messages, whatever kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from lentera_drivers.mqtt.malformed import Malformed
from lentera_drivers.mqtt.quality import MessageQuality
from lentera_drivers.mqtt.rate import Allowance
from lentera_drivers.profiles import LampMessage, SensorProfile, decode_sensor, decode_sensor_availability
from lentera_model.config import DeviceConfig

Role = str
"""What a topic is for: `availability`, or the name of a message (`state`, `telemetry`, one of a sensor's profile)."""
AVAILABILITY: Final = "availability"
_SILENT_INTERVALS: Final = 3
_LEAST_SILENCE_S: Final = 30.0
_ZONE_STEP_MS: Final = 15 * 60_000
_ZONE_MOST_MS: Final = 14 * 3_600_000
_ZONE_ERROR_MS: Final = 120_000


class LocalZone:
    """The zone of a device that writes local time without one, learned from messages that come as they are sent."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._offset_ms: int | None = None
        self._agreed = 0

    def learn(self, local_ms: int, wall_ms: int) -> None:
        """Take in a live message: its local time read as UTC, and the true time (both Unix ms)."""
        offset_ms = round((local_ms - wall_ms) / _ZONE_STEP_MS) * _ZONE_STEP_MS
        if abs(offset_ms) > _ZONE_MOST_MS or abs(local_ms - wall_ms - offset_ms) > _ZONE_ERROR_MS:
            self._offset_ms, self._agreed = None, 0  # its clock is wrong: it tells nothing
            return
        self._agreed = self._agreed + 1 if offset_ms == self._offset_ms else 1
        self._offset_ms = offset_ms

    def unix_ms(self, local_ms: int) -> int | None:
        """Return the Unix time of a local one, None while the zone is unknown: one message alone may be a late one."""
        return None if self._offset_ms is None or self._agreed < 2 else local_ms - self._offset_ms


class FieldDevice(ABC):
    """One device. Stamps are milliseconds of the boot's monotonic clock.

    Attributes:
        device: as configured. profile_id: of its profile.
        roles: what each of its topics is for.
        quantities: what it may give.
        question: topic and payload that ask it for its values, None where it cannot be asked.
        silent_after_ms: after so long without a message it is silent.
        available: what its availability topic says, None before it said anything.
        told: what was last reported of it.
        heard_ms: when its last usable message came.
        last_payload: the last message on each topic.
        last_seen_ms: the device's own time (Unix ms) in the last message on each topic.
        zone: of its own time, where that has none.
        quality: how far its values may be trusted.
        allowance: how much it may publish. malformed: what it published that is of no use.
    """

    def __init__(
        self,
        device: DeviceConfig,
        profile_id: str,
        roles: dict[Role, str],
        quantities: tuple[str, ...],
        silent_after_s: float | None,
    ) -> None:
        """Take what the configuration and the profile say of it."""
        self.device = device
        self.profile_id = profile_id
        self.roles = roles
        self.quantities = quantities
        self.question: tuple[str, bytes] | None = None
        usual_s = max(_SILENT_INTERVALS * device.every_s, _LEAST_SILENCE_S)
        limit_s = usual_s if silent_after_s is None else silent_after_s
        self.silent_after_ms = round(limit_s * 1000)
        self.available: bool | None = None
        self.told: bool | None = None
        self.heard_ms: int | None = None
        self.ok_ms: dict[str, int] = {}
        self.last_payload: dict[Role, bytes] = {}
        self.last_seen_ms: dict[Role, int] = {}
        self.zone = LocalZone()
        self.quality = MessageQuality(device.id, profile_id)
        self.allowance = Allowance()
        self.malformed = Malformed()

    @abstractmethod
    def decode(self, role: Role, payload: bytes) -> LampMessage:
        """Read a message; raises LampPayloadError when it is none."""

    @abstractmethod
    def decode_online(self, payload: bytes) -> bool:
        """Read an availability message; raises LampPayloadError when it is none."""

    def is_silent(self, now_ms: int) -> bool:
        """Whether it has been heard once, and then not for longer than its limit."""
        return self.heard_ms is not None and now_ms - self.heard_ms > self.silent_after_ms


class Sensor(FieldDevice):
    """A meter or sensor: it reports, and is asked when it has been silent."""

    def __init__(self, device: DeviceConfig, profile: SensorProfile, base: str | None) -> None:
        """Take the configuration, the profile and the bus's base topic."""
        topics = profile.topics_for(device.topic or "", base)
        roles = dict(topics.messages)
        if topics.availability is not None:
            roles[AVAILABILITY] = topics.availability
        super().__init__(device, profile.id, roles, profile.quantities, profile.silent_after_s)
        self.profile = profile
        if topics.request is not None and profile.request is not None:
            self.question = topics.request, profile.request.payload.encode()

    def decode(self, role: Role, payload: bytes) -> LampMessage:
        """Read a message by the profile's mapping."""
        return decode_sensor(self.profile, role, payload)

    def decode_online(self, payload: bytes) -> bool:
        """Read an availability message by the profile's words."""
        return decode_sensor_availability(self.profile, payload)
