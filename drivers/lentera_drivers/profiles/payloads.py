"""The JSON dialects of luminaires on MQTT, as pure functions: bytes in, values out, and back.

Zigbee2MQTT (https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html) and the JSON light of Home Assistant
(https://www.home-assistant.io/integrations/light.mqtt/#json-schema) agree on `{"state": "ON", "brightness": n}`; they
differ in the scale of brightness, in the topics, and in that only the first can be asked for a state.
The driver and the simulator both use this module, so what one writes is what the other reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from lentera_drivers.profiles.lamp import LampProfile
from lentera_drivers.profiles.mapping import ABSENT, decode_json, finite_number, resolve, shown
from lentera_drivers.profiles.registers import exact_scale
from lentera_model.errors import LenteraError

_AVAILABILITY: Final = {"online": True, "offline": False}


class LampPayloadError(LenteraError):
    """A message of a device is not what its profile says, or larger than any real one."""

    code: ClassVar[str] = "lamp_payload"


@dataclass(frozen=True, slots=True)
class LampMessage:
    """What one message of a lamp or sensor says.

    Attributes:
        values: quantity -> value in SI units, only what the message carried.
        last_seen_ms: when the lamp itself was last heard (Unix epoch ms), if the message says so.
        complaints: parts that could not be used, each with its reason.
        local_ms: the same as `last_seen_ms` from a text that names no zone, read as if it were UTC.
    """

    values: dict[str, float]
    last_seen_ms: int | None
    complaints: tuple[str, ...]
    local_ms: int | None = None


def decode_lamp_payload(profile: LampProfile, payload: bytes) -> LampMessage:
    """Read a state or telemetry message.

    Raises:
        LampPayloadError: it is larger than 16 KiB or no JSON object.
    """
    body = _json_object(payload)
    values: dict[str, float] = {}
    complaints: list[str] = []
    light = profile.light
    level = (
        _level(profile, body, complaints)
        if light is None
        else light.read_level(body, profile.brightness_scale, complaints)
    )
    if level is not None:
        values["level_percent"] = level
    for field in profile.fields:
        said = resolve(body, field.key) if field.key.startswith("/") else body.get(field.key)
        if said is None or said is ABSENT:
            continue
        number = finite_number(said)
        if number is None:
            complaints.append(f"{field.key} is {shown(said)}, not a number")
            continue
        scale = exact_scale(field.scale)
        value = number * scale.numerator / scale.denominator
        if math.isfinite(value):
            values[field.quantity] = value
        else:
            complaints.append(f"{field.key} is too large")
    if light is None:
        return LampMessage(values, _epoch_ms(body.get("last_seen")), tuple(complaints))
    seen_ms, local_ms = (None, None) if light.time is None else light.time.read(body)
    return LampMessage(values, seen_ms, tuple(complaints), local_ms)


def decode_availability(payload: bytes) -> bool:
    """Read an availability message: `online` / `offline`, bare or as `{"state": "online"}`.

    Raises:
        LampPayloadError: it is neither.
    """
    text = payload[:64].decode("utf-8", "replace").strip()
    if text.startswith("{"):
        text = str(_json_object(payload).get("state"))
    online = _AVAILABILITY.get(text)
    if online is None:
        raise LampPayloadError(f"availability is {shown(text)}; expected online or offline")
    return online


def brightness_of(profile: LampProfile, level_percent: float) -> int:
    """Return the brightness for a level in percent; any level above 0 gives at least 1."""
    if level_percent <= 0:
        return 0
    return max(1, round(level_percent * profile.brightness_scale / 100))


def level_of(profile: LampProfile, brightness: float) -> float:
    """Return the level in percent of a brightness."""
    return brightness * 100 / profile.brightness_scale


def encode_set(profile: LampProfile, level_percent: float) -> bytes:
    """Build the message that asks for a level in percent; level 0 switches off."""
    brightness = brightness_of(profile, level_percent)
    if profile.light is not None:
        return profile.light.order(brightness, profile.brightness_scale)
    command: dict[str, Any] = {"state": "ON", "brightness": brightness} if brightness else {"state": "OFF"}
    return json.dumps(command, separators=(",", ":")).encode()


def encode_get(profile: LampProfile | None = None, *, whether_off: bool = False, power_key: str | None = None) -> bytes:
    """Build Zigbee2MQTT's question for the brightness, for on/off, or for the measured power under its payload key.

    Only one of them: it reads each attribute over the radio and publishes after each, the others as it last knew or
    wished them. After a command to a level, the answer about on/off would carry the wished brightness; after a command
    to switch off, the answer about the brightness would carry the wished OFF. A lamp of dialect `generic_json` has one
    question for everything.
    """
    if profile is not None and profile.light is not None:
        return profile.light.ask.encode()
    if power_key is not None:
        return json.dumps({power_key: ""}).encode()
    return b'{"state":""}' if whether_off else b'{"brightness":""}'


def encode_state(
    profile: LampProfile, level_percent: float | None, others: Mapping[str, float], last_seen_ms: int | None = None
) -> bytes:
    """Build a lamp's own message (the simulator's side): the level, and other quantities in SI units.

    Quantities without a field in the profile are left out. The lamp's numbers keep three decimals.
    """
    body: dict[str, Any] = {}
    if level_percent is not None:
        brightness = brightness_of(profile, level_percent)
        if profile.light is not None:
            profile.light.write(brightness, body)
        else:
            body["state"] = "ON" if brightness else "OFF"
            body["brightness"] = brightness
    for field in profile.fields:
        if field.quantity in others:
            body[field.key] = round(others[field.quantity] / field.scale, 3)
    if last_seen_ms is not None:
        body["last_seen"] = last_seen_ms
    return json.dumps(body, separators=(",", ":")).encode()


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        body = decode_json(payload)
    except ValueError as error:
        raise LampPayloadError(str(error)) from error
    if not isinstance(body, dict):
        raise LampPayloadError(f"JSON, but no object: {shown(payload)}")
    return body


def _level(profile: LampProfile, body: Mapping[str, Any], complaints: list[str]) -> float | None:
    """OFF is level 0 whatever the brightness says (a lamp remembers it); ON alone says nothing of the level."""
    state, brightness = body.get("state"), body.get("brightness")
    if state is not None and state not in ("ON", "OFF"):
        complaints.append(f"state is {shown(state)}, not ON or OFF")
        return None
    if state == "OFF":
        return 0.0
    if brightness is None:
        return None
    number = finite_number(brightness) if not isinstance(brightness, bool) else None
    if number is None or not 0 <= number <= profile.brightness_scale:
        complaints.append(f"brightness is {shown(brightness)}, not 0..{profile.brightness_scale}")
        return None
    return level_of(profile, number)


def _epoch_ms(value: Any) -> int | None:
    """Read `last_seen`: Zigbee2MQTT writes ISO 8601 or Unix milliseconds by its own setting."""
    number = finite_number(value)
    if number is not None:
        return int(number)
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
    return None
