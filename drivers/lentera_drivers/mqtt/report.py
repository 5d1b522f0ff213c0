"""What the MQTT driver tells of its devices, as plain data: outcomes for `why`, what was set aside, status.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from lentera_drivers.interface import Outcome, OutcomeKind
from lentera_drivers.mqtt.counters import DriverCounters
from lentera_drivers.mqtt.device import FieldDevice
from lentera_drivers.mqtt.malformed import Malformed
from lentera_drivers.mqtt.session import SessionCounters


def silence(device: FieldDevice, now_ms: int) -> str:
    """Return the reason why a device counts as gone."""
    heard_ms = now_ms if device.heard_ms is None else device.heard_ms
    limit_s = device.silent_after_ms / 1000
    return f"silent for {(now_ms - heard_ms) / 1000:.0f} s, longer than its limit of {limit_s:g} s"


def outcomes(device: FieldDevice, now_ms: int, *, link_up: bool) -> dict[str, Outcome]:
    """Return what is known of each quantity that the device has given or may give; nothing before it was heard."""
    if device.heard_ms is None:
        return {}
    kind, detail = OutcomeKind.OK, ""
    if not link_up:
        kind, detail = OutcomeKind.BUS_DOWN, "the broker is not connected"
    elif device.available is False:
        kind, detail = OutcomeKind.DEAD, "its availability topic says offline"
    elif device.allowance.muted_until_ms is not None:
        kind, detail = OutcomeKind.LATE, "it floods the broker and is not listened to for a while"
    elif device.is_silent(now_ms):
        kind, detail = OutcomeKind.DEAD, silence(device, now_ms)
    found: dict[str, Outcome] = {}
    for quantity in device.quantities:
        ok_ms = device.ok_ms.get(quantity)
        if kind is not OutcomeKind.OK:
            found[quantity] = Outcome(kind, now_ms, ok_ms, detail=detail)
        elif ok_ms is None:
            text = "its messages carry no such value"
            found[quantity] = Outcome(OutcomeKind.NO_VALUE, device.heard_ms, None, detail=text)
        elif now_ms - ok_ms > device.silent_after_ms:
            text = f"its messages have carried no such value for {(now_ms - ok_ms) / 1000:.0f} s"
            found[quantity] = Outcome(OutcomeKind.NO_VALUE, device.heard_ms, ok_ms, detail=text)
        else:
            found[quantity] = Outcome(OutcomeKind.OK, ok_ms, ok_ms)
        doubt = device.quality.doubts.get(quantity)
        if doubt is not None and ok_ms is not None:
            found[quantity] = replace(found[quantity], quality=doubt[0], doubt=doubt[1])
    return found


def set_aside(devices: Mapping[str, FieldDevice], stray: Malformed) -> dict[str, Any]:
    """Return the messages of no use, device by device; under the empty name those on topics that nobody asked for."""
    rings = {name: device.malformed for name, device in devices.items()} | {"": stray}
    return {
        name: {"count": ring.count, "recent": [entry.as_dict() for entry in ring.recent]}
        for name, ring in rings.items()
        if ring.count
    }


def status(
    counters: DriverCounters, session: SessionCounters, devices: Mapping[str, FieldDevice], stray: Malformed
) -> dict[str, Any]:
    """Return the bus's counters, and each device that published rubbish or too much."""
    unwell: dict[str, dict[str, Any]] = {}
    for name, device in devices.items():
        allowance = device.allowance
        told: dict[str, Any] = {}
        if device.malformed.count:
            told |= {"malformed": device.malformed.count, "last": device.malformed.recent[-1].reason}
        if allowance.dropped:
            told |= {"dropped": allowance.dropped, "mutes": allowance.mutes}
            told["muted"] = allowance.muted_until_ms is not None
        if told:
            unwell[name] = told
    return {**asdict(counters), **asdict(session), "stray": stray.count, "devices": unwell}
