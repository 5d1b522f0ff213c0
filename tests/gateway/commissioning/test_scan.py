"""A scan finds everybody in time, and never takes one model for another. In simulated time, on an honest line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lentera_drivers.modbus.transport import LineSettings
from lentera_gateway.commissioning.recognise import Outcome
from lentera_gateway.commissioning.scan import ScanWish
from lentera_gateway.commissioning.walk import rare_settings, usual_settings
from lentera_sim import scenes
from lentera_sim.wires.medium import WireFaults
from lentera_sim.wires.settings import WireSettings
from tests.gateway.commissioning.scanning import outcomes, scan

SETTINGS = LineSettings(9600, "N", 1)


def test_32_meters_at_defaults_are_known_within_two_minutes() -> None:
    scene = scenes.defaults()
    result = scan(scene)
    assert outcomes(result, scene) == {"identified": 32}
    assert result.seconds < 120
    assert result.not_asked, "what was not asked is said"


def test_a_scan_that_knows_how_many_meters_there_are_ends_when_it_has_them() -> None:
    scene = scenes.defaults()
    result = scan(scene, ScanWish(expect=32))
    assert outcomes(result, scene) == {"identified": 32}
    assert result.seconds < 60


def test_every_model_at_its_own_defaults_is_known_within_two_minutes() -> None:
    scene = scenes.own_defaults()
    result = scan(scene)
    # The first version of the SDM72D has neither volts nor hertz: what it is cannot be proved.
    assert outcomes(result, scene) == {"identified": 31, "needs_load": 1}
    assert max(unit.known_after_s for unit in result.units) < 120


@pytest.mark.parametrize("seed", range(8))
def test_a_mixed_line_is_walked_in_ten_minutes_without_a_wrong_name(seed: int) -> None:
    scene = scenes.mixed(seed)
    result = scan(scene, seed=seed)
    found = outcomes(result, scene)
    assert result.seconds < 600
    assert set(found) <= {"identified", "needs_load", "ambiguous", "unknown", "clash"}, found
    assert found.total() == len(scene.truth) == 32
    assert (found["unknown"], found["clash"]) == (5, 2)
    assert found["identified"] >= 20, found


@pytest.mark.parametrize("seed", range(3))
def test_a_mixed_line_of_new_meters_by_day_is_walked_as_fast_and_nothing_is_guessed(seed: int) -> None:
    """Nothing has load, nothing has counted: little is identified, everybody is found, unknown models stay unknown."""
    scene = scenes.mixed(seed).changed(watts=0.0, counted_kwh=0.0)
    result = scan(scene, seed=seed)
    found = outcomes(result, scene)
    assert result.seconds < 600
    assert set(found) <= {"identified", "needs_load", "ambiguous", "unknown", "clash"}, found
    assert found.total() == 32
    assert found["clash"] == 2
    assert found["unknown"] >= 5
    assert found["identified"] >= 1


@pytest.mark.parametrize("baud", [2400, 4800, 9600, 19200])
def test_a_slow_meter_is_found_whatever_it_thinks_up_to_200_ms(baud: int) -> None:
    """Also where its answer falls due while the next question is being sent: that is so in one of the two passes."""
    place = WireSettings(baud)
    profile = scenes.profile_of("eastron_sdm630")
    for step in range(40):
        meter = scenes.SceneMeter(profile, 60, place, turnaround_s=0.005 * step)
        scene = scenes.Scene((meter,))
        result = scan(scene, ScanWish(units=tuple(range(59, 65))), deaf=True)
        assert outcomes(result, scene) == {"identified": 1}, meter.turnaround_s


def test_two_meters_with_one_id_are_a_clash_and_their_neighbours_are_not() -> None:
    result = scan(scenes.clash(0.02, 0.021), ScanWish(settings=SETTINGS, units=(1, 2, 3, 4)))
    assert [unit.outcome for unit in result.units] == [Outcome.IDENTIFIED, Outcome.CLASH, Outcome.IDENTIFIED]


def test_the_second_of_two_answers_shows_a_clash_too() -> None:
    result = scan(scenes.clash(0.02, 0.2), ScanWish(settings=SETTINGS, units=(2, 3)))
    assert [unit.outcome for unit in result.units] == [Outcome.CLASH, Outcome.IDENTIFIED]


def test_a_slow_unit_is_heard_while_its_neighbours_are_asked() -> None:
    scene = scenes.defaults(1).changed(turnaround_s=0.25)
    result = scan(scene, ScanWish(settings=SETTINGS, units=(1, 2, 3, 4, 5)))
    assert [(unit.unit, unit.outcome) for unit in result.units] == [(1, Outcome.IDENTIFIED)]
    assert 0.24 < result.units[0].turnaround_s < 0.3


@pytest.mark.parametrize("faults", [WireFaults(bias_missing=True), WireFaults(noise=0.01), WireFaults(echo=True)])
def test_a_line_that_is_not_well_gives_no_wrong_name(faults: WireFaults) -> None:
    scene = replace(scenes.defaults(8), faults=faults)
    found = outcomes(scan(scene, ScanWish(settings=SETTINGS, units=tuple(range(1, 12)))), scene)
    assert set(found) <= {"identified", "needs_load"}, found
    assert found["identified"] >= 6, found


def test_a_swapped_pair_shows_nobody_and_no_clash() -> None:
    scene = replace(scenes.defaults(8), faults=WireFaults(swapped_pair=True))
    result = scan(scene, ScanWish(settings=SETTINGS, units=tuple(range(1, 33))))
    assert not result.units


def test_somebody_who_talks_without_being_asked_makes_no_clash() -> None:
    scene = replace(scenes.defaults(8), chatter=scenes.Chatter(bytes.fromhex("010300000002c40b"), 0.3))
    found = outcomes(scan(scene, ScanWish(settings=SETTINGS, units=tuple(range(1, 33)))), scene)
    assert set(found) <= {"identified", "needs_load"}, found
    assert found.total() == 8


def test_an_empty_line_is_told_as_empty() -> None:
    result = scan(scenes.Scene())
    assert not result.units
    assert result.seconds < 600


def test_settings_that_differ_in_stop_bits_alone_are_asked_once() -> None:
    """One that wants two stop bits hears one that sends one, and the other way round: it would be found twice."""
    usual = usual_settings(scenes.catalogue())
    asked = [(one.baud, one.parity) for one in (*usual, *rare_settings(usual))]
    assert len(asked) == len(set(asked))
    scene = scenes.Scene((scenes.SceneMeter(scenes.profile_of("janitza_umg96rm"), 3, WireSettings(115200, "N", 2)),))
    assert outcomes(scan(scene, ScanWish(limit_s=900)), scene) == {"identified": 1}
