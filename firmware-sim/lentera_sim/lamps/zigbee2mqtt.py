"""Zigbee2MQTT as a gateway meets it: optimistic, cached, and asked attribute by attribute.

After a `set` it publishes the wanted state at once, with the power it last heard and the old `last_seen`, before the
lamp has done anything. After a `get` it reads each asked attribute over the radio and publishes after each answer.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from lentera_drivers.profiles import encode_state
from lentera_sim.clock import wall_ms
from lentera_sim.lamps.bridge import LampBridge
from lentera_sim.lamps.device import Behaviour, NetworkLamp
from lentera_sim.lamps.said import percent_of

log = logging.getLogger(__name__)

_RADIO_S = 0.03
"""A read over the radio and back."""


def parse_object(payload: bytes) -> dict[str, Any] | None:
    """Return a JSON object, None where the payload is none."""
    try:
        body = json.loads(payload)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def wanted_level(lamp: NetworkLamp, body: dict[str, Any]) -> float | None:
    """Return the level in percent that a `set` asks for; None where it asks for none or for nonsense."""
    state, brightness = body.get("state"), body.get("brightness")
    if state == "OFF":
        return 0.0
    if isinstance(brightness, int | float) and not isinstance(brightness, bool):
        return percent_of(lamp.profile.dialect, max(0, min(round(brightness), lamp.profile.brightness_scale)))
    if state == "ON":
        return 100.0
    return None


class Zigbee2Mqtt(LampBridge):
    """One Zigbee2MQTT and the lamps of its radio network."""

    def command_topics(self, device: NetworkLamp) -> tuple[str, ...]:
        """Return `.../set` and `.../get`."""
        return tuple(topic for topic in (device.topics.set, device.topics.get) if topic is not None)

    def on_command(self, device: NetworkLamp, topic: str, payload: bytes) -> None:
        """Take an order or a question."""
        body = parse_object(payload)
        if body is None:
            log.warning("%s: %s: not a JSON object: %r", self.name, topic, payload[:80])
        elif topic == device.topics.set:
            self._set(device, body)
        else:
            self._get(device, body)

    def _set(self, lamp: NetworkLamp, body: dict[str, Any]) -> None:
        level = wanted_level(lamp, body)
        if level is None:
            return
        transition = body.get("transition")
        self.order(lamp, level, float(transition) if isinstance(transition, int | float) else None)
        lamp.cached_level = level
        self._publish_cached(lamp)

    def _get(self, lamp: NetworkLamp, body: dict[str, Any]) -> None:
        """Read each asked attribute in turn; the others keep their cached values, as in the real one."""
        for number, key in enumerate(body, start=1):
            self.later(_RADIO_S * number, lambda key=key: self._read_attribute(lamp, key))

    def _read_attribute(self, lamp: NetworkLamp, key: str) -> None:
        if lamp.behaviour is Behaviour.OFFLINE:
            return
        if key == "brightness":
            lamp.cached_level = lamp.level_percent()
        elif key == "state":
            self._read_on_off(lamp)
        elif any(field.key == key for field in lamp.profile.fields):
            lamp.measure()
        else:
            log.warning("%s: %s has no %r to read", self.name, lamp.device, key)
            return
        self._heard(lamp)

    def _read_on_off(self, lamp: NetworkLamp) -> None:
        """The on/off attribute alone says nothing of the brightness: the cache keeps what was last wanted or read."""
        lit = lamp.luminaire.level_percent(lamp.now_ms) > 0
        if not lit:
            lamp.cached_level = 0.0
        elif not lamp.cached_level:
            lamp.cached_level = lamp.level_percent()

    def _heard(self, lamp: NetworkLamp) -> None:
        lamp.last_seen_ms = wall_ms()
        self._publish_cached(lamp)

    def report(self, device: NetworkLamp) -> None:
        """Publish level and measurements, all fresh."""
        device.cached_level = device.level_percent()
        device.measure()
        self._heard(device)

    def report_change(self, lamp: NetworkLamp) -> None:
        """Publish level and measurements after a change, as attribute reporting does."""
        self.report(lamp)

    def availability(self, online: bool) -> bytes:
        """Return Zigbee2MQTT's JSON."""
        return json.dumps({"state": "online" if online else "offline"}).encode()

    def _publish_cached(self, lamp: NetworkLamp) -> None:
        payload = encode_state(lamp.profile, lamp.cached_level, lamp.cached, lamp.last_seen_ms)
        self.say_state(lamp, lamp.topics.state, payload)
