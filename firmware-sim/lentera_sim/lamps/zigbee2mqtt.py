"""Zigbee2MQTT as a gateway meets it: optimistic, cached, and asked attribute by attribute.

After a `set` it publishes the wanted state at once, with the power it last heard and the old `last_seen`, before the
lamp has done anything. After a `get` it reads each asked attribute over the radio and publishes after each answer.

With a mesh every order and question waits for its turn on the radio: the wanted state is then published when the
message is out, a lost or timed out one is a line on `bridge/logging` and nothing more. All lamps are one group, which
is spoken to by broadcast: whoever does not hear it is echoed all the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lentera_drivers.profiles import encode_state
from lentera_sim.clock import SimClock, wall_ms
from lentera_sim.lamps.bridge import LampBridge
from lentera_sim.lamps.device import Behaviour, NetworkLamp
from lentera_sim.lamps.mesh import Mesh
from lentera_sim.lamps.program import Outgoing
from lentera_sim.lamps.said import percent_of
from lentera_sim.ledger import Ledger

log = logging.getLogger(__name__)

GROUP = "all-lamps"
"""Friendly name of the group of all lamps."""
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


def _transition_s(body: dict[str, Any]) -> float | None:
    transition = body.get("transition")
    return float(transition) if isinstance(transition, int | float) else None


class Zigbee2Mqtt(LampBridge):
    """One Zigbee2MQTT and the lamps of its radio network."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        devices: Sequence[NetworkLamp],
        ledger: Ledger,
        clock: SimClock,
        mesh: Mesh | None = None,
    ) -> None:
        """Take the MQTT client id, the broker's address, the lamps, and the mesh if its radio has a mesh's manners."""
        super().__init__(name, host, port, devices, ledger, clock)
        self._mesh = mesh
        self._base = devices[0].profile.base_topic if devices else "zigbee2mqtt"

    def topics(self) -> Iterable[str]:
        """Return the command topics of all lamps and of the group."""
        return (*super().topics(), f"{self._base}/{GROUP}/set")

    def on_message(self, topic: str, payload: bytes) -> None:
        """Take a command to the group, or to a lamp."""
        if topic == f"{self._base}/{GROUP}/set":
            self._set_group(parse_object(payload) or {})
        else:
            super().on_message(topic, payload)

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
        self._over_radio(lamp, 0.0, lambda: self._ordered(lamp, level, _transition_s(body)))

    def _ordered(self, lamp: NetworkLamp, level: float, transition_s: float | None, *, is_heard: bool = True) -> None:
        """The order is out: the wanted state is published, whatever the lamp makes of it."""
        if is_heard:
            self.order(lamp, level, transition_s)
        lamp.cached_level = level
        self._publish_cached(lamp)

    def _set_group(self, body: dict[str, Any]) -> None:
        lit = [lamp for lamp in self.lamps if lamp.behaviour is not Behaviour.OFFLINE]
        level = wanted_level(lit[0], body) if lit else None
        if level is None:
            return
        passage = None if self._mesh is None else self._mesh.broadcast(asyncio.get_running_loop().time())
        if passage is None:
            self._broadcast(lit, level, body)
        elif passage.after_s is None:
            self._failed(GROUP)
        else:
            self.later(passage.after_s, lambda: self._broadcast(lit, level, body))

    def _broadcast(self, lamps: Sequence[NetworkLamp], level: float, body: dict[str, Any]) -> None:
        """Say it to all at once; nobody acknowledges, so all are published as wanted, and the group too."""
        for lamp in lamps:
            heard = self._mesh is None or self._mesh.hears_broadcast(lamp.device)
            self._ordered(lamp, level, _transition_s(body), is_heard=heard)
        self.send(Outgoing(f"{self._base}/{GROUP}", encode_state(lamps[0].profile, level, {})))

    def _over_radio(self, lamp: NetworkLamp, delay_s: float, action: Callable[[], None]) -> None:
        """Do what follows from a message to a lamp when it is out, `delay_s` after that; nothing where it is lost."""
        if self._mesh is None:
            if delay_s:
                self.later(delay_s, action)
            else:
                action()
            return
        passage = self._mesh.unicast(lamp.device, asyncio.get_running_loop().time())
        if passage.after_s is None:
            self._failed(lamp.device)
        elif passage.arrives:
            self.later(passage.after_s + delay_s, action)
        else:
            self.later(passage.after_s, lambda: self._failed(lamp.device))

    def _failed(self, name: str) -> None:
        """Tell what Zigbee2MQTT tells of a message that got no acknowledgement in time."""
        text = f"z2m: Publish to '{name}' failed: 'Error: timeout'"
        self.send(Outgoing(f"{self._base}/bridge/logging", json.dumps({"level": "error", "message": text}).encode()))

    def _get(self, lamp: NetworkLamp, body: dict[str, Any]) -> None:
        """Read each asked attribute in turn; the others keep their cached values, as in the real one."""
        for number, key in enumerate(body, start=1):
            self._over_radio(lamp, _RADIO_S * number, lambda key=key: self._read_attribute(lamp, key))

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
        """Publish level and measurements, all fresh, unless the mesh loses the report."""
        if self._mesh is not None and not self._mesh.report_arrives(device.device):
            return
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
