"""Lamps with Home Assistant's JSON light schema: a state that repeats the order, and telemetry that is measured.

The schema has no time; like many firmwares these lamps add `last_seen`, their own clock in Unix ms, as Zigbee2MQTT does
for its lamps. By it a message that a broker kept can be dated.
"""

from __future__ import annotations

import logging

from lentera_drivers.profiles import encode_state
from lentera_sim.clock import wall_ms
from lentera_sim.lamps.bridge import LampBridge, Outgoing
from lentera_sim.lamps.device import NetworkLamp
from lentera_sim.lamps.zigbee2mqtt import parse_object, wanted_level

log = logging.getLogger(__name__)


class HomeAssistantLights(LampBridge):
    """Lamps of this dialect behind one MQTT client."""

    def command_topics(self, lamp: NetworkLamp) -> tuple[str, ...]:
        """Return `.../set`."""
        return (lamp.topics.set,)

    def on_command(self, lamp: NetworkLamp, topic: str, payload: bytes) -> None:
        """Take an order; the firmware publishes the wanted state at once, its power only when measured."""
        body = parse_object(payload)
        level = None if body is None else wanted_level(lamp, body)
        if body is None or level is None:
            log.warning("%s: %s: no order for a light: %r", self.name, topic, payload[:80])
            return
        transition = body.get("transition")
        self.order(lamp, level, float(transition) if isinstance(transition, int | float) else None)
        lamp.cached_level = level
        self._publish_state(lamp)

    def report(self, lamp: NetworkLamp) -> None:
        """Publish the state and the measurements."""
        if lamp.cached_level is None:
            lamp.cached_level = lamp.level_percent()
        self._publish_state(lamp)
        self.report_change(lamp)

    def report_change(self, lamp: NetworkLamp) -> None:
        """Publish the measurements."""
        if lamp.topics.telemetry is not None:
            payload = encode_state(lamp.profile, None, lamp.measure(), wall_ms())
            self.send(Outgoing(lamp.topics.telemetry, payload, lamp=lamp))

    def availability(self, online: bool) -> bytes:
        """Return the bare word of the schema."""
        return b"online" if online else b"offline"

    def _publish_state(self, lamp: NetworkLamp) -> None:
        payload = encode_state(lamp.profile, lamp.cached_level, {}, wall_ms())
        self.send(Outgoing(lamp.topics.state, payload, lamp=lamp))
