"""Messages of meters and sensors on MQTT, as pure functions: bytes in, values out; and back, for a dry run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lentera_drivers.profiles.mapping import ABSENT, MappedField, decode_json, parse_pointer, resolve, shown
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


def encode_sensor(profile: SensorProfile, message: str, values: Mapping[str, float], at_ms: int | None = None) -> bytes:
    """Build a message as a device of this profile sends it (a dry run's side), with what `values` has for it.

    Args:
        profile: of the device.
        message: name of the message.
        values: quantity -> value in SI units; what the message does not carry is left out.
        at_ms: Unix time of the values, where the profile says that messages carry one.
    """
    kind = profile.messages[message]
    document: Any = None
    for field in profile.fields_of(message):
        if field.quantity in values:
            steps = parse_pointer(kind.root) + parse_pointer(field.pointer)
            document = _placed(document, steps, field, _said(field, values[field.quantity]))
    time = kind.time or profile.time
    if time is not None and at_ms is not None:
        document = _put(document, parse_pointer(kind.root) + parse_pointer(time.pointer), time.write(at_ms))
    if kind.format == "text":
        return str(document).encode()
    return json.dumps({} if document is None else document, separators=(",", ":")).encode()


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


def _said(field: MappedField, value: float) -> str | float:
    number = value / field.scale
    number = round(number, 6) if abs(number) < 1e9 else number
    word = next((word for word, meant in field.words.items() if meant == number), None)
    return word if word is not None else number


def _placed(document: Any, steps: tuple[str, ...], field: MappedField, said: str | float) -> Any:
    """Put a value at its place, or at its place in the list there."""
    if field.index is None:
        return _put(document, steps, said)
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    there = resolve(document, pointer)
    entries: list[Any] = list(there) if isinstance(there, list) else []
    entries += [None] * (field.index + 1 - len(entries))
    entries[field.index] = said
    return _put(document, steps, entries)


def _put(document: Any, steps: tuple[str, ...], said: Any) -> Any:
    """Return the document with something at the end of some steps; a step that is a number makes a list."""
    if not steps:
        return said
    step, rest = steps[0], steps[1:]
    if isinstance(document, list) or (document is None and step.isdecimal()):
        entries: list[Any] = list(document or [])
        entries += [None] * (int(step) + 1 - len(entries))
        entries[int(step)] = _put(entries[int(step)], rest, said)
        return entries
    body: dict[str, Any] = document if isinstance(document, dict) else {}
    return {**body, step: _put(body.get(step), rest, said)}
