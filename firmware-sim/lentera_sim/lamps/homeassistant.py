"""Lamps with Home Assistant's JSON light schema: a state that repeats the order, and telemetry that is measured.

The schema has no time; like many firmwares these lamps add `last_seen`, their own clock in Unix ms, as Zigbee2MQTT does
for its lamps. By it a message that a broker kept can be dated.
"""

from __future__ import annotations

import logging

from lentera_drivers.profiles import encode_state
from lentera_sim.clock import wall_ms
from lentera_sim.lamps.bridge import LampBridge
from lentera_sim.lamps.device import NetworkLamp
from lentera_sim.lamps.zigbee2mqtt import parse_object, wanted_level

log = logging.getLogger(__name__)


class HomeAssistantLights(LampBridge):
    """Lamps of this dialect behind one MQTT client."""

    def command_topics(self, device: NetworkLamp) -> tuple[str, ...]:
        """Return `.../set`."""
        return (device.topics.set,)

    def on_command(self, device: NetworkLamp, topic: str, payload: bytes) -> None:
        """Take an order; the firmware publishes the wanted state at once, its power only when measured."""
        body = parse_object(payload)
        level = None if body is None else wanted_level(device, body)
        if body is None or level is None:
            log.warning("%s: %s: no order for a light: %r", self.name, topic, payload[:80])
            return
        transition = body.get("transition")
        self.order(device, level, float(transition) if isinstance(transition, int | float) else None)
        device.cached_level = level
        self._publish_state(device)

    def report(self, device: NetworkLamp) -> None:
        """Publish the state and the measurements."""
        if device.cached_level is None:
            device.cached_level = device.level_percent()
        self._publish_state(device)
        self.report_change(device)

    def report_change(self, lamp: NetworkLamp) -> None:
        """Publish the measurements."""
        if lamp.topics.telemetry is not None:
            payload = encode_state(lamp.profile, None, lamp.measure(), wall_ms())
            self.say_state(lamp, lamp.topics.telemetry, payload)

    def availability(self, online: bool) -> bytes:
        """Return the bare word of the schema."""
        return b"online" if online else b"offline"

    def _publish_state(self, lamp: NetworkLamp) -> None:
        payload = encode_state(lamp.profile, lamp.cached_level, {}, wall_ms())
        self.say_state(lamp, lamp.topics.state, payload)
