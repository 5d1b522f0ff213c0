"""Metering plugs behind Zigbee2MQTT: one cached state each, which is published whole with every report and answer."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from lentera_sim.clock import wall_ms
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.lamps.device import Behaviour
from lentera_sim.lamps.zigbee2mqtt import parse_object
from lentera_sim.plugs.plug import NetworkPlug

log = logging.getLogger(__name__)

_RADIO_S = 0.03
_CHANGE_REPORT_S = 0.15
"""How long after its relay has switched a plug reports its new power by itself."""


class ZigbeePlugs(DeviceBridge[NetworkPlug]):
    """One Zigbee2MQTT and the plugs of its radio network."""

    def command_topics(self, device: NetworkPlug) -> tuple[str, ...]:
        """Return `.../set` and `.../get`."""
        state = device.topics.messages["state"]
        return (f"{state}/set", f"{state}/get")

    def on_command(self, device: NetworkPlug, topic: str, payload: bytes) -> None:
        """Switch, echoing the wish at once, or answer a question with what is cached beside the asked relay."""
        body = parse_object(payload)
        if body is None:
            log.warning("%s: %s: not a JSON object: %r", self.name, topic, payload[:80])
        elif topic.endswith("/get"):
            self.later(_RADIO_S, lambda: self._answer(device))
        elif body.get("state") in ("ON", "OFF", "TOGGLE"):
            on = not device.appliance.is_on if body["state"] == "TOGGLE" else body["state"] == "ON"
            self._publish_state(device, device.last_measured | {"state": "ON" if on else "OFF"})
            if device.behaviour is not Behaviour.IGNORES:
                device.switch(on)
                self.later(_CHANGE_REPORT_S, lambda: self.report(device))

    def report(self, device: NetworkPlug) -> None:
        """Publish what the plug measures now."""
        draw = device.draw()
        device.last_measured = {
            "state": "ON" if device.appliance.is_on else "OFF",
            "power": round(draw.active_w, 1),
            "energy": round(device.counter_kwh(), 2),
            "voltage": round(draw.voltage_v),
            "current": round(draw.current_a, 2),
            "power_factor": round(draw.power_factor, 2),
            "linkquality": device.link_quality(),
            "last_seen": datetime.fromtimestamp(wall_ms() / 1000, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
        }
        self._publish_state(device, device.last_measured)

    def availability(self, online: bool) -> bytes:
        """Return Zigbee2MQTT's JSON."""
        return json.dumps({"state": "online" if online else "offline"}).encode()

    def _answer(self, device: NetworkPlug) -> None:
        """Publish after a question about the relay: the other attributes are as they were last reported."""
        device.last_measured["state"] = "ON" if device.appliance.is_on else "OFF"
        self._publish_state(device, device.last_measured)

    def _publish_state(self, device: NetworkPlug, body: dict[str, Any]) -> None:
        self.say(device, device.topics.messages["state"], json.dumps(body).encode(), _said(body))


def _said(body: dict[str, Any]) -> dict[str, float]:
    """Return what a state says in SI units, by the plug's own arithmetic."""
    factors = {
        "power": ("power_active_total", 1),
        "energy": ("energy_active_import", 1000),
        "voltage": ("voltage_l1", 1),
        "current": ("current_l1", 1),
        "power_factor": ("power_factor_total", 1),
        "linkquality": ("link_quality", 1),
    }
    values = {name: float(body[key] * factor) for key, (name, factor) in factors.items() if key in body}
    return values | {"output_1": float(body["state"] == "ON")}
