"""The ledger check counts every planted loss and double exactly, also where values repeat."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_model.config import ReportByException
from lentera_model.readings import Reading
from lentera_sim.audit import AuditResult, audit
from lentera_sim.ledger import LedgerEntry

START_MS = 1_790_000_000_000


def answered(device: str, at_ms: int, kind: str = "answered", **values: float) -> LedgerEntry:
    return LedgerEntry(kind, device, at_ms, values)


def reading(device: str, at_ms: int, **values: float) -> Reading:
    return Reading(device, "profile", at_ms, values)


def counts(result: AuditResult) -> tuple[int, int, int, int]:
    return result.produced, result.stored, result.missing, result.duplicated


@st.composite
def disturbed_series(draw: st.DrawFn) -> tuple[list[LedgerEntry], list[Reading], int, int]:
    """Return a ledger, a store with planted losses and doubles, and how many of each."""
    spacing_ms = draw(st.sampled_from([1000, 2000, 10_000]))
    offset_ms = draw(st.sampled_from([0, 40, 700])) if spacing_ms > 1000 else draw(st.sampled_from([0, 40, 300]))
    alphabet = draw(st.sampled_from([[100.0], [0.0, 40.0], [1.5, 2.5, 3.5], [float(n) / 7 for n in range(500)]]))
    fates = draw(st.lists(st.sampled_from("kkkkkkld"), min_size=8, max_size=40))
    shuffle = random.Random(draw(st.integers(0, 999)))
    entries: list[LedgerEntry] = []
    rows: list[Reading] = []
    for number, fate in enumerate(fates):
        at_ms = START_MS + number * spacing_ms + shuffle.randint(0, 40)
        value = alphabet[number % 500] if len(alphabet) == 500 else shuffle.choice(alphabet)
        entries.append(answered("d", at_ms, power_active_total=value, energy_active_import=1e7 + number * 1e-3))
        stamp_ms = at_ms + offset_ms + shuffle.randint(0, 30)
        if fate in "kd":
            rows.append(reading("d", stamp_ms, power_active_total=value, energy_active_import=1e7 + number * 1e-3))
        if fate == "d":
            double_ms = stamp_ms + shuffle.randint(1, 250)
            rows.append(reading("d", double_ms, power_active_total=value, energy_active_import=1e7 + number * 1e-3))
    shuffle.shuffle(rows)
    return entries, rows, fates.count("l"), fates.count("d")


@given(disturbed_series())
def test_planted_losses_and_doubles_are_counted_exactly(
    series: tuple[list[LedgerEntry], list[Reading], int, int],
) -> None:
    entries, rows, lost, doubled = series
    result = audit(entries, {"d": rows})
    assert counts(result) == (2 * len(entries), 2 * len(rows), 2 * lost, 2 * doubled), result.details[:5]
    assert result.unexplained == 0
    assert result.produced - result.missing + result.duplicated == result.stored


@given(st.integers(10, 60), st.sets(st.integers(0, 59), max_size=9), st.sets(st.integers(0, 59), max_size=9))
def test_a_lamp_that_always_says_the_same_is_counted_exactly(number: int, lost: set[int], doubled: set[int]) -> None:
    lost = {n for n in lost if n < number}
    doubled = {n for n in doubled if n < number} - lost
    times = [START_MS + 10_000 * n for n in range(number)]
    rows = [reading("lamp", at + 3, level_percent=100.0) for n, at in enumerate(times) if n not in lost]
    rows += [reading("lamp", times[n] + 4, level_percent=100.0) for n in doubled]
    result = audit([answered("lamp", at, level_percent=100.0) for at in times], {"lamp": rows})
    assert counts(result) == (number, len(rows), len(lost), len(doubled))


def test_a_clean_run_is_clean() -> None:
    entries = [
        answered("m", START_MS + 1000 * n, voltage_l1=230.1 + n / 10, energy_active_export=0.0) for n in range(99)
    ]
    rows = [
        reading("m", START_MS + 1000 * n + 9, voltage_l1=230.1 + n / 10, energy_active_export=0.0) for n in range(99)
    ]
    result = audit(entries, {"m": rows})
    assert counts(result) == (198, 198, 0, 0)
    assert result.clean


def test_blocks_of_one_poll_that_share_a_late_stamp_are_found() -> None:
    """Four requests take 0.8 s at 9600 baud; the sample is stamped at the last. The first holds constants only."""
    entries, rows = [], []
    for n in range(50):
        poll_ms = START_MS + 2000 * n
        entries += [
            answered("m", poll_ms, energy_active_export=0.0),
            answered("m", poll_ms + 800, voltage_l1=230 + n / 3),
        ]
        rows.append(reading("m", poll_ms + 805, energy_active_export=0.0, voltage_l1=230 + n / 3))
    assert counts(audit(entries, {"m": rows})) == (100, 100, 0, 0)


def test_a_usual_delay_of_most_of_the_interval_is_learnt_from_constants_alone() -> None:
    times = [START_MS + 1000 * n for n in range(50)]
    rows = [reading("m", at + 800, energy_active_export=0.0) for at in times]
    assert counts(audit([answered("m", at, energy_active_export=0.0) for at in times], {"m": rows})) == (50, 50, 0, 0)


def test_a_usual_delay_is_not_bent_to_excuse_a_loss_by_a_double() -> None:
    entries = [answered("m", START_MS + 800 * n, energy_active_export=0.0) for n in range(4)]
    rows = [reading("m", START_MS + at, energy_active_export=0.0) for at in (820, 1170, 1620, 2420)]
    assert counts(audit(entries, {"m": rows})) == (4, 4, 1, 1)


def test_an_echo_and_a_report_of_the_same_value_are_two() -> None:
    entries = [answered("lamp", START_MS + at, level_percent=40.0) for at in (0, 30, 60, 5000)]
    rows = [reading("lamp", START_MS + at, level_percent=40.0) for at in (51, 52, 70, 5002)]
    assert counts(audit(entries, {"lamp": rows})) == (4, 4, 0, 0)
    assert counts(audit(entries, {"lamp": rows[1:]})) == (4, 3, 1, 0)
    double = reading("lamp", START_MS + 71, level_percent=40.0)
    assert counts(audit(entries, {"lamp": [*rows, double]})) == (4, 5, 0, 1)


def test_a_value_that_was_never_answered_is_unexplained_and_counted_as_double() -> None:
    result = audit([answered("m", START_MS, voltage_l1=230.0)], {"m": [reading("m", START_MS + 5, voltage_l1=231.0)]})
    assert counts(result) == (1, 1, 1, 1)
    assert result.unexplained == 1
    assert [str(finding) for finding in result.details] == [
        f"missing: m voltage_l1 = 230.0 at {START_MS}",
        f"unexplained: m voltage_l1 = 231.0 at {START_MS + 5}",
    ]


def test_a_device_that_the_ledger_does_not_know_hides_nothing() -> None:
    result = audit([], {"stranger": [reading("stranger", START_MS, voltage_l1=1.0, frequency=50.0)]})
    assert counts(result) == (0, 2, 0, 2)
    assert result.unexplained == 2


def test_a_stamp_far_from_the_answer_is_no_match() -> None:
    entries = [answered("m", START_MS, voltage_l1=230.0)]
    assert audit(entries, {"m": [reading("m", START_MS + 1999, voltage_l1=230.0)]}).clean
    late = audit(entries, {"m": [reading("m", START_MS + 2001, voltage_l1=230.0)]})
    assert (late.missing, late.duplicated) == (1, 1)


def test_moments_are_compared_as_float32_and_counters_exactly() -> None:
    entries = [answered("m", START_MS, voltage_l1=230.1, energy_active_import=123_456_789.1)]
    good = reading("m", START_MS, voltage_l1=230.10000610351562, energy_active_import=123_456_789.1)
    bad = reading("m", START_MS, voltage_l1=230.10000610351562, energy_active_import=123_456_792.0)
    assert audit(entries, {"m": [good]}).clean
    assert counts(audit(entries, {"m": [bad]})) == (2, 2, 1, 1)


@pytest.mark.parametrize("stored", [[], [0], [1], [0, 1]])
def test_an_unsure_answer_may_be_stored_or_not(stored: Sequence[int]) -> None:
    entries = [
        answered("m", START_MS, voltage_l1=230.0),
        answered("m", START_MS + 100, kind="unsure", voltage_l1=230.0),
    ]
    rows = [reading("m", START_MS + 100 * n, voltage_l1=230.0) for n in stored]
    result = audit(entries, {"m": rows})
    assert (result.missing, result.duplicated) == ((1, 0) if not stored else (0, 0))
    assert result.produced - result.missing + result.duplicated == result.stored == len(rows)


def test_a_certain_answer_takes_the_row_of_an_unsure_one_of_the_same_value() -> None:
    entries = [answered("m", START_MS + 5000 * n, voltage_l1=230.0 + n % 2) for n in range(6)]
    entries.insert(2, answered("m", START_MS + 4900, kind="unsure", voltage_l1=231.0))
    rows = [reading("m", START_MS + 5000 * n + 10, voltage_l1=230.0 + n % 2) for n in range(6)]
    assert counts(audit(entries, {"m": rows})) == (6, 6, 0, 0)


def test_swapped_stamps_are_out_of_order() -> None:
    entries = [answered("m", START_MS + 1000 * n, voltage_l1=230.0 + n) for n in range(3)]
    rows = [reading("m", START_MS + at, voltage_l1=value) for at, value in ((0, 230.0), (1900, 231.0), (1500, 232.0))]
    result = audit(entries, {"m": rows})
    assert (result.missing, result.duplicated, result.out_of_order) == (0, 0, 1)
    assert not result.clean


def test_what_lamps_did_is_not_counted() -> None:
    acted = LedgerEntry("acted", "lamp", START_MS, {}, {"level_percent": 40.0})
    assert counts(audit([acted], {})) == (0, 0, 0, 0)


def test_a_total_loss_of_a_long_run_is_counted_in_good_time() -> None:
    entries = [answered("m", START_MS + 1000 * n, energy_active_export=0.0) for n in range(20_000)]
    assert counts(audit(entries, {})) == (20_000, 0, 20_000, 0)


RULES = {"m": ReportByException(heartbeat_s=10, deadband={"voltage_l1": 0.5})}


def reported(keep: Callable[[float, float, float], bool], rules=RULES) -> AuditResult:
    """Audit 40 slowly rising volts, one a second, of which those were stored that `keep` wants.

    `keep` is asked with the last value stored, the last one read, and the value.
    """
    volts = [230 + 0.2 * n for n in range(40)]
    entries = [answered("m", START_MS + 1000 * n, voltage_l1=value) for n, value in enumerate(volts)]
    rows, last = [], float("-inf")
    for n, value in enumerate(volts):
        if keep(last, volts[n - 1] if n else float("-inf"), value):
            rows.append(reading("m", START_MS + 1000 * n + 7, voltage_l1=value))
            last = value
    return audit(entries, {"m": rows}, rules=rules)


def test_what_lies_within_the_deadband_of_the_last_value_stored_is_suppressed():
    result = reported(lambda stored, _read, value: abs(value - stored) > 0.5)
    assert (result.missing, result.duplicated, result.suppressed) == (0, 0, 26)
    assert result.produced == result.stored == 14


def test_a_gateway_that_compares_with_the_last_value_read_is_caught():
    result = reported(lambda stored, read, value: stored == float("-inf") or abs(value - read) > 0.5)
    assert result.missing == 37


def test_without_a_rule_nothing_may_be_left_out():
    assert reported(lambda stored, _read, value: abs(value - stored) > 0.5, rules={}).missing == 26


def test_the_first_of_equal_values_is_the_one_that_was_stored():
    """A poll of several requests is stamped at its end: 180 ms after the answer that gave this value."""
    counter = [850.0, 850.0, 850.0, 860.0, 860.0, 860.0, 870.0]
    entries = [answered("m", START_MS + 2000 * n, energy_active_import=value) for n, value in enumerate(counter)]
    rows = [reading("m", START_MS + 2000 * n + 180, energy_active_import=counter[n]) for n in (0, 3, 6)]
    result = audit(entries, {"m": rows}, rules=RULES)
    assert (result.missing, result.duplicated, result.suppressed) == (0, 0, 4)


def test_a_wide_window_does_not_give_a_row_to_a_repeat_of_its_value():
    volts = [230.0, 230.0, 231.0, 231.0, 230.0, 230.0, 230.0]
    entries = [answered("m", START_MS + 2000 * n, voltage_l1=value) for n, value in enumerate(volts)]
    rows = [reading("m", START_MS + 2000 * n + 180, voltage_l1=volts[n]) for n in (0, 2, 4)]
    for window_ms in (450, 2_000, 4_500):
        result = audit(entries, {"m": rows}, tolerance_ms=4_500, repeat_window_ms=window_ms, rules=RULES)
        assert (result.missing, result.duplicated, result.suppressed) == (0, 0, 4), window_ms


def test_a_heartbeat_that_does_not_come_is_missing():
    entries = [answered("m", START_MS + 1000 * n, voltage_l1=230.0) for n in range(15)]
    first = reading("m", START_MS + 7, voltage_l1=230.0)
    result = audit(entries, {"m": [first]}, rules=RULES)
    assert (result.suppressed, result.missing) == (10, 4)
    assert audit(entries, {"m": [first, reading("m", START_MS + 10_007, voltage_l1=230.0)]}, rules=RULES).clean
