"""Meters with firmware of one's own: one JSON object under the catalogue's names, in its units, dated in Unix ms."""

from __future__ import annotations

import json

from lentera_sim.clock import wall_ms
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.plugs.plug import NetworkPlug


class JsonMeters(DeviceBridge[NetworkPlug]):
    """Meters of profile generic_json_meter behind one MQTT client."""

    def command_topics(self, device: NetworkPlug) -> tuple[str, ...]:
        """Return the topic of questions."""
        return () if device.topics.request is None else (device.topics.request,)

    def on_command(self, device: NetworkPlug, topic: str, payload: bytes) -> None:
        """Answer whatever the question says."""
        self.report(device)

    def report(self, device: NetworkPlug) -> None:
        """Publish what the meter measures now."""
        draw = device.draw()
        values = {
            "power_active_total": round(draw.active_w, 2),
            "energy_active_import": round(1000 * device.counter_kwh(), 1),
            "voltage_l1": round(draw.voltage_v, 1),
            "current_l1": round(draw.current_a, 3),
            "power_factor_total": round(draw.power_factor, 3),
        }
        payload = json.dumps({"at": wall_ms(), **values}).encode()
        self.say(device, device.topics.messages["values"], payload, values)

    def availability(self, online: bool) -> bytes:
        """Return the bare word."""
        return b"online" if online else b"offline"
