"""Spans never cover less than what was claimed, stay few, and say exactly what a new one meets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lentera_cloud.domain.spans import HOLE_MS, SPANS_AN_EPOCH, StoredSpan, claim, common, joined

ranges = st.lists(
    st.tuples(st.integers(0, 100 * HOLE_MS), st.integers(0, 3 * HOLE_MS)).map(lambda one: (one[0], one[0] + one[1]))
)


def test_a_short_hole_is_closed_and_a_long_one_is_not():
    assert joined([(0, 10), (10 + HOLE_MS, 10 + HOLE_MS)]) == [(0, 10 + HOLE_MS)]
    assert joined([(11 + HOLE_MS, 11 + HOLE_MS), (0, 10)]) == [(0, 10), (11 + HOLE_MS, 11 + HOLE_MS)]


def test_past_the_bound_the_shortest_holes_are_closed():
    assert joined([(0, 0), (100, 100), (130, 130), (300, 300)], hole_ms=5, at_most=3) == [
        (0, 0),
        (100, 130),
        (300, 300),
    ]


@given(ranges)
def test_joined_ranges_are_few_apart_and_cover_everything(given_ranges):
    found = joined(given_ranges)
    assert len(found) <= SPANS_AN_EPOCH
    assert all(later[0] - earlier[1] > HOLE_MS for earlier, later in pairwise(found))
    assert all(any(begin <= one[0] and one[1] <= end for begin, end in found) for one in given_ranges)


def test_what_two_ranges_share_has_both_ends_included():
    assert common((10, 20), [(0, 10), (20, 30), (12, 14), (13, 15), (21, 40)]) == [(10, 10), (12, 15), (20, 20)]
    assert common((10, 20), [(0, 9), (21, 22)]) == []


@given(ranges, ranges)
def test_a_claim_meets_all_of_its_own_kind(first, second):
    """Whatever was claimed is met again, by whichever epoch, and nothing that no claim covers is met."""
    rows: dict[tuple[int, int], StoredSpan] = {}
    outcome = claim([], [StoredSpan("m1", 1, *one) for one in first])
    assert outcome.met == {}
    rows.update({(one.epoch, one.from_ms): one for one in outcome.changed})
    again = claim(rows.values(), [StoredSpan("m1", 2, *one) for one in second])
    for one in second:
        for earlier in first:
            shared = common(one, [earlier])
            assert all(any(a <= x and y <= b for a, b in again.met.get("m1", [])) for x, y in shared)
    assert all(common(part, [(row.from_ms, row.to_ms) for row in rows.values()]) for part in again.met.get("m1", []))


def test_a_span_that_grows_is_rewritten_and_swallows_its_neighbours():
    rows = [StoredSpan("m1", 1, 0, 10), StoredSpan("m1", 1, 10 * HOLE_MS, 11 * HOLE_MS), StoredSpan("m2", 1, 0, 5)]
    outcome = claim(rows, [StoredSpan("m1", 1, 11, 10 * HOLE_MS - 1)])
    assert outcome.met == {}
    assert outcome.gone == (rows[1],)
    assert outcome.changed == (StoredSpan("m1", 1, 0, 11 * HOLE_MS),)


def test_what_is_covered_already_changes_nothing():
    rows = [StoredSpan("m1", 1, 0, 10)]
    outcome = claim(rows, [StoredSpan("m1", 1, 2, 3)])
    assert (outcome.met, outcome.gone, outcome.changed) == ({"m1": [(2, 3)]}, (), ())
