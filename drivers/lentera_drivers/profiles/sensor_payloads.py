"""Messages of meters and sensors on MQTT, as pure functions: bytes in, values out."""

from __future__ import annotations

from typing import Any

from lentera_drivers.profiles.mapping import ABSENT, decode_json, resolve, shown
from lentera_drivers.profiles.payloads import LampMessage, LampPayloadError
from lentera_drivers.profiles.sensor import SensorProfile, availability_word


def decode_sensor(profile: SensorProfile, message: str, payload: bytes) -> LampMessage:
    """Read one message of a device.

    Args:
        profile: of the device.
        message: name of the message, by its topic.
        payload: as received.

    Raises:
        LampPayloadError: larger than 16 KiB, no JSON where JSON is due, or without the message's root.
    """
    kind = profile.messages[message]
    document = _document(payload) if kind.format == "json" else _text(payload)
    document = resolve(document, kind.root)
    if document is ABSENT:
        raise LampPayloadError(f"has nothing at {kind.root!r}: {shown(payload)}")
    if kind.format == "json" and not isinstance(document, dict | list) and not _is_bare(profile, message):
        raise LampPayloadError(f"JSON, but no object: {shown(payload)}")
    values: dict[str, float] = {}
    complaints: list[str] = []
    for field in profile.fields_of(message):
        value = field.read(document, complaints)
        if value is not None:
            values[field.quantity] = value
    time = kind.time or profile.time
    at_ms, local_ms = (None, None) if time is None else time.read(document)
    return LampMessage(values, at_ms, tuple(complaints), local_ms)


def decode_sensor_availability(profile: SensorProfile, payload: bytes) -> bool:
    """Read an availability message.

    Raises:
        LampPayloadError: it says neither online nor offline.
    """
    rules = profile.availability
    if rules is None:
        raise LampPayloadError(f"profile {profile.id} has no availability topic")
    text = payload[:256].decode("utf-8", "replace").strip()
    document = _document(payload) if rules.pointer is not None and text.startswith("{") else None
    word = availability_word(rules.pointer, document, text)
    if word not in (rules.online, rules.offline):
        raise LampPayloadError(f"availability is {shown(word)}; expected {rules.online} or {rules.offline}")
    return word == rules.online


def _is_bare(profile: SensorProfile, message: str) -> bool:
    return any(field.pointer == "" for field in profile.fields_of(message))


def _document(payload: bytes) -> Any:
    try:
        return decode_json(payload)
    except ValueError as error:
        raise LampPayloadError(str(error)) from error


def _text(payload: bytes) -> str:
    if len(payload) > 256:
        raise LampPayloadError(f"message of {len(payload)} bytes where a word or number is due")
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise LampPayloadError(f"no text: {shown(payload)}") from error
