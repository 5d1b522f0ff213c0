"""Replies that come long after their time-out: 0.2 to 30 s late where the reader waits 0.3 s. None becomes a value."""

import asyncio

import pytest

from bench.hostile_wire import HostileWire
from bench.million import PAIRS, OurReader, Tally
from lentera_drivers.modbus.doubt import LATE_MS, Doubts
from lentera_drivers.modbus.question import Question, reading
from lentera_sim.virtual_time import run_in_virtual_time
from tests.drivers.wires import rtu_frame

TIMEOUT_S = 0.3
UNITS = range(1, 5)
ROUNDS = 1_200
BLOCK, SHORT, CANARY = reading(5, 3, 100, 12), reading(5, 3, 200, 2), reading(5, 3, 100, 1)


async def rounds(wire: HostileWire, count: int, pause_s: float = 0.25) -> Tally:
    """Poll every unit so many times, with a pause after each round."""
    reader, tally = OurReader(wire), Tally()
    for _ in range(count):
        for unit in UNITS:
            await reader.poll(unit, tally)
        await asyncio.sleep(pause_s)
    return tally


def late_wire(late_s: tuple[float, float], in_turn: bool, seed: int, rounds_count: int) -> tuple[Tally, int]:
    """Poll a wire where a quarter of the replies are late; return what was believed, and how many were late."""

    async def work() -> tuple[Tally, int]:
        wire = HostileWire("rtu", PAIRS, TIMEOUT_S, seed, {"late": 0.25}, late_s=late_s, in_turn=in_turn)
        return await rounds(wire, rounds_count), wire.faults["late"]

    return run_in_virtual_time(work())


@pytest.mark.parametrize("late_s", [(0.2, 3.0), (0.29, 0.35), (0.95, 1.05), (2.0, 3.0)], ids=str)
@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "out of order"])
def test_a_late_reply_is_never_a_value(late_s, in_turn):
    tally, late = late_wire(late_s, in_turn, 1, ROUNDS)
    assert tally.wrong_values == 0
    assert late > 300
    assert tally.good_values > 4 * tally.polls, "what is on time is still read"


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize(("late_s", "in_turn"), [((4.0, 8.0), True), ((5.0, 30.0), True), ((3.4, 3.6), False)], ids=str)
def test_a_reply_that_is_later_than_anybody_waits_for_is_no_value_either(late_s, in_turn, seed):
    """In turn however late; out of order as late as it takes to hear once how late the unit can be."""
    tally, late = late_wire(late_s, in_turn, seed, ROUNDS // 3)
    assert tally.wrong_values == 0
    assert late > 20
    assert tally.good_values > 0


def test_every_reply_late_gives_no_value_at_all_and_no_wrong_one():
    async def work() -> tuple[Tally, Tally]:
        wire = HostileWire("rtu", PAIRS, TIMEOUT_S, 1, {"late": 1.0}, late_s=(1.0, 1.0), in_turn=True)
        reader, during, after = OurReader(wire), Tally(), Tally()
        for tally in (during, after):
            for _ in range(200):
                for unit in UNITS:
                    await reader.poll(unit, tally)
                await asyncio.sleep(0.25)
            wire.shares = {}
        return during, after

    during, after = run_in_virtual_time(work())
    assert (during.good_values, during.wrong_values, after.wrong_values) == (0, 0, 0)
    assert after.good_values > 0


def overdue(*asked: Question) -> Doubts:
    doubts = Doubts()
    for question in asked:
        doubts.missed(question, 1_000)
    return doubts


@pytest.mark.parametrize(("doubts", "question", "at_ms", "waits_ms"), [
    pytest.param(overdue(), BLOCK, 1_000, 0, id="nothing is overdue"),
    pytest.param(overdue(BLOCK), BLOCK, 1_000, LATE_MS, id="its own answer is"),
    pytest.param(overdue(BLOCK), BLOCK, 999 + LATE_MS, 1, id="still"),
    pytest.param(overdue(BLOCK), BLOCK, 1_000 + LATE_MS, 0, id="it will not come any more"),
    pytest.param(overdue(BLOCK), reading(5, 3, 300, 12), 1_000, LATE_MS, id="other registers, but as many"),
    pytest.param(overdue(BLOCK), CANARY, 1_000, 0, id="another length cannot be mistaken"),
    pytest.param(overdue(BLOCK), reading(6, 3, 100, 12), 1_000, 0, id="another unit neither"),
    pytest.param(overdue(BLOCK), reading(5, 4, 100, 12), 1_000, 0, id="another function neither"),
    pytest.param(overdue(CANARY), CANARY, 1_000, LATE_MS, id="a late canary is one too"),
])  # fmt: skip
def test_a_question_whose_answer_is_overdue_is_not_put_again(doubts, question, at_ms, waits_ms):
    assert doubts.waits_ms(question, at_ms) == waits_ms


def test_an_answer_that_was_heard_is_no_longer_overdue():
    doubts = overdue(BLOCK, SHORT)
    doubts.spoke(rtu_frame(5, 3, [0] * 12)[:-2], 1_500)
    assert doubts.waits_ms(BLOCK, 1_000) == 0
    assert doubts.waits_ms(SHORT, 1_000) == LATE_MS
    assert doubts.concern(BLOCK, 1_000), "the unit is in doubt all the same"


def test_who_is_in_step_again_is_asked_for_what_is_overdue_only_later():
    doubts = overdue(BLOCK)
    doubts.units.discard(5)
    assert doubts.concern(BLOCK, 1_000)
    assert not doubts.concern(SHORT, 1_000)
    assert not doubts.concern(BLOCK, 1_000 + LATE_MS)


def test_a_unit_that_answers_with_the_reply_before_is_found_out_by_every_canary():
    """Also after any pause: it hands a reply out when it is asked the next time, be it minutes later."""

    async def work() -> tuple[Tally, int]:
        wire = HostileWire("rtu", PAIRS, TIMEOUT_S, 1, {"behind": 0.1, "silent": 0.1})
        return await rounds(wire, ROUNDS, 1.0), wire.faults["behind"]

    tally, behind = run_in_virtual_time(work())
    assert tally.wrong_values == 0
    assert behind > 100
    assert tally.good_values > 0


@pytest.mark.parametrize(("lengths", "chosen"), [
    ((1, 2, 3), [1, 2, 3, 1, 2, 3, 1, 2]),
    ((1, 2, 3, 5, 7, 8), [1, 2, 3, 5, 7, 8, 1, 2]),
    ((1, 2), [1, 2, None, None, None, None, None, None]),
])  # fmt: skip
def test_the_canary_that_was_asked_longest_ago_takes_its_turn(lengths, chosen):
    doubts, canaries, found = Doubts(), [reading(5, 3, 100, count) for count in lengths], []
    for at in range(8):
        which = doubts.unmistakable(canaries, at * LATE_MS)
        found.append(None if which is None else lengths[which])
        if which is not None:
            doubts.asked(canaries[which])
            doubts.missed(canaries[which], at * LATE_MS)
    assert found == chosen


def test_a_unit_that_was_heard_late_is_waited_for_thrice_as_long_for_an_hour():
    doubts = overdue(BLOCK)
    doubts.spoke(rtu_frame(5, 3, [0] * 12)[:-2], 6_000)
    doubts.missed(SHORT, 10_000)
    assert doubts.waits_ms(SHORT, 10_000) == 15_000
    doubts.missed(reading(6, 3, 200, 2), 10_000)
    assert doubts.waits_ms(reading(6, 3, 200, 2), 10_000) == LATE_MS, "another unit is not"
    doubts.missed(SHORT, 6_000 + 3_600_000)
    assert doubts.waits_ms(SHORT, 6_000 + 3_600_000) == LATE_MS


def test_a_frame_that_comes_minutes_after_a_time_out_is_no_late_answer():
    doubts = overdue(BLOCK)
    doubts.spoke(rtu_frame(5, 3, [0] * 12)[:-2], 200_000)
    doubts.missed(SHORT, 200_000)
    assert doubts.waits_ms(SHORT, 200_000) == LATE_MS
