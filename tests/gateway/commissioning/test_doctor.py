"""From symptoms to causes: a table, and the same causes on a line in simulated time."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from lentera_drivers.modbus.rtu_frames import frames_in
from lentera_drivers.modbus.transport import LineSettings, OnBytes, OnLost
from lentera_gateway.commissioning.diagnosis import Cause, PortState, Symptoms, UnitSymptoms, diagnose
from lentera_gateway.commissioning.doctor import examine
from lentera_sim.virtual_time import run_in_virtual_time
from tests.gateway.commissioning import scenes
from tests.gateway.commissioning.small_line import Meter, SmallLine

SETTINGS = LineSettings(9600, "N", 1)
OTHERS = [LineSettings(19200, "E", 1), LineSettings(2400, "N", 1)]
GOOD = UnitSymptoms(asked=6, clean=6)
SILENT = UnitSymptoms(asked=3, silent=3)
BROKEN = UnitSymptoms(asked=6, garbled=6)


@pytest.mark.parametrize(
    ("symptoms", "causes"),
    [
        (Symptoms(port=PortState.MISSING), [Cause.ADAPTER_MISSING]),
        (Symptoms(port=PortState.DENIED), [Cause.NO_PERMISSION]),
        (Symptoms(port=PortState.IN_USE), [Cause.PORT_IN_USE]),
        (Symptoms(port=PortState.BROKEN), [Cause.PORT_BROKEN]),
        (Symptoms(units={1: GOOD, 2: GOOD}), [Cause.HEALTHY]),
        (Symptoms(units={1: SILENT, 2: SILENT}), [Cause.NOTHING_POWERED, Cause.SWAPPED]),
        (Symptoms(units={1: SILENT}, idle_bytes=400, idle_zeros=1.0), [Cause.SWAPPED]),
        (Symptoms(units={1: SILENT}, idle_bytes=40, idle_zeros=0.1), [Cause.NO_BIAS]),
        (Symptoms(units={1: GOOD}, idle_bytes=40, idle_frames=2), [Cause.OTHER_MASTER]),
        (Symptoms(units={1: SILENT}, elsewhere=(OTHERS[0],)), [Cause.WRONG_SETTINGS]),
        (Symptoms(units={1: BROKEN, 2: BROKEN, 3: BROKEN}), [Cause.PARITY_OR_BAUD, Cause.SWAPPED]),
        (Symptoms(units={1: GOOD, 2: BROKEN, 3: GOOD}), [Cause.TWO_ON_ONE_ID]),
        (Symptoms(units={1: GOOD, 2: UnitSymptoms(6, 6, second_answers=2)}), [Cause.TWO_ON_ONE_ID]),
        (Symptoms(units={1: GOOD, 2: SILENT}), [Cause.UNIT_SILENT]),
        (Symptoms(units={1: UnitSymptoms(6, 4, leading_garbage=2), 2: GOOD}), [Cause.NO_BIAS]),
        (Symptoms(units={1: SILENT}, echo=True), [Cause.ECHO_ONLY, Cause.NOTHING_POWERED]),
        (Symptoms(units={1: GOOD}, latency_timer_ms=16), [Cause.SLOW_ADAPTER]),
    ],
)
def test_symptoms_have_their_causes_the_likeliest_first(symptoms: Symptoms, causes: list[Cause]) -> None:
    assert [finding.cause for finding in diagnose(symptoms)] == causes


def look(prepare: Callable[[list[Meter], SmallLine], None]) -> list[Cause]:
    meters = scenes.at_defaults(4).meters
    line = SmallLine(meters)
    prepare(meters, line)
    symptoms = run_in_virtual_time(examine(line.open, SETTINGS, [1, 2, 3, 4], OTHERS))
    return [finding.cause for finding in diagnose(symptoms)]


def switch_off(meters: list[Meter], *units: int) -> None:
    for meter in meters:
        if meter.unit in units:
            meter.on = False


def set_all(meters: list[Meter], settings: LineSettings) -> None:
    for meter in meters:
        meter.settings = settings


def add_twin(meters: list[Meter]) -> None:
    twin = scenes.at_defaults(2).meters[1]
    twin.turnaround_s = 0.022
    meters.append(twin)


@pytest.mark.parametrize(
    ("prepare", "first"),
    [
        (lambda meters, line: None, Cause.HEALTHY),
        (lambda meters, line: switch_off(meters, 1, 2, 3, 4), Cause.NOTHING_POWERED),
        (lambda meters, line: switch_off(meters, 3), Cause.UNIT_SILENT),
        (lambda meters, line: set_all(meters, OTHERS[0]), Cause.WRONG_SETTINGS),
        (lambda meters, line: add_twin(meters), Cause.TWO_ON_ONE_ID),
        (lambda meters, line: setattr(line, "reply_fault", lambda data: b"\x00" + data), Cause.NO_BIAS),
        (
            lambda meters, line: setattr(line, "reply_fault", lambda data: bytes(255 - b for b in data)),
            Cause.PARITY_OR_BAUD,
        ),
        (lambda meters, line: (switch_off(meters, 1, 2, 3, 4), setattr(line, "echo", True)), Cause.ECHO_ONLY),
        (lambda meters, line: setattr(line, "echo", True), Cause.HEALTHY),
    ],
)
def test_a_cause_on_the_wire_is_named(prepare: Callable[[list[Meter], SmallLine], None], first: Cause) -> None:
    assert look(prepare)[0] is first


def test_a_port_that_does_not_open_is_told_by_its_reason() -> None:
    async def refuse(settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> SmallLine:
        raise OSError(errno.EBUSY, "in use by lentera (pid 12)")

    symptoms = run_in_virtual_time(examine(refuse, SETTINGS, [1], OTHERS))
    assert (symptoms.port, symptoms.port_words) == (PortState.IN_USE, "in use by lentera (pid 12)")


def test_frames_of_another_master_are_counted() -> None:
    frame = bytes.fromhex("010300000002c40b")
    assert len(frames_in(frame + b"\x55" + frame)) == 2
    assert frames_in(b"\x00" * 50) == []
