"""Report by exception: which values are stored, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_gateway.acquire import ExceptionReporter
from lentera_model.config import DeviceConfig
from lentera_model.readings import Quality, Sample


def reporter(**rule) -> ExceptionReporter:
    device = {"id": "m1", "profile": "eastron_sdm630", "bus": "b", "unit": 1, "report": rule}
    plain = {"id": "m2", "profile": "eastron_sdm630", "bus": "b", "unit": 2}
    return ExceptionReporter([DeviceConfig.model_validate(device), DeviceConfig.model_validate(plain)])


def sample(at_s: float, quality: Quality = Quality.GOOD, device: str = "m1", **values: float) -> Sample:
    return Sample(device, "eastron_sdm630", round(at_s * 1000), values, quality)


def stored(it: ExceptionReporter, *samples: Sample) -> list[dict[str, float]]:
    return [{} if kept is None else dict(kept.values) for kept in map(it.reduce, samples)]


def test_the_first_value_and_whatever_leaves_the_deadband_are_stored():
    it = reporter(deadband={"voltage_l1": 0.5})
    volts = [230.0, 230.5, 229.5, 230.6, 230.2, 230.1, 230.0]
    kept = stored(it, *(sample(n, voltage_l1=value) for n, value in enumerate(volts)))
    assert kept == [{"voltage_l1": 230.0}, {}, {}, {"voltage_l1": 230.6}, {}, {}, {"voltage_l1": 230.0}]
    assert it.left_out == 4


def test_a_slow_drift_is_stored_though_no_step_leaves_the_deadband():
    it = reporter(default_deadband=1.0)
    kept = stored(it, *(sample(n, power_active_total=100 + 0.4 * n) for n in range(10)))
    assert [one["power_active_total"] for one in kept if one] == pytest.approx([100, 101.2, 102.4, 103.6])


def test_by_default_only_repetitions_are_left_out():
    it = reporter()
    kept = stored(it, sample(0, frequency=50.0), sample(1, frequency=50.0), sample(2, frequency=50.01))
    assert kept == [{"frequency": 50.0}, {}, {"frequency": 50.01}]


def test_a_heartbeat_is_stored_anyway():
    it = reporter(heartbeat_s=3)
    kept = stored(it, *(sample(n, frequency=50.0) for n in range(8)))
    assert [bool(one) for one in kept] == [True, False, False, True, False, False, True, False]


def test_a_change_of_quality_is_stored():
    it = reporter(default_deadband=10)
    kept = stored(
        it,
        sample(0, voltage_l1=230),
        sample(1, Quality.IMPLAUSIBLE, voltage_l1=230),
        sample(2, Quality.IMPLAUSIBLE, voltage_l1=231),
        sample(3, voltage_l1=230),
    )
    assert [bool(one) for one in kept] == [True, True, False, True]


def test_each_quantity_stands_for_itself_and_other_devices_are_stored_whole():
    it = reporter(deadband={"voltage_l1": 1})
    first = sample(0, voltage_l1=230, current_l1=1)
    assert it.reduce(first) is first
    assert stored(it, sample(1, voltage_l1=230.5, current_l1=1.1)) == [{"current_l1": 1.1}]
    other = sample(0, device="m2", voltage_l1=230)
    assert it.reduce(other) is other
    assert it.reduce(other) is other


def test_what_a_broker_kept_is_stored_whole_and_does_not_move_the_last_value():
    it = reporter(default_deadband=1)
    kept = stored(it, sample(10, frequency=50), sample(5, frequency=50), sample(11, frequency=50.5))
    assert kept == [{"frequency": 50}, {"frequency": 50}, {}]


def test_what_was_left_out_can_be_asked_for():
    it = reporter(default_deadband=1)
    stored(it, sample(0, frequency=50), sample(1, frequency=50.2), sample(2, frequency=50.3))
    last = it.last_stored("m1", "frequency")
    assert last is not None
    assert (last.value, last.at_ms, last.read, last.read_ms, last.left_out) == (50, 0, 50.3, 2000, 2)
    assert it.last_stored("m1", "voltage_l1") is None
    assert it.last_stored("m2", "frequency") is None
    assert it.rule("m2") is None


@given(
    steps=st.lists(st.tuples(st.floats(0.1, 5), st.floats(-3, 3, width=32)), min_size=1, max_size=60),
    deadband=st.floats(0, 2),
    heartbeat_s=st.integers(1, 20),
)
def test_whoever_knows_what_was_stored_knows_every_value_to_the_deadband(steps, deadband, heartbeat_s):
    it = reporter(default_deadband=deadband, heartbeat_s=heartbeat_s)
    at_s, value, last, last_at = 0.0, 230.0, None, 0.0
    for pause_s, change in steps:
        at_s, value = at_s + pause_s, value + change
        kept = it.reduce(sample(at_s, voltage_l1=value))
        if kept is not None:
            last, last_at = value, at_s
        assert last is not None
        assert abs(value - last) <= deadband
        assert at_s - last_at < heartbeat_s + 0.001


def test_a_rule_for_a_quantity_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="no quantity is called 'voltage_l9'"):
        reporter(deadband={"voltage_l9": 1})
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        reporter(deadband={"voltage_l1": -1})
