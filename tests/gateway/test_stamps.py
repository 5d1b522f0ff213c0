"""Distinct stamps: what a store knows by its time must have a time of its own."""

from hypothesis import given
from hypothesis import strategies as st

from lentera_gateway.acquire import StampKeeper
from lentera_model.readings import Sample


@given(st.lists(st.tuples(st.sampled_from(["lamp-1", "lamp-2"]), st.integers(0, 20))))
def test_no_device_has_two_samples_in_one_millisecond_and_the_order_of_arrival_holds(
    arrivals: list[tuple[str, int]],
) -> None:
    keeper = StampKeeper()
    taken = [keeper.distinct(Sample(device, "p", stamp, {"frequency": 50.0})) for device, stamp in arrivals]
    for device in ("lamp-1", "lamp-2"):
        stamps = [sample.monotonic_ms for sample in taken if sample.device == device]
        assert stamps == sorted(set(stamps))
    for sample, (_, stamp) in zip(taken, arrivals, strict=True):
        assert sample.monotonic_ms >= stamp


def test_a_sample_with_a_free_stamp_is_left_alone() -> None:
    keeper = StampKeeper()
    sample = Sample("lamp-1", "p", 5, {})
    assert keeper.distinct(sample) is sample
    assert keeper.distinct(sample).monotonic_ms == 6
    assert keeper.distinct(Sample("lamp-1", "p", 9, {})).monotonic_ms == 9
