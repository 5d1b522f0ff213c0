"""What is allowed in a meter's profile but worth a second look before it is merged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lentera_drivers.profiles import MeterProfile, Register, RegisterType, list_profiles

_LARGE_WH = 1e8
"""100 MWh: what a cabinet of fifty lamps counts in some years."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A key of the catalogue of words and what fills it."""

    key: str
    values: dict[str, object] = field(default_factory=dict[str, object])


def hints_for(profile: MeterProfile, path: Path | None = None) -> list[Hint]:
    """Return the hints for a profile; `path` is the file it came from, None for one that comes with Lentera."""
    return [*_names(profile, path), *_recognition(profile), *_line(profile), *_counters(profile)]


def _names(profile: MeterProfile, path: Path | None) -> Iterator[Hint]:
    if path is None:
        return
    if path.stem != profile.id:
        yield Hint("profile.hint.name", {"id": profile.id, "file": path.name})
    if profile.id in list_profiles() and not _comes_along(path):
        yield Hint("profile.hint.taken", {"id": profile.id})


def _comes_along(path: Path) -> bool:
    import lentera_drivers.profiles

    return path.resolve().parent == Path(lentera_drivers.profiles.__file__).parent


def _recognition(profile: MeterProfile) -> Iterator[Hint]:
    known = {register.quantity for register in profile.registers}
    if not known & {"voltage_l1", "voltage_ln_avg"} or "frequency" not in known:
        yield Hint("profile.hint.recognition")


def _line(profile: MeterProfile) -> Iterator[Hint]:
    if "rtu" in profile.transport and (profile.serial is None or profile.serial.baud is None):
        yield Hint("profile.hint.serial")


def _counters(profile: MeterProfile) -> Iterator[Hint]:
    coarse = [one for one in profile.registers if one.is_counter and one.type is RegisterType.FLOAT32]
    if coarse:
        yield Hint(
            "profile.hint.float_counter", {"count": len(coarse), "step": f"{_step_at(coarse[0], _LARGE_WH):.2g}"}
        )


def _step_at(register: Register, value: float) -> float:
    """Return the distance of two neighbouring float32 values, in the quantity's unit: 24 significant bits."""
    _, exponent = math.frexp(value / register.scale)
    return math.ldexp(1.0, exponent - 24) * abs(register.scale)
