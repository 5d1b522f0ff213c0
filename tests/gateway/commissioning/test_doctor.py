"""From symptoms to causes: a table, and the same causes on a line in simulated time, told in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lentera.doctor_report import short_report
from lentera.language import Words
from lentera_drivers.modbus.rtu_frames import frames_in
from lentera_drivers.modbus.serial_port import PortInUseError
from lentera_drivers.modbus.transport import LineSettings, OnBytes, OnLost
from lentera_gateway.commissioning.diagnosis import Cause, Finding, PortState, Symptoms, UnitSymptoms, diagnose
from lentera_gateway.commissioning.doctor import bursts, examine
from lentera_gateway.commissioning.walk import usual_settings
from lentera_sim import scenes
from lentera_sim.scenes import Chatter, Scene
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.medium import WireFaults
from lentera_sim.wires.memory_line import MemoryPort
from lentera_sim.wires.settings import WireSettings

SETTINGS = LineSettings(9600, "N", 1)
FAST = LineSettings(19200, "N", 1)
OTHERS = [LineSettings(19200, "E", 1), LineSettings(2400, "N", 1)]
GOOD = UnitSymptoms(asked=6, clean=6)
SILENT = UnitSymptoms(asked=3, silent=3)
BROKEN = UnitSymptoms(asked=6, garbled=6)
LOSSY = UnitSymptoms(asked=6, clean=3, garbled=1, silent=2)
BREAKS = UnitSymptoms(asked=6, garbled=6, breaks=6)


@pytest.mark.parametrize(
    ("symptoms", "causes"),
    [
        (Symptoms(port=PortState.MISSING), [Cause.ADAPTER_MISSING]),
        (Symptoms(port=PortState.DENIED), [Cause.NO_PERMISSION]),
        (Symptoms(port=PortState.IN_USE), [Cause.PORT_IN_USE]),
        (Symptoms(port=PortState.BROKEN), [Cause.PORT_BROKEN]),
        (Symptoms(units={1: GOOD, 2: GOOD}), [Cause.HEALTHY]),
        (Symptoms(units={1: SILENT, 2: SILENT}), [Cause.NOTHING_POWERED, Cause.SWAPPED]),
        (Symptoms(units={1: BREAKS, 2: BREAKS}), [Cause.SWAPPED]),
        (Symptoms(units={1: SILENT}, idle_bytes=400, idle_zeros=1.0), [Cause.SWAPPED]),
        (Symptoms(units={1: SILENT}, idle_bytes=40, idle_zeros=0.1), [Cause.NO_BIAS]),
        (Symptoms(units={1: GOOD}, idle_bytes=40, idle_frames=2), [Cause.OTHER_MASTER]),
        (Symptoms(units={1: LOSSY}, idle_bytes=40, idle_bursts=5), [Cause.OTHER_MASTER]),
        (Symptoms(units={1: BROKEN}, idle_bytes=40, idle_frames=5), [Cause.OTHER_MASTER, Cause.NOTHING_POWERED]),
        (Symptoms(units={1: SILENT}, elsewhere=(OTHERS[0],), elsewhere_units=(1,)), [Cause.WRONG_SETTINGS]),
        (Symptoms(units={1: GOOD, 2: SILENT}, elsewhere=(FAST,), elsewhere_units=(2,)), [Cause.UNIT_ELSEWHERE]),
        (Symptoms(units={1: BROKEN, 2: BROKEN, 3: BROKEN}), [Cause.PARITY_OR_BAUD, Cause.SWAPPED]),
        (Symptoms(units={1: GOOD, 2: BROKEN, 3: GOOD}), [Cause.TWO_ON_ONE_ID]),
        (Symptoms(units={1: GOOD, 2: UnitSymptoms(6, 6, second_answers=2)}), [Cause.TWO_ON_ONE_ID]),
        (Symptoms(units={1: GOOD, 2: SILENT}), [Cause.UNIT_SILENT]),
        (Symptoms(units={1: UnitSymptoms(6, 6, stray=2), 2: GOOD}), [Cause.NO_BIAS]),
        (Symptoms(settings=SETTINGS, units={1: LOSSY, 2: GOOD}), [Cause.INTERFERENCE, Cause.NO_TERMINATION]),
        (Symptoms(settings=FAST, units={1: LOSSY, 2: GOOD}), [Cause.NO_TERMINATION, Cause.INTERFERENCE]),
        (Symptoms(units={1: SILENT}, echo=True), [Cause.ECHO_ONLY, Cause.NOTHING_POWERED]),
        (Symptoms(units={1: GOOD}, latency_timer_ms=16), [Cause.SLOW_ADAPTER]),
    ],
)
def test_symptoms_have_their_causes_the_likeliest_first(symptoms: Symptoms, causes: list[Cause]) -> None:
    assert [finding.cause for finding in diagnose(symptoms)] == causes


def look(scene: Scene, settings: LineSettings = SETTINGS, units: Sequence[int] = (1, 2, 3, 4)) -> tuple[Finding, ...]:
    """Examine a scene's line and judge what was seen."""
    line = scenes.lay(scene)

    async def work() -> Symptoms:
        talker = scenes.chatterer_of(scene, line.medium)
        try:
            return await examine(line.open, settings, units, usual_settings(scenes.catalogue()))
        finally:
            if talker is not None:
                talker.stop()

    return diagnose(run_in_virtual_time(work()))


def told(found: Sequence[Finding], language: str, settings: LineSettings = SETTINGS) -> str:
    text = short_report(found, Words(language), "/dev/ttyUSB0", settings)
    assert len(text) <= 600
    return text


FOUR = scenes.defaults(4)
DARK = FOUR.changed(powered=False)
POLL = bytes.fromhex("010300000002c40b")
PANEL = bytes.fromhex("a55a0102030405060708090a0b0c0d0e")


def with_faults(faults: WireFaults, scene: Scene = FOUR) -> Scene:
    return replace(scene, faults=faults)


def at(baud: int, parity: str = "N", units: Sequence[int] = ()) -> Scene:
    return FOUR.changed(units, settings=WireSettings(baud, "E" if parity == "E" else "N"))


ON_THE_WIRE = {
    "healthy": (FOUR, Cause.HEALTHY, "nothing is wrong", "tidak ada masalah"),
    "pair swapped": (
        with_faults(WireFaults(swapped_pair=True)),
        Cause.SWAPPED,
        "swap the two wires at the adapter",
        "tukar kedua kabel di adaptor",
    ),
    "bias missing": (
        with_faults(WireFaults(bias_missing=True)),
        Cause.NO_BIAS,
        "Switch bias on at one place",
        "Nyalakan bias di satu tempat",
    ),
    "noise": (
        with_faults(WireFaults(noise=0.02)),
        Cause.INTERFERENCE,
        "ground the shield at one end",
        "tanahkan pelindung di satu ujung",
    ),
    "echo": (with_faults(WireFaults(echo=True)), Cause.HEALTHY, "nothing is wrong", "tidak ada masalah"),
    "nothing but echo": (
        with_faults(WireFaults(echo=True), DARK),
        Cause.ECHO_ONLY,
        "Check RS-485 direction",
        "Periksa arah RS-485",
    ),
    "wrong baud": (at(19200), Cause.WRONG_SETTINGS, "answer at 19200 8N1", "menjawab pada 19200 8N1"),
    "slow baud": (at(2400, "E"), Cause.WRONG_SETTINGS, "answer at 2400 8E1", "menjawab pada 2400 8E1"),
    "wrong parity": (at(9600, "E"), Cause.WRONG_SETTINGS, "answer at 9600 8E1", "menjawab pada 9600 8E1"),
    "one at another baud": (
        at(19200, "E", [3]),
        Cause.UNIT_ELSEWHERE,
        "unit 3 answers at 19200 8E1",
        "unit 3 menjawab pada 19200 8E1",
    ),
    "two on one id": (scenes.clash(), Cause.TWO_ON_ONE_ID, "two devices have id 2", "dua perangkat bernomor 2"),
    "one after the other": (
        scenes.clash(0.02, 0.1),
        Cause.TWO_ON_ONE_ID,
        "two devices have id 2",
        "dua perangkat bernomor 2",
    ),
    "nothing powered": (DARK, Cause.NOTHING_POWERED, "check the breaker", "periksa MCB"),
    "one without power": (
        FOUR.changed([3], powered=False),
        Cause.UNIT_SILENT,
        "unit 3 is silent",
        "unit 3 diam",
    ),
    "another master": (
        replace(FOUR, chatter=Chatter(POLL)),
        Cause.OTHER_MASTER,
        "Disconnect the other master",
        "Lepaskan master",
    ),
    "another master that never rests": (
        replace(FOUR, chatter=Chatter(POLL, 0.05)),
        Cause.OTHER_MASTER,
        "Disconnect the other master",
        "Lepaskan master",
    ),
    "another master at another baud": (
        replace(FOUR, chatter=Chatter(POLL, 0.1, WireSettings(19200))),
        Cause.OTHER_MASTER,
        "Disconnect the other master",
        "Lepaskan master",
    ),
    "a lighting panel": (
        replace(FOUR, chatter=Chatter(PANEL, 0.3)),
        Cause.OTHER_MASTER,
        "Disconnect the other master or panel",
        "Lepaskan master atau panel",
    ),
}


@pytest.mark.parametrize(("scene", "first", "english", "indonesian"), ON_THE_WIRE.values(), ids=ON_THE_WIRE)
def test_a_cause_on_the_wire_is_named_with_the_next_thing_to_do(
    scene: Scene, first: Cause, english: str, indonesian: str
) -> None:
    ids = sorted({meter.unit for meter in scene.meters})
    found = look(scene, units=ids)
    assert found[0].cause is first
    assert english in told(found, "en")
    assert indonesian in told(found, "id")
    if first in (Cause.HEALTHY, Cause.TWO_ON_ONE_ID, Cause.UNIT_SILENT, Cause.WRONG_SETTINGS, Cause.UNIT_ELSEWHERE):
        assert [finding.cause for finding in found] == [first]
        assert found[0].sure


@pytest.mark.parametrize("settings", [FAST, LineSettings(115_200, "N", 1)])
def test_a_missing_terminator_breaks_frames_of_fast_lines(settings: LineSettings) -> None:
    share = 0.6 if settings is FAST else 0.03
    scene = with_faults(WireFaults(termination_missing=share), at(settings.baud))
    found = look(scene, settings)
    assert [finding.cause for finding in found][:2] == [Cause.NO_TERMINATION, Cause.INTERFERENCE]
    assert "120 ohm at both ends" in told(found, "en", settings)
    assert "120 ohm di kedua ujung" in told(found, "id", settings)


def test_a_swapped_pair_on_a_floating_line_looks_as_if_nothing_had_power() -> None:
    """Bytes cannot tell these two apart: both are named, with the look at the displays that does."""
    found = look(with_faults(WireFaults(swapped_pair=True, bias_missing=True)))
    assert [finding.cause for finding in found] == [Cause.NOTHING_POWERED, Cause.SWAPPED]
    assert "If the displays of the meters are lit" in told(found, "en")
    assert "Bila layar meter menyala" in told(found, "id")


def test_a_dark_line_with_another_master_is_both() -> None:
    found = look(replace(DARK, chatter=Chatter(POLL, 0.1)))
    assert [finding.cause for finding in found] == [Cause.OTHER_MASTER, Cause.NOTHING_POWERED]


def test_talk_comes_in_bursts_and_noise_does_not() -> None:
    quiet = [b""] * 5
    assert bursts([*quiet, POLL, *quiet, POLL[:3], POLL[3:], *quiet]) == 2
    assert bursts([*quiet, b"\x00", *quiet, b"\xff\x00", *quiet]) == 0
    assert bursts([b"\x55\xaa"] * 50) == 0
    assert bursts([]) == 0


def test_a_port_that_does_not_open_is_told_by_its_reason() -> None:
    async def refuse(settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> MemoryPort[LineSettings]:
        raise PortInUseError(Path("/dev/ttyUSB0"), "lentera (pid 12)")

    symptoms = run_in_virtual_time(examine(refuse, SETTINGS, [1], OTHERS))
    assert (symptoms.port, symptoms.port_words) == (PortState.IN_USE, "lentera (pid 12)")


def test_frames_of_another_master_are_counted() -> None:
    frame = bytes.fromhex("010300000002c40b")
    assert len(frames_in(frame + b"\x55" + frame)) == 2
    assert frames_in(b"\x00" * 50) == []
