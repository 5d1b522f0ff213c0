"""What excuses a missing value and what does not, and that a plan follows from its seed."""

from collections import Counter

import pytest

from lentera_model.readings import Quality, Reading
from lentera_sim.audit import audit
from lentera_sim.ledger import LedgerEntry
from tests.faults.kills.judgement import Gap, Kill, judge
from tests.faults.kills.plan import VICTIMS, long_plan, short_plan

KILLED_MS = 1_790_000_010_000
KILLS = [Kill("gateway", KILLED_MS, KILLED_MS + 1), Kill("influxdb", KILLED_MS + 5_000, KILLED_MS + 5_001)]


def answer(at_ms: int, **values: float) -> LedgerEntry:
    return LedgerEntry("answered", "m1", KILLED_MS + at_ms, values)


TOLD = [Gap(KILLED_MS - 3_000, KILLED_MS + 2_000, "killed")]


def judged(entries: list[LedgerEntry], left_out: set[int], told: list[Gap] = TOLD):
    """Judge a store that lacks the entries of these numbers."""
    stored = [Reading("m1", "", one.at_ms, one.values, Quality(0)) for one in entries]
    rows = [row for number, row in enumerate(stored) if number not in left_out]
    result = audit(entries, {"m1": rows}, tolerance_ms=30_000, repeat_window_ms=30_000)
    return judge(result, entries, KILLS, told)


@pytest.mark.parametrize(
    ("at_ms", "lost"), [(-5_000, 1), (-3_100, 1), (-900, 0), (0, 0), (250, 0), (400, 1), (4_990, 1), (5_001, 1)]
)
def test_only_the_last_second_of_a_killed_gateway_may_be_missing(at_ms, lost):
    entries = [answer(number * 777 - 9_000, power_active_total=100.0 + number) for number in range(20)]
    judgement = judged([*entries, answer(at_ms, power_active_total=7.5)], {20})
    assert (len(judgement.lost), judgement.excused) == (lost, 1 - lost)


@pytest.mark.parametrize(("missing", "lost"), [({5}, 0), ({2}, 0), ({4, 5}, 0), ({3, 4, 5}, 1), ({1, 2, 3, 7}, 2)])
def test_of_equal_values_as_many_may_be_missing_as_were_answered_in_the_gap(missing, lost):
    entries = [answer(number * 2_000 - 10_500, level_percent=100.0) for number in range(12)]
    assert len(judged(entries, missing).lost) == lost


def test_of_equal_values_one_that_may_never_have_arrived_is_not_missed():
    entries = [answer(number * 2_000 + 1_000, level_percent=100.0) for number in range(12)]
    unsure = LedgerEntry("unsure", "m1", KILLED_MS + 3_500, {"level_percent": 100.0})
    result = audit([*entries, unsure], {"m1": []}, tolerance_ms=30_000, repeat_window_ms=30_000)
    assert len(judge(result, [*entries, unsure], KILLS, TOLD).lost) == 11


def test_what_is_missing_must_be_in_a_known_gap_too():
    entries = [answer(number * 300 - 9_000, power_active_total=100.0 + number) for number in range(20)]
    entries += [
        answer(-600, power_active_total=7.5),
        answer(-500, level_percent=100.0),
        answer(-3_500, level_percent=100.0),
    ]
    assert judged(entries, {20, 21}).untold == []
    assert len(judged(entries, {20, 21}, told=[]).untold) == 2
    assert len(judged(entries, {20, 21}, told=[Gap(KILLED_MS - 550, KILLED_MS, "killed")]).untold) == 1
    assert judged(entries, {20, 21}).excused == 2


def test_a_plan_follows_from_its_seed_and_meets_each_victim():
    for seed in range(20):
        assert short_plan(seed) == short_plan(seed)
        alone = [strike.victims[0] for strike in short_plan(seed) if len(strike.victims) == 1]
        assert sorted(alone) == sorted(VICTIMS)
        assert any(strike.victims == VICTIMS for strike in short_plan(seed))
        plan = long_plan(seed, 200)
        assert 200 <= sum(len(strike.victims) for strike in plan) < 205
        counts = Counter(len(strike.victims) for strike in plan)
        assert counts[1] > 30
        assert counts[5] > 1
        assert all(strike.after_s > 0 for strike in plan)
