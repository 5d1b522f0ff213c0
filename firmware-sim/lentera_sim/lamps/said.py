"""What a lamp has said with a message: the lamp's own tables, for the ledger and for its obedience.

On purpose neither the profiles' fields nor the decoder that gateways use: a ledger written by those would agree with
every fault of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

_FULL_BRIGHTNESS: Mapping[str, int] = {"zigbee2mqtt": 254, "homeassistant_json": 255}
"""Dialect to the `brightness` that is 100 %."""

_MEASUREMENTS: Mapping[str, tuple[str, float]] = {
    "power": ("power_active_total", 1.0),
    "energy": ("energy_active_import", 1000.0),  # kWh on the wire, Wh in the ledger
    "voltage": ("voltage_l1", 1.0),
    "current": ("current_l1", 1.0),
    "power_factor": ("power_factor_total", 1.0),
    "operating_time": ("operating_time", 1.0),
    "lamp_failure": ("lamp_failure", 1.0),
}
_KEYS: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "zigbee2mqtt": {
        **_MEASUREMENTS,
        "device_temperature": ("temperature", 1.0),
        "linkquality": ("link_quality", 1.0),
    },
    "homeassistant_json": {**_MEASUREMENTS, "temperature": ("temperature", 1.0)},
}
"""Dialect to key of the JSON to quantity and the factor from the key's number to SI units."""


def percent_of(dialect: str, brightness: float) -> float:
    """Return the level in percent that a brightness of this dialect means."""
    return brightness * 100 / _FULL_BRIGHTNESS[dialect]


def said_values(dialect: str, payload: bytes) -> dict[str, float]:
    """Return quantity to value (SI units) of a state or telemetry message that a lamp of this dialect sent."""
    body = json.loads(payload)
    values: dict[str, float] = {}
    if body.get("state") == "OFF":
        values["level_percent"] = 0.0
    elif "brightness" in body:
        values["level_percent"] = percent_of(dialect, body["brightness"])
    for key, (quantity, factor) in _KEYS[dialect].items():
        if key in body:
            values[quantity] = body[key] * factor
    return values
