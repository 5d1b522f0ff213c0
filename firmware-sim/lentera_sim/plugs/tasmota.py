"""A module with Tasmota: a client of its own, whose last will is LWT, and tele/SENSOR by its own period.

It writes local time without a zone and to the second, whole watts and volts, and kWh to the thousandth, as the real one
does by default. Only in one thing it differs: the real one publishes at QoS 0, and what it said in the moment of a
broken connection would be known to nobody; here each message is acknowledged, so that the ledger can tell.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt

from lentera_sim.clock import SimClock, wall_ms
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.lamps.device import Behaviour
from lentera_sim.lamps.program import Outgoing
from lentera_sim.ledger import Ledger
from lentera_sim.physics.grid import SITE_OFFSET_MS
from lentera_sim.plugs.plug import NetworkPlug

log = logging.getLogger(__name__)

_WORDS = {"ON": True, "1": True, "OFF": False, "0": False}


class TasmotaModule(DeviceBridge[NetworkPlug]):
    """One module; a street's modules are as many programs."""

    def __init__(self, host: str, port: int, plug: NetworkPlug, ledger: Ledger, clock: SimClock) -> None:
        """Take the broker's address and the plug that it is."""
        self._started_ms = clock.now_ms()
        self._start_kwh = plug.counter_kwh()
        super().__init__(f"sim-{plug.device}", host, port, (plug,), ledger, clock)

    def last_will(self) -> aiomqtt.Will | None:
        """Return Offline on tele/.../LWT, retained."""
        plug = self.devices[0]
        topic = plug.availability_topic
        return None if topic is None else aiomqtt.Will(topic, self.availability(False), qos=1, retain=True)

    def set_online(self, device: NetworkPlug, online: bool) -> None:
        """Cut its supply, so that the broker speaks its last will, or give it back."""
        device.behave(Behaviour.NORMAL if online else Behaviour.OFFLINE)
        if online:
            self.come_back()
        else:
            self.vanish()

    def command_topics(self, device: NetworkPlug) -> tuple[str, ...]:
        """Return cmnd/.../Status and cmnd/.../POWER."""
        return (f"cmnd/{device.device}/Status", f"cmnd/{device.device}/POWER")

    def on_command(self, device: NetworkPlug, topic: str, payload: bytes) -> None:
        """Answer `Status 10` (or 8, its older name), and switch."""
        word = payload.decode("utf-8", "replace").strip()
        if topic.endswith("/Status"):
            self._status(device, word)
        elif word.upper() == "TOGGLE" or word.upper() in _WORDS:
            wanted = _WORDS.get(word.upper(), not device.appliance.is_on)
            if device.behaviour is not Behaviour.IGNORES:
                device.switch(wanted)
            self.send(Outgoing(f"stat/{device.device}/RESULT", json.dumps({"POWER": _power(device)}).encode()))
            self.send(Outgoing(f"stat/{device.device}/POWER", _power(device).encode()))
        else:
            log.warning("%s: %s: no order for a relay: %r", self.name, topic, payload[:80])

    def report(self, device: NetworkPlug) -> None:
        """Publish tele/STATE and tele/SENSOR, which come together each TelePeriod."""
        state = {"Time": self._local(), "UptimeSec": self._uptime_s(), "POWER": _power(device)}
        values = {"output_1": float(device.appliance.is_on)}
        self.say(device, f"tele/{device.device}/STATE", _json(state), values)
        energy, values = self._energy(device)
        self.say(device, f"tele/{device.device}/SENSOR", _json({"Time": self._local(), "ENERGY": energy}), values)

    def availability(self, online: bool) -> bytes:
        """Return the words of LWT."""
        return b"Online" if online else b"Offline"

    def _status(self, device: NetworkPlug, word: str) -> None:
        if word not in ("8", "10"):
            log.warning("%s: status %r is not simulated", self.name, word[:20])
            return
        energy, values = self._energy(device)
        body = {"StatusSNS": {"Time": self._local(), "ENERGY": energy}}
        self.say(device, f"stat/{device.device}/STATUS{word}", _json(body), values if word == "10" else {})

    def _energy(self, device: NetworkPlug) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the object ENERGY, and what it says in SI units by this module's own arithmetic."""
        draw = device.draw()
        total = round(device.counter_kwh(), 3)
        watts, volt_amperes = round(draw.active_w), round(draw.apparent_va)
        energy: dict[str, Any] = {
            "TotalStartTime": "2026-01-01T00:00:00",
            "Total": total,
            "Yesterday": 0.0,
            "Today": round(max(0.0, total - self._start_kwh), 3),
            "Period": 0,
            "Power": watts,
            "ApparentPower": volt_amperes,
            "ReactivePower": round(draw.reactive_var),
            "Factor": round(draw.power_factor, 2),
            "Voltage": round(draw.voltage_v),
            "Current": round(draw.current_a, 3),
        }
        values = {
            "energy_active_import": total * 1000,
            "power_active_total": float(watts),
            "power_active_l1": float(watts),
            "power_apparent_total": float(volt_amperes),
            "power_reactive_total": float(energy["ReactivePower"]),
            "power_factor_l1": energy["Factor"],
            "voltage_l1": float(energy["Voltage"]),
            "current_l1": energy["Current"],
        }
        return energy, values

    def _local(self) -> str:
        at = datetime.fromtimestamp(wall_ms() // 1000, UTC) + timedelta(milliseconds=SITE_OFFSET_MS)
        return at.strftime("%Y-%m-%dT%H:%M:%S")

    def _uptime_s(self) -> int:
        return (self.clock.now_ms() - self._started_ms) // 1000


def _power(device: NetworkPlug) -> str:
    return "ON" if device.appliance.is_on else "OFF"


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
