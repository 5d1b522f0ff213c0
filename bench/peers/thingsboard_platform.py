"""What ThingsBoard IoT Gateway sends to, in place of ThingsBoard: a Mosquitto, and somebody who answers and counts.

The gateway asks its platform for the limits of its session and sends nothing before it has them.
"""

from __future__ import annotations

import json
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.services.servers import Mosquitto

TELEMETRY = "v1/gateway/telemetry"
_ASKS = "v1/devices/me/rpc/request/"
_ANSWERS = "v1/devices/me/rpc/response/"
NO_LIMITS = {"maxPayloadSize": 65_536, "maxInflightMessages": 100, "rateLimits": {}, "gatewayRateLimits": {}}


def values_in(payload: bytes) -> int:
    """How many values a telemetry message carries: device -> list of {"ts": ms, "values": {name: value}}."""
    devices: dict[str, list[dict[str, Any]]] = json.loads(payload)
    return sum(len(entry.get("values", ())) for entries in devices.values() for entry in entries)


class Platform:
    """A platform that takes everything. A context manager."""

    def __init__(self) -> None:
        """Prepare; nothing runs yet."""
        self._broker = Mosquitto()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="platform")
        self._client.on_message = self._on_message
        self.values = 0

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._broker.port

    def __enter__(self) -> Self:
        self._broker.start()
        self._client.connect("127.0.0.1", self.port)
        self._client.subscribe([(_ASKS + "+", 1), (TELEMETRY, 1)])
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._broker.close()

    def _on_message(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        if message.topic == TELEMETRY:
            self.values += values_in(bytes(message.payload))
        else:
            client.publish(_ANSWERS + message.topic.removeprefix(_ASKS), json.dumps(NO_LIMITS), qos=1)
