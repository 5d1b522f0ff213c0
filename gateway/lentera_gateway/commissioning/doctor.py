"""Looking at a port and a line for symptoms: what `diagnosis` judges. Disturbs nothing: it only reads registers."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from lentera_drivers.modbus.raw_answer import AnswerKind, RawAnswer, Sign
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.rtu_frames import frames_in
from lentera_drivers.modbus.serial_port import PortInUseError
from lentera_drivers.modbus.transport import LineSettings, OpenSerial
from lentera_gateway.commissioning.diagnosis import PortState, Symptoms, UnitSymptoms
from lentera_gateway.commissioning.dialogue import SHORTEST_FRAME, stray_bytes

LISTEN_S: Final = 1.0
_SLICE_S: Final = 0.02
_BURST_BYTES: Final = 4
PATIENCE_S: Final = 0.4
_LINGER_S: Final = 0.2
_TIMES: Final = 6
_ELSEWHERE_UNITS: Final = 8
_ELSEWHERE_PATIENCE_S: Final = 0.15
_STATES: Final = {
    errno.ENOENT: PortState.MISSING,
    errno.ENODEV: PortState.MISSING,
    errno.ENXIO: PortState.MISSING,
    errno.EACCES: PortState.DENIED,
    errno.EPERM: PortState.DENIED,
    errno.EBUSY: PortState.IN_USE,
    errno.EAGAIN: PortState.IN_USE,
}


async def examine(
    connect: OpenSerial,
    settings: LineSettings,
    units: Sequence[int],
    others: Sequence[LineSettings],
    *,
    latency_timer_ms: int | None = None,
    latency_s: float = 0.0,
    on_step: Callable[[str, int], None] = lambda _step, _unit: None,
) -> Symptoms:
    """Open the port, listen, ask each unit a few times, and where nobody answers try other settings.

    Args:
        connect: opens the port.
        settings: that the meters should have.
        units: ids that should be there.
        others: settings to try where nobody answers.
        latency_timer_ms: of the adapter, where it is known.
        latency_s: see `RawPort`.
        on_step: told what is being done: `listen`, `ask`, `elsewhere`.
    """
    port = RawPort("rtu", latency_s)
    try:
        await port.open_serial(connect, settings)
    except OSError as error:
        state = _STATES.get(error.errno or 0, PortState.BROKEN)
        return Symptoms(port=state, port_words=_own_words(error))
    try:
        found = await _look(port, settings, units, others, on_step)
        return replace(found, latency_timer_ms=latency_timer_ms)
    except OSError as error:
        return Symptoms(port=PortState.MISSING, port_words=str(error))
    finally:
        port.close()


def _own_words(error: OSError) -> str:
    """Return what a sentence of the reader's language can take in: who has the port, or the system's own few words."""
    if _STATES.get(error.errno or 0) is PortState.IN_USE:
        return error.holder if isinstance(error, PortInUseError) else ""
    return os.strerror(error.errno) if error.errno else str(error)


async def _look(
    port: RawPort,
    settings: LineSettings,
    units: Sequence[int],
    others: Sequence[LineSettings],
    on_step: Callable[[str, int], None],
) -> Symptoms:
    on_step("listen", 0)
    slices = [await port.listen(_SLICE_S) for _ in range(round(LISTEN_S / _SLICE_S))]
    idle = b"".join(slices)
    told: dict[int, UnitSymptoms] = {}
    for unit in units:
        on_step("ask", unit)
        told[unit] = await _unit(port, unit)
    if any(one.damaged for one in told.values()):
        for unit in [unit for unit, one in told.items() if not one.clean]:
            told[unit] = await _unit(port, unit, told[unit])  # on a bad line three silences say nothing
    silent = [unit for unit, one in told.items() if not one.clean and one.garbled in (0, one.breaks)]
    elsewhere: dict[LineSettings, tuple[int, ...]] = {}
    if silent and (len(silent) == len(told) or len(silent) <= _ELSEWHERE_UNITS):
        on_step("elsewhere", 0)
        elsewhere = await _elsewhere(port, silent[:_ELSEWHERE_UNITS], [one for one in others if one != settings])
    return Symptoms(
        settings=settings,
        idle_bytes=len(idle),
        idle_zeros=idle.count(0) / len(idle) if idle else 0.0,
        idle_frames=len(frames_in(idle)),
        idle_bursts=bursts(slices),
        echo=port.echoes,
        units=told,
        elsewhere=tuple(elsewhere),
        elsewhere_units=tuple(sorted({unit for found in elsewhere.values() for unit in found})),
    )


def bursts(slices: Sequence[bytes]) -> int:
    """Return how often at least four bytes came together, between slices of silence; 0 on a line that never rests."""
    if all(slices):
        return 0
    runs = "".join("x" if one else " " for one in slices)
    sizes: list[int] = []
    at = 0
    for run in runs.split(" "):
        sizes.append(sum(map(len, slices[at : at + len(run)])))
        at += len(run) + 1
    return sum(size >= _BURST_BYTES for size in sizes)


async def _unit(port: RawPort, unit: int, found: UnitSymptoms | None = None) -> UnitSymptoms:
    found = found or UnitSymptoms()
    silent_before = found.silent
    for number in range(_TIMES):
        answer = await port.read(unit, 4, 0, 2, patience_s=PATIENCE_S, linger_s=_LINGER_S if number < 2 else 0.0)
        found = note(found, answer)
        if number == 2 and found.silent == found.asked and not silent_before:
            break  # three times nothing: it will not come
    return found


def note(found: UnitSymptoms, answer: RawAnswer) -> UnitSymptoms:
    """Return the symptoms with one more answer counted."""
    stray = stray_bytes(answer)
    return replace(
        found,
        asked=found.asked + 1,
        clean=found.clean + (answer.answered and Sign.SECOND_ANSWER not in answer.signs),
        garbled=found.garbled + (answer.kind is AnswerKind.NOISE),
        breaks=found.breaks + (Sign.ALL_ZERO in answer.signs),
        silent=found.silent + (answer.kind is AnswerKind.SILENCE),
        stray=found.stray + (0 < stray < SHORTEST_FRAME),
        second_answers=found.second_answers + (Sign.SECOND_ANSWER in answer.signs),
    )


async def _elsewhere(
    port: RawPort, units: Sequence[int], others: Sequence[LineSettings]
) -> dict[LineSettings, tuple[int, ...]]:
    """Return the settings at which silent units answer, and which of them do."""
    found: dict[LineSettings, tuple[int, ...]] = {}
    left = list(units)
    for settings in others:
        port.use(settings)
        answering: list[int] = []
        for unit in left:
            answer = await port.read(unit, 4, 0, 2, patience_s=_ELSEWHERE_PATIENCE_S)
            if answer.answered:
                answering.append(unit)
        if answering:
            found[settings] = tuple(answering)
            left = [unit for unit in left if unit not in answering]
    return found
