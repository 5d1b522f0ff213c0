"""Distinct stamps: what a store knows by its time must have a time of its own."""

from hypothesis import given
from hypothesis import strategies as st

from lentera_gateway.acquire import StampKeeper
from lentera_model.readings import Sample


@given(st.lists(st.tuples(st.sampled_from(["lamp-1", "lamp-2"]), st.integers(0, 20)), max_size=200))
def test_no_device_has_two_samples_in_one_millisecond(arrivals: list[tuple[str, int]]) -> None:
    keeper = StampKeeper()
    taken = [keeper.distinct(Sample(device, "p", stamp, {"frequency": 50.0})) for device, stamp in arrivals]
    for device in ("lamp-1", "lamp-2"):
        stamps = [sample.monotonic_ms for sample in taken if sample.device == device]
        assert len(stamps) == len(set(stamps))
        moved_ms = [s.monotonic_ms - stamp for s, (_, stamp) in zip(taken, arrivals, strict=True) if s.device == device]
        assert all(0 <= shift <= len(stamps) for shift in moved_ms)


def test_those_that_arrive_at_one_instant_keep_their_order() -> None:
    keeper = StampKeeper()
    assert [keeper.distinct(Sample("lamp-1", "p", 5, {})).monotonic_ms for _ in range(4)] == [5, 6, 7, 8]


def test_a_sample_with_a_free_stamp_is_left_alone_also_when_it_is_older() -> None:
    keeper = StampKeeper()
    for stamp_ms in (1000, 40, 999):
        sample = Sample("lamp-1", "p", stamp_ms, {})
        assert keeper.distinct(sample) is sample
    assert keeper.distinct(Sample("lamp-2", "p", 40, {})).monotonic_ms == 40
    assert keeper.distinct(Sample("lamp-1", "p", 40, {})).monotonic_ms == 41
