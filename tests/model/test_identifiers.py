"""Identifiers and ids that sort by time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_model.identifiers import InvalidIdError, check_id, time_ordered_id


@pytest.mark.parametrize("value", ["lamp-001", "GW_7", "a", "0.1", "x" * 64])
def test_valid_ids_pass(value: str) -> None:
    assert check_id("device", value) == value


@pytest.mark.parametrize("value", ["", "-lamp", "lamp/1", "lampu 1", "lamp+", "x" * 65, "lamp\n", "ламп", "a#"])
def test_ids_that_a_topic_a_path_or_a_tag_would_not_carry_are_refused(value: str) -> None:
    with pytest.raises(InvalidIdError, match=r"device id .* 1 to 64 letters"):
        check_id("device", value)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_their_time(earlier: int, later: int, randomness: bytes) -> None:
    first, second = (time_ordered_id("c", now, randomness) for now in sorted((earlier, later)))
    assert first <= second
    assert len(first) == 28
    assert check_id("command", first)
    assert (first == second) == (earlier == later)


def test_a_known_id() -> None:
    # The time part of the ULID example 01ARZ3NDEK... (2016-07-30T23:54:10.259Z) is the first ten characters.
    assert time_ordered_id("e", 1469922850259, bytes(10)) == "e_01ARZ3NDEK" + "0" * 16


@pytest.mark.parametrize(("now_ms", "randomness"), [(-1, bytes(10)), (1 << 48, bytes(10)), (0, bytes(9))])
def test_what_does_not_fit_is_refused(now_ms: int, randomness: bytes) -> None:
    with pytest.raises(ValueError, match=r"randomness|48 bits"):
        time_ordered_id("c", now_ms, randomness)
