"""A scan finds everybody in time, and never takes one model for another. In simulated time, on an honest line."""

import pytest

from lentera_drivers.modbus.transport import LineSettings
from lentera_gateway.commissioning.recognise import Outcome
from lentera_gateway.commissioning.scan import ScanWish
from tests.gateway.commissioning import scenes


def test_32_meters_at_defaults_are_known_within_two_minutes() -> None:
    scene = scenes.at_defaults()
    result = scenes.scan(scene)
    assert scenes.outcomes(result, scene) == {"identified": 32}
    assert result.seconds < 120
    assert result.not_asked, "what was not asked is said"


def test_a_scan_that_knows_how_many_meters_there_are_ends_when_it_has_them() -> None:
    scene = scenes.at_defaults()
    result = scenes.scan(scene, ScanWish(expect=32))
    assert scenes.outcomes(result, scene) == {"identified": 32}
    assert result.seconds < 60


def test_every_model_at_its_own_defaults_is_known_within_two_minutes() -> None:
    scene = scenes.at_their_own_defaults()
    result = scenes.scan(scene)
    found = scenes.outcomes(result, scene)
    # The first version of the SDM72D has neither volts nor hertz: what it is cannot be proved.
    assert found == {"identified": 31, "needs_load": 1}
    assert max(unit.known_after_s for unit in result.units) < 120


@pytest.mark.parametrize("seed", range(8))
def test_a_mixed_line_is_walked_in_ten_minutes_without_a_wrong_name(seed: int) -> None:
    scene = scenes.mixed(seed)
    result = scenes.scan(scene)
    found = scenes.outcomes(result, scene)
    assert result.seconds < 600
    assert set(found) <= {"identified", "needs_load", "ambiguous", "unknown", "clash"}, found
    assert found["unknown"] == 5
    assert found["clash"] == 2
    assert found["identified"] >= 20, found


def test_two_meters_with_one_id_are_a_clash_and_their_neighbours_are_not() -> None:
    scene = scenes.at_defaults(3)
    twin = scenes.at_defaults(3).meters[1]
    twin.turnaround_s = 0.021
    scene.meters.append(twin)
    result = scenes.scan(scene, ScanWish(settings=LineSettings(9600, "N", 1), units=(1, 2, 3, 4)))
    assert [unit.outcome for unit in result.units] == [Outcome.IDENTIFIED, Outcome.CLASH, Outcome.IDENTIFIED]


def test_the_second_of_two_answers_shows_a_clash_too() -> None:
    scene = scenes.at_defaults(1)
    twin = scenes.at_defaults(1).meters[0]
    twin.turnaround_s = 0.2
    scene.meters.append(twin)
    result = scenes.scan(scene, ScanWish(settings=LineSettings(9600, "N", 1), units=(1, 2, 3)))
    assert [unit.outcome for unit in result.units] == [Outcome.CLASH]


def test_a_slow_unit_is_heard_while_its_neighbours_are_asked() -> None:
    scene = scenes.at_defaults(1)
    scene.meters[0].turnaround_s = 0.25
    result = scenes.scan(scene, ScanWish(settings=LineSettings(9600, "N", 1), units=(1, 2, 3, 4, 5)))
    assert [(unit.unit, unit.outcome) for unit in result.units] == [(1, Outcome.IDENTIFIED)]
    assert 0.24 < result.units[0].turnaround_s < 0.3


def test_an_empty_line_is_told_as_empty() -> None:
    result = scenes.scan(scenes.Scene())
    assert not result.units
    assert result.seconds < 600
