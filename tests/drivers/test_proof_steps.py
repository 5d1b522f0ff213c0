"""Small steps of a lamp that cannot be asked: proved by its own scale of power, and never for one that ignores."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lentera_drivers.mqtt import proof
from lentera_drivers.profiles import LampMessage
from lentera_model.commands import ConfirmedBy, Reason
from tests.drivers.lamps import FakeLamp
from tests.drivers.mqtt_street import HA, Street

RULES = HA.proof
levels = st.floats(0, 100)
rated_powers_w = st.floats(10, 250)
deviations = st.floats(-0.08, 0.08)
noises = st.floats(-0.005, 0.005)


def says(**values: float) -> LampMessage:
    return LampMessage(values, None, ())


def power_w(rated_w: float, level: float, deviation: float = 0.0, noise: float = 0.0) -> float:
    """Return what a lamp reports: to a tenth of a watt, with noise as a share of its rated power."""
    return round(max(0.0, rated_w * (level / 100 * (1 + deviation) + noise)), 1)


def command(before: float, target: float, rated_w: float, drawn_w: float | None, *powers_w: float, telemetry=True):
    """Command a lamp that shows `before` and drew `drawn_w`; it echoes the wish and reports powers."""
    known = {"level_percent": before} | ({} if drawn_w is None else {"power_active_total": drawn_w})
    watch = proof.start(RULES, target, rated_w, known, 0, drawn_w=drawn_w)
    watch = proof.observe(watch, says(level_percent=target), 10)
    for number, measured_w in enumerate(powers_w):
        watch = proof.observe(watch, says(power_active_total=measured_w), 20 + number, telemetry=telemetry)
    return watch


@settings(max_examples=1000)
@given(levels, levels, rated_powers_w, deviations, st.lists(noises, min_size=2, max_size=6))
def test_a_lamp_that_ignores_is_never_a_success(before, target, rated_w, deviation, noise):
    assume(abs(before - target) > RULES.level_tolerance_percent)
    # The lamp reports whole tenths of a watt, which in a small lamp is more noise than what is promised here.
    drawn_w, *powers_w = (max(0.0, rated_w * (before / 100 * (1 + deviation) + share)) for share in noise)
    watch = command(before, target, rated_w, drawn_w, *powers_w)
    assert watch.proof is None
    assert proof.verdict_at_timeout(watch, 18).outcome != "succeeded"


@settings(max_examples=1000)
@given(st.floats(20, 100), levels, rated_powers_w, deviations)
def test_a_lamp_that_acts_is_proved_for_steps_of_five_points(before, target, rated_w, deviation):
    assume(abs(before - target) >= 5)
    assume(rated_w * abs(before - target) / 100 * (1 + deviation) >= 0.7)  # a tenth of a watt is its resolution
    drawn_w = power_w(rated_w, before, deviation)
    watch = command(before, target, rated_w, drawn_w, drawn_w, power_w(rated_w, target, deviation))
    assert watch.proof is ConfirmedBy.POWER


@given(st.floats(40, 100), st.sampled_from([-1, 1]), st.floats(5, 15), deviations, noises, noises)
def test_noise_does_not_hide_a_small_step(before, sign, step, deviation, noise_before, noise_after):
    target = before + sign * step
    assume(target <= 100)
    drawn_w = power_w(60, before, deviation, noise_before)
    assume(RULES.power is not None and RULES.power.agrees(drawn_w, 60, before))
    assert command(before, target, 60, drawn_w, power_w(60, target, deviation, noise_after)).proof is ConfirmedBy.POWER


def test_the_way_there_is_no_proof():
    assert command(60, 50, 60, 36.0, 33.5).proof is None
    assert command(60, 50, 60, 36.0, 33.5, 30.1).proof is ConfirmedBy.POWER
    assert command(60, 57, 60, 36.0, 35.0).proof is None, "within the tolerance of the target, but half the way only"


@pytest.mark.parametrize(
    ("before", "target", "drawn_w", "measured_w", "telemetry"),
    [
        (60, 55, None, 33.0, True),
        (60, 55, 36.0, 33.0, False),
        (60, 59, 36.0, 35.4, True),
        (4, 12, 2.4, 7.2, True),
        (50, 25, 60.0, 30.0, True),
        (60, 55, 36.0, 36.0, True),
        (60, 55, 36.0, 39.0, True),
        (60, 55, 36.0, 30.0, True),
        (50, 51.6, 29.7, 30.3, True),
    ],
    ids=[
        "no power is known from before",
        "a power on the state topic may be a cached one",
        "a step within the noise",
        "a level where the driver's loss rules",
        "a power of before the lamp had come to the level shown: an earlier command acted late",
        "ignored",
        "the other way",
        "far beyond: somebody else dimmed it",
        "half a per cent of noise downwards before, upwards after",
    ],
)
def test_what_proves_no_step(before, target, drawn_w, measured_w, telemetry):
    watch = proof.start(RULES, target, 60.0, {"level_percent": before}, 0, drawn_w=drawn_w)
    watch = proof.observe(watch, says(level_percent=target), 10)
    watch = proof.observe(watch, says(power_active_total=measured_w), 20, telemetry=telemetry)
    assert watch.proof is None


def test_off_is_predicted_as_off_whatever_the_lamp_drew():
    assert command(10, 0, 60, 6.0, 0.0).proof is ConfirmedBy.POWER
    assert command(10, 0, 60, 6.0, 6.0).proof is None


def test_a_lamp_without_a_known_rated_power_has_no_scale():
    watch = proof.start(RULES, 55, None, {"level_percent": 60.0}, 0, drawn_w=36.0)
    assert proof.observe(watch, says(power_active_total=33.0), 10, telemetry=True).proof is None


@pytest.mark.parametrize(("act_s", "outcome"), [(0.02, "succeeded"), (None, "unproved")])
async def test_a_small_step_on_the_wire(mosquitto, name, act_s, outcome):
    where = (mosquitto.host, mosquitto.port)
    async with (
        Street(*where, name, profile=HA) as street,
        FakeLamp(HA, name, act_s=act_s, telemetry_s=0.05, level=80.0, known_power_w=48.0).at(*where) as lamp,
    ):
        await street.ready()
        await lamp.report()
        await lamp.telemetry()
        await street.until(lambda: len(street.samples) == 2)
        lamp._later(0.2, lamp.telemetry)
        end = await street.driver.set_level(name, 75, 0.6)
    assert end.outcome == outcome
    assert end.reason is (None if act_s else Reason.UNPROVED)


async def test_a_power_of_before_the_level_was_shown_is_no_scale(mosquitto, name):
    """Another master dims the lamp: its power of before, with the level shown now, would predict nonsense."""
    where = (mosquitto.host, mosquitto.port)
    async with (
        Street(*where, name, profile=HA) as street,
        FakeLamp(HA, name, telemetry_s=0.05, level=80.0).at(*where) as lamp,
    ):
        await street.ready()
        await lamp.report()
        await lamp.telemetry()
        lamp.level = 75.0
        await lamp.report()
        await street.until(lambda: len(street.samples) == 3)
        end = await street.driver.set_level(name, 70, 0.5)
    assert (end.outcome, end.reason) == ("unproved", Reason.UNPROVED)
