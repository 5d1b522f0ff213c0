"""From a scan to a gateway's configuration: what can be together on one line, and what must be re-set first. Pure.

One line has one baud rate and one parity, so the configuration is made for the settings that most of the identified
meters share. Nothing that was not identified goes into it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile
from lentera_gateway.commissioning.found import FoundUnit
from lentera_gateway.commissioning.recognise import Outcome

EVERY_S: Final = (10, 15, 20, 30, 60, 120, 300, 600)
"""Intervals that are tried until the line can keep them."""


@dataclass(frozen=True, slots=True)
class NewBus:
    """Where the units are: a serial port, or a host with its TCP port and transport."""

    port: str = ""
    host: str = ""
    tcp_port: int = 502
    transport: str = "rtu"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A unit that is not in the configuration; `why` is `other_settings` or its outcome."""

    unit: FoundUnit
    why: str


@dataclass(frozen=True, slots=True)
class NewConfig:
    """What a scan can be made into.

    Attributes:
        settings: of the line; None on a host.
        included: units in the configuration.
        left_out: all others, with the reason.
        profiles: file name -> text of the profiles that differ from ours (words swapped, addresses moved).
    """

    settings: LineSettings | None
    included: tuple[FoundUnit, ...]
    left_out: tuple[LeftOut, ...]
    profiles: Mapping[str, str]


def plan_config(units: Sequence[FoundUnit]) -> NewConfig:
    """Choose the settings that most identified meters share, and say who is left out."""
    known = [unit for unit in units if unit.outcome is Outcome.IDENTIFIED and unit.best is not None]
    votes = Counter(unit.settings for unit in known)
    best = max(votes, key=lambda one: (votes[one], one.baud if one is not None else 0), default=None)
    included = [unit for unit in known if unit.settings == best]
    left_out = [
        LeftOut(unit, "other_settings" if unit in known else str(unit.outcome))
        for unit in units
        if unit not in included
    ]
    profiles = {file: text for unit in included if (made := _own_profile(unit)) is not None for file, text in [made]}
    return NewConfig(best, tuple(included), tuple(left_out), profiles)


def config_text(plan: NewConfig, bus: NewBus, gateway: str, cloud_url: str, every_s: int) -> str:
    """Return the configuration as YAML, a device a line."""
    lines = [
        "# Made by `lentera gateway scan`. Fill in the gateway's id, its cloud and the meters' names, then check it",
        "# with `lentera gateway check FILE`.",
        "version: 1",
        f"gateway: {{id: {_quoted(gateway)}}}",
        f"cloud: {{url: {_quoted(cloud_url)}, key_file: key.pem, mode: economy}}",
        "journal: {memory_dir: /dev/shm/lentera, card_dir: /var/lib/lentera/journal}",
        "buses:",
        f"  - {_bus_line(plan, bus)}",
        "devices:",
    ]
    lines += [f"  - {_device_line(unit, every_s)}" for unit in plan.included]
    return "\n".join(lines) + "\n"


def _bus_line(plan: NewConfig, bus: NewBus) -> str:
    if plan.settings is None:
        return (
            f"{{id: lan-0, driver: modbus, transport: {bus.transport}, host: {_quoted(bus.host)}, "
            f"tcp_port: {bus.tcp_port}}}"
        )
    settings = plan.settings
    return (
        f"{{id: rs485-0, driver: modbus, transport: rtu, port: {_quoted(bus.port)}, baud: {settings.baud}, "
        f"parity: {settings.parity}, stop_bits: {settings.stop_bits}}}"
    )


def _device_line(unit: FoundUnit, every_s: int) -> str:
    own = _own_profile(unit)
    profile = own[0] if own is not None else unit.best.profile if unit.best is not None else ""
    model = "" if unit.profile is None else f"{unit.profile.manufacturer} {unit.profile.model}"
    name = f"{model[:80]} {unit.serial_number[:30]}".strip()
    bus = "lan-0" if unit.settings is None else "rs485-0"
    return (
        f"{{id: meter-{unit.unit:03d}, name: {_quoted(name)}, profile: {profile}, bus: {bus}, unit: {unit.unit}, "
        f"every_s: {every_s}}}"
    )


def _own_profile(unit: FoundUnit) -> tuple[str, str] | None:
    """Return file name and text of the profile of a unit whose words or addresses differ from what ours says."""
    best, profile = unit.best, unit.profile
    if best is None or profile is None or not (best.swapped or best.shift):
        return None
    parts = [best.profile]
    parts += ["swapped"] if best.swapped else []
    parts += [f"plus{best.shift}" if best.shift > 0 else f"minus{-best.shift}"] if best.shift else []
    name = "_".join(parts)
    return f"{name}.yaml", profile_text(profile, name, best.profile)


def profile_text(profile: MeterProfile, name: str, base: str) -> str:
    """Return an altered profile as a file."""
    plain: dict[str, Any] = profile.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    plain["id"] = name
    note = f"Made from {base} by a scan: the meter's words or addresses differ from what is written there."
    plain["notes"] = [*plain.get("notes", []), note]
    plain["kind"] = "meter"
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
