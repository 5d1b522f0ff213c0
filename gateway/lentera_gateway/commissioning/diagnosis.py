"""From symptoms on the wire to the likely cause and the next thing to do. Pure: counts in, causes out.

What bytes can show is less than what can be wrong: where several causes look the same on the wire they are named in
the order in which they are found in cabinets, with the test that tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lentera_drivers.modbus.transport import LineSettings

MANY_IDLE_BYTES: Final = 5
SLOW_TIMER_MS: Final = 4
_CLASH_SHARE: Final = 0.5
_NOISY_SHARE: Final = 0.05
_NEVER: Final = 3


class Cause(StrEnum):
    """What may be wrong."""

    ADAPTER_MISSING = "adapter_missing"
    NO_PERMISSION = "no_permission"
    PORT_IN_USE = "port_in_use"
    PORT_BROKEN = "port_broken"
    SWAPPED = "swapped"
    """A and B are swapped."""
    NO_BIAS = "no_bias"
    """No bias or no terminator."""
    WRONG_SETTINGS = "wrong_settings"
    """Meters answer at another baud rate or parity."""
    PARITY_OR_BAUD = "parity_or_baud"
    """Answers come, and none of them can be read."""
    TWO_ON_ONE_ID = "two_on_one_id"
    OTHER_MASTER = "other_master"
    NOTHING_POWERED = "nothing_powered"
    UNIT_SILENT = "unit_silent"
    ECHO_ONLY = "echo_only"
    """The adapter gives back what is sent, and nothing else: its direction control or its wires."""
    SLOW_ADAPTER = "slow_adapter"
    HEALTHY = "healthy"


class PortState(StrEnum):
    """Whether the port could be opened."""

    OPEN = "open"
    MISSING = "missing"
    DENIED = "denied"
    IN_USE = "in_use"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class UnitSymptoms:
    """What questions to one unit id brought; `clean` counts answers that could be read, with garbage before or not."""

    asked: int = 0
    clean: int = 0
    garbled: int = 0
    silent: int = 0
    leading_garbage: int = 0
    second_answers: int = 0
    other_unit: int = 0


@dataclass(frozen=True, slots=True)
class Symptoms:
    """What was seen on a port.

    Attributes:
        port: whether it opened.
        port_words: what the system says when it did not.
        settings: at which the units were asked.
        idle_bytes: heard in one second without a question.
        idle_zeros: share of those that were 0x00 (a break: the line is held at the wrong level).
        idle_frames: good frames among those: somebody else is asking.
        echo: whether our own bytes came back.
        units: what each unit id answered.
        elsewhere: settings at which somebody answered, when nobody did at `settings`.
        latency_timer_ms: the adapter's, where the system tells.
    """

    port: PortState = PortState.OPEN
    port_words: str = ""
    settings: LineSettings | None = None
    idle_bytes: int = 0
    idle_zeros: float = 0.0
    idle_frames: int = 0
    echo: bool = False
    units: Mapping[int, UnitSymptoms] = field(default_factory=dict[int, UnitSymptoms])
    elsewhere: tuple[LineSettings, ...] = ()
    latency_timer_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A likely cause: the first of a diagnosis is the likeliest.

    Attributes:
        cause: what it is.
        sure: the symptom has no other cause; otherwise it is the likeliest of several.
        units: whom it is about; empty for the line.
        settings: that it is about: those at which somebody answers.
        detail: the system's own words, or a figure.
    """

    cause: Cause
    sure: bool
    units: tuple[int, ...] = ()
    settings: tuple[LineSettings, ...] = ()
    detail: str = ""


_PORT_CAUSES: Final = {
    PortState.MISSING: Cause.ADAPTER_MISSING,
    PortState.DENIED: Cause.NO_PERMISSION,
    PortState.IN_USE: Cause.PORT_IN_USE,
    PortState.BROKEN: Cause.PORT_BROKEN,
}


def diagnose(symptoms: Symptoms) -> tuple[Finding, ...]:
    """Return likely causes, the likeliest first; `HEALTHY` alone when nothing is wrong."""
    if symptoms.port is not PortState.OPEN:
        return (Finding(_PORT_CAUSES[symptoms.port], True, detail=symptoms.port_words),)
    found = list(_idle(symptoms))
    answered = any(unit.clean for unit in symptoms.units.values())
    found += _nobody(symptoms, found) if not answered else _somebody(symptoms)
    if symptoms.latency_timer_ms is not None and symptoms.latency_timer_ms > SLOW_TIMER_MS:
        found.append(Finding(Cause.SLOW_ADAPTER, True, detail=f"{symptoms.latency_timer_ms} ms"))
    return tuple(found) or (Finding(Cause.HEALTHY, True),)


def _idle(symptoms: Symptoms) -> Iterator[Finding]:
    """Bytes that come without a question."""
    if symptoms.idle_frames:
        yield Finding(Cause.OTHER_MASTER, True, detail=f"{symptoms.idle_frames}")
    elif symptoms.idle_bytes >= MANY_IDLE_BYTES:
        cause = Cause.SWAPPED if symptoms.idle_zeros > 0.9 else Cause.NO_BIAS
        yield Finding(cause, False, detail=f"{symptoms.idle_bytes}")


def _nobody(symptoms: Symptoms, found: list[Finding]) -> Iterator[Finding]:
    """No unit gave an answer that can be read."""
    garbled = sum(unit.garbled for unit in symptoms.units.values())
    clashing = _clashing(symptoms)
    if symptoms.elsewhere:
        yield Finding(Cause.WRONG_SETTINGS, True, settings=symptoms.elsewhere)
    elif garbled and len(clashing) == 1 and len(symptoms.units) > 1:
        yield Finding(Cause.TWO_ON_ONE_ID, False, units=clashing)
    elif garbled:
        yield Finding(Cause.PARITY_OR_BAUD, False, detail=f"{garbled}")
        if not any(one.cause is Cause.SWAPPED for one in found):
            yield Finding(Cause.SWAPPED, False)
    elif symptoms.echo:
        yield Finding(Cause.ECHO_ONLY, False)
        yield Finding(Cause.NOTHING_POWERED, False)
    elif not found:
        yield Finding(Cause.NOTHING_POWERED, False)
        yield Finding(Cause.SWAPPED, False)


def _somebody(symptoms: Symptoms) -> Iterator[Finding]:
    """Some units answer well: what is wrong with the others, and with the line."""
    clashing = _clashing(symptoms)
    if clashing:
        yield Finding(Cause.TWO_ON_ONE_ID, len(clashing) < max(2, len(symptoms.units) // 2), units=clashing)
    rest = {unit: one for unit, one in symptoms.units.items() if unit not in clashing}
    asked = sum(one.asked for one in rest.values())
    noisy = sum(one.garbled + one.leading_garbage for one in rest.values())
    if asked and noisy / asked > _NOISY_SHARE:
        yield Finding(Cause.NO_BIAS, False, detail=f"{noisy}/{asked}")
    silent = tuple(sorted(unit for unit, one in rest.items() if not one.clean and not one.garbled and one.silent))
    if silent:
        yield Finding(Cause.UNIT_SILENT, True, units=silent, settings=symptoms.elsewhere)


def _clashing(symptoms: Symptoms) -> tuple[int, ...]:
    """Return ids that answer twice, or that are garbled most of the time while the line is clean for others."""
    found = [
        unit
        for unit, one in symptoms.units.items()
        if one.second_answers or (one.garbled >= _NEVER - 1 and one.garbled >= _CLASH_SHARE * one.asked)
    ]
    everybody = len(found) > 2 and len(found) > len(symptoms.units) / 2
    return () if everybody else tuple(sorted(found))
