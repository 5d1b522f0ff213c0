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
_TALKING_BURSTS: Final = 2
_CLASH_SHARE: Final = 0.5
_CLASH_TIMES: Final = 2
_NOISY_SHARE: Final = 0.05
_REFLECTING_BAUD: Final = 19200
"""From this baud rate on a missing terminator is likelier than interference to flip bits."""


class Cause(StrEnum):
    """What may be wrong."""

    ADAPTER_MISSING = "adapter_missing"
    NO_PERMISSION = "no_permission"
    PORT_IN_USE = "port_in_use"
    PORT_BROKEN = "port_broken"
    SWAPPED = "swapped"
    """A and B are swapped."""
    NO_BIAS = "no_bias"
    """Stray characters beside good frames: the idle line floats."""
    NO_TERMINATION = "no_termination"
    """Broken or lost frames, more of them the higher the baud rate: reflections at an end without a resistor."""
    INTERFERENCE = "interference"
    """Broken or lost frames at any baud rate: noise from outside, or a bad joint."""
    WRONG_SETTINGS = "wrong_settings"
    """Meters answer at another baud rate or parity."""
    PARITY_OR_BAUD = "parity_or_baud"
    """Answers come, and none of them can be read."""
    TWO_ON_ONE_ID = "two_on_one_id"
    UNIT_ELSEWHERE = "unit_elsewhere"
    """Some units have another baud rate or parity than the line."""
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
    """What questions to one unit id brought.

    Attributes:
        clean: answers that could be read, with stray characters beside them or not.
        garbled: bytes without an answer that could be read.
        breaks: of those, nothing but 0x00.
        stray: answers with a few characters before or after them.
        second_answers: another good frame of the same id after the answer.
    """

    asked: int = 0
    clean: int = 0
    garbled: int = 0
    breaks: int = 0
    silent: int = 0
    stray: int = 0
    second_answers: int = 0

    @property
    def damaged(self) -> int:
        """Questions or answers that were broken or lost on the way, if somebody lives here at all."""
        return self.garbled + self.silent if self.clean else 0


@dataclass(frozen=True, slots=True)
class Symptoms:
    """What was seen on a port.

    Attributes:
        port: whether it opened.
        port_words: who has it, or what the system says, when it did not.
        settings: at which the units were asked.
        idle_bytes: heard in one second without a question.
        idle_zeros: share of those that were 0x00 (a break: the line is held at the wrong level).
        idle_frames: good frames among those: somebody else is asking.
        idle_bursts: how often several bytes came together, with silence between: somebody talks.
        echo: whether our own bytes came back.
        units: what each unit id answered.
        elsewhere: settings at which units answered that are silent at `settings`.
        elsewhere_units: those units.
        latency_timer_ms: the adapter's, where the system tells.
    """

    port: PortState = PortState.OPEN
    port_words: str = ""
    settings: LineSettings | None = None
    idle_bytes: int = 0
    idle_zeros: float = 0.0
    idle_frames: int = 0
    idle_bursts: int = 0
    echo: bool = False
    units: Mapping[int, UnitSymptoms] = field(default_factory=dict[int, UnitSymptoms])
    elsewhere: tuple[LineSettings, ...] = ()
    elsewhere_units: tuple[int, ...] = ()
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
    others = any(one.cause is Cause.OTHER_MASTER for one in found)
    found += _somebody(symptoms, others) if answered else _nobody(symptoms, found)
    if symptoms.latency_timer_ms is not None and symptoms.latency_timer_ms > SLOW_TIMER_MS:
        found.append(Finding(Cause.SLOW_ADAPTER, True, detail=f"{symptoms.latency_timer_ms} ms"))
    return tuple(found) or (Finding(Cause.HEALTHY, True),)


def _idle(symptoms: Symptoms) -> Iterator[Finding]:
    """Bytes that come without a question."""
    if symptoms.idle_frames:
        yield Finding(Cause.OTHER_MASTER, True, detail=f"{symptoms.idle_frames}")
    elif symptoms.idle_bytes >= MANY_IDLE_BYTES and symptoms.idle_zeros > 0.9:
        yield Finding(Cause.SWAPPED, False, detail=f"{symptoms.idle_bytes}")
    elif symptoms.idle_bursts >= _TALKING_BURSTS:
        yield Finding(Cause.OTHER_MASTER, False, detail=f"{symptoms.idle_bursts}")
    elif symptoms.idle_bytes >= MANY_IDLE_BYTES:
        yield Finding(Cause.NO_BIAS, False, detail=f"{symptoms.idle_bytes}")


def _nobody(symptoms: Symptoms, found: list[Finding]) -> Iterator[Finding]:
    """No unit gave an answer that can be read."""
    causes = {one.cause for one in found}
    garbled = sum(unit.garbled for unit in symptoms.units.values())
    breaks = sum(unit.breaks for unit in symptoms.units.values())
    clashing = _clashing(symptoms)
    if symptoms.elsewhere:
        yield Finding(Cause.WRONG_SETTINGS, True, settings=symptoms.elsewhere)
    elif Cause.OTHER_MASTER in causes or symptoms.echo:
        # What came after our questions is the other's talk, or our own.
        yield from [Finding(Cause.ECHO_ONLY, False)] if symptoms.echo else []
        yield Finding(Cause.NOTHING_POWERED, False)
    elif garbled and 2 * breaks > garbled:
        yield from [Finding(Cause.SWAPPED, False)] if Cause.SWAPPED not in causes else []
    elif garbled and len(clashing) == 1 and len(symptoms.units) > 1:
        yield Finding(Cause.TWO_ON_ONE_ID, False, units=clashing)
    elif garbled:
        yield Finding(Cause.PARITY_OR_BAUD, False, detail=f"{garbled}")
        yield from [Finding(Cause.SWAPPED, False)] if Cause.SWAPPED not in causes else []
    elif not found:
        yield Finding(Cause.NOTHING_POWERED, False)
        yield Finding(Cause.SWAPPED, False)


def _somebody(symptoms: Symptoms, others: bool) -> Iterator[Finding]:
    """Some units answer well: what is wrong with the rest, and with the line."""
    clashing = () if others else _clashing(symptoms)
    if clashing:
        yield Finding(Cause.TWO_ON_ONE_ID, True, units=clashing)
    rest = {unit: one for unit, one in symptoms.units.items() if unit not in clashing}
    there = [one for one in rest.values() if one.clean]
    asked = sum(one.asked for one in there)
    damaged = sum(one.damaged for one in there)
    if not others:  # who else talks breaks frames too
        yield from _line(symptoms, asked, damaged, sum(one.stray for one in there))
    if symptoms.elsewhere_units:
        yield Finding(Cause.UNIT_ELSEWHERE, True, symptoms.elsewhere_units, symptoms.elsewhere)
    silent = [unit for unit, one in rest.items() if not one.clean and unit not in symptoms.elsewhere_units]
    if silent:
        yield Finding(Cause.UNIT_SILENT, damaged <= _NOISY_SHARE * asked, units=tuple(sorted(silent)))


def _line(symptoms: Symptoms, asked: int, damaged: int, stray: int) -> Iterator[Finding]:
    """Say what the copper does to frames of units that answer: characters beside them, or bits flipped in them."""
    causes: list[Finding] = []
    if stray > _NOISY_SHARE * asked:
        causes.append(Finding(Cause.NO_BIAS, False, detail=f"{stray}/{asked}"))
    if damaged > _NOISY_SHARE * asked:
        baud = symptoms.settings.baud if symptoms.settings is not None else 0
        flips = [Cause.NO_TERMINATION, Cause.INTERFERENCE]
        ordered = flips if baud >= _REFLECTING_BAUD else flips[::-1]
        findings = [Finding(cause, False, detail=f"{damaged}/{asked}") for cause in ordered]
        causes = [*causes, *findings] if stray > damaged else [*findings, *causes]
    yield from causes


def _clashing(symptoms: Symptoms) -> tuple[int, ...]:
    """Return ids that answer twice, or that are garbled most of the time while the line is clean for others."""
    found: list[int] = []
    for unit, one in symptoms.units.items():
        others = [other for number, other in symptoms.units.items() if number != unit and other.clean]
        broken = sum(other.garbled for other in others)
        clean_line = bool(others) and broken <= _NOISY_SHARE * sum(other.asked for other in others)
        mostly = one.garbled >= max(_CLASH_TIMES, _CLASH_SHARE * one.asked)
        only_one = not others and not any(other.garbled for other in symptoms.units.values() if other is not one)
        if one.second_answers or (mostly and (clean_line or only_one)):
            found.append(unit)
    return tuple(sorted(found))
