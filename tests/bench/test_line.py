"""The limit of a serial line, and what is made of its log."""

import pytest

from bench.line_meters import Timing, Transaction, read_log
from bench.processes import Span
from bench.wire32 import each_waits_s, figures, share, slow_down_percent, within

TIMING = Timing(9600, 0.02)


def transaction(unit: int, answered_s: float, characters: int = 133, silence_s: float = 0.004) -> Transaction:
    return Transaction(unit, answered_s - 0.16, answered_s, characters, silence_s)


def test_the_least_time_of_a_transaction_is_characters_silences_and_turnaround():
    # 30 float32 values: 8 characters of question, 125 of reply, 10 bits each at 9600 baud; twice 3.5 characters; 20 ms
    assert TIMING.least_s(8 + 125) == pytest.approx(133 / 960 + 7 / 960 + 0.02)


def test_above_19200_baud_the_silence_is_1750_microseconds():
    assert Timing(115_200, 0.0).silence_s == 0.00175
    assert Timing(9600, 0.0).silence_s == pytest.approx(3.5 / 960)


def test_a_line_that_is_never_idle_is_used_fully():
    least_s = TIMING.least_s(133)
    done = [transaction(1, at * least_s) for at in range(1, 11)]
    assert share(done, 10 * least_s, TIMING) == pytest.approx(1.0)
    assert share(done, 20 * least_s, TIMING) == pytest.approx(0.5)
    assert share([], 1.0, TIMING) == 0.0


def test_a_transaction_counts_where_it_ended():
    done = [transaction(1, at) for at in (1.0, 2.0, 3.0)]
    assert [one.answered_s for one in within(done, 1.0, 3.0)] == [1.0, 2.0]


def test_each_living_unit_waits_for_its_share_of_the_answers():
    done = [transaction(1, at) for at in (0, 2, 4)] + [transaction(2, at) for at in (0, 3, 5)]
    assert each_waits_s(done, 2, 6.0) == 2.0
    assert each_waits_s(done, 4, 6.0) == 4.0, "two that were never answered wait too"
    with pytest.raises(ValueError, match="no unit answered"):
        each_waits_s([], 2, 6.0)


@pytest.mark.parametrize(
    ("healthy", "wounded", "percent"),
    [
        ({"each_waits_s": 5.0}, {"each_waits_s": 5.4}, 8.0),
        ({"each_waits_s": 5.0}, {"each_waits_s": 4.0}, -20.0),
        ({"each_waits_s": 5.0}, {}, None),
        ({}, {"each_waits_s": 5.0}, None),
    ],
)
def test_how_much_slower_the_living_become(healthy, wounded, percent):
    assert slow_down_percent(healthy, wounded) == percent


def test_a_log_is_read_as_it_was_written(tmp_path):
    log = tmp_path / "log"
    log.write_text("2\n5 1.000000 1.160000 133 0.004000\n6 1.170000 1.330000 133 0.001000\n")
    assert read_log(log) == (2, [Transaction(5, 1.0, 1.16, 133, 0.004), Transaction(6, 1.17, 1.33, 133, 0.001)])


def test_the_figures_of_a_span(tmp_path):
    log = tmp_path / "log"
    rows = [f"{1 + at % 2} {at - 0.16:.6f} {at:.6f} 133 {0.004 if at else 0.001:.6f}" for at in range(12)]
    log.write_text("\n".join(["1", *rows]) + "\n")
    thirds = tuple(Span(at, at + 2.0, {"reader": 0.02}, {"reader": 1.0}) for at in (0.0, 2.0, 4.0))
    found = figures(log, Span(0.0, 6.0, {"reader": 0.06}, {"reader": 1.0}, thirds), living=2)
    assert found == {
        "transactions_per_s": 1.0,
        "share_of_the_limit_percent": round(100 * TIMING.least_s(133), 1),
        "share_of_thirds_percent": "16.58 to 16.58",
        "units_answered": 2,
        "asked_before_the_silence_was_over": 1,
        "collisions": 1,
        "cpu_percent": 1.0,
        "each_waits_s": 2.0,
    }
