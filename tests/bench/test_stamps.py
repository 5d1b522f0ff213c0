"""The wire that lies tells on itself: whose a value is and of when; and the million polls are dealt out whole."""

import random

import pytest

from bench.hostile_wire import TICK_S, damaged, is_true, stamp
from bench.million import KINDS, POLLS, Part, Tally, judge, parts, summed


@pytest.mark.parametrize(
    ("unit", "place", "asked_s", "answered_s", "true"),
    [
        (5, 7, 99.9, 100.1, True),
        (6, 7, 99.9, 100.1, False),  # another unit's
        (5, 8, 99.9, 100.1, False),  # another register's
        (5, 7, 100.0 + 2 * TICK_S, 101.0, False),  # read before it was asked for
        (5, 7, 98.0, 100.0 - 2 * TICK_S, False),  # read after it was answered
    ],
)
def test_a_stamp_says_whose_it_is_and_of_when(unit, place, asked_s, answered_s, true):
    assert is_true(stamp(5, 7, 100.0), unit, place, asked_s, answered_s) is true


def test_judging_counts_what_is_believed():
    tally = Tally()
    judge(tally, 5, [(7, stamp(5, 7, 1.0)), (8, stamp(5, 7, 1.0)), (9, stamp(5, 9, 0.5))], 0.9, 1.1)
    assert (tally.good_values, tally.wrong_values) == (1, 2)


def test_damage_is_what_a_crc_is_made_to_find():
    rng, bursts = random.Random(1), 0
    for _ in range(1000):
        frame = int.from_bytes(damaged(bytes(29), rng), "little")
        wrong = [bit for bit in range(8 * 29) if frame >> bit & 1]
        assert wrong
        if len(wrong) > 3:
            bursts += 1
            assert wrong[-1] - wrong[0] < 16
    assert bursts > 100


@pytest.mark.parametrize("polls", [POLLS, 200_001, 7])
def test_the_polls_are_dealt_out_whole(polls):
    dealt = parts("lentera", polls)
    assert sum(part.polls for part in dealt) == polls
    assert max(part.polls for part in dealt) <= 25_000
    assert len({part.seed for part in dealt}) == len(dealt)
    for kind, share in KINDS.items():
        assert sum(part.polls for part in dealt if part.kind == kind) == pytest.approx(polls * share, abs=1)


def test_a_part_is_never_empty():
    assert parts("pymodbus", 0) == []
    assert parts("pymodbus", 10, 100) == [
        Part("pymodbus", "rtu", 6, 1),
        Part("pymodbus", "rtu_over_tcp", 2, 2),
        Part("pymodbus", "tcp", 2, 3),
    ]


def test_runs_are_added_up_with_their_range():
    found = summed([Tally(polls=10, wrong_values=2, took_s=1.26), Tally(polls=5, wrong_values=0, took_s=1.0)])
    assert (found["polls"], found["wrong_values"], found["took_s"], found["runs"]) == (15, 2, 2.3, 2)
    assert found["wrong_values_a_run"] == "0 to 2"
    assert summed([])["wrong_values_a_run"] == "0 to 0"
