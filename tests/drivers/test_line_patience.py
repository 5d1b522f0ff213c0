"""When the silent units of a bus are asked again: while others answer, while nobody does, and when one is back."""

import asyncio
from itertools import pairwise

import pytest

from lentera_drivers.driver import Driver, DriverError, open_driver
from lentera_drivers.modbus.breaker import DEAD_SHARE, REST_MAX_MS, REST_STEP_MS
from lentera_drivers.modbus.patience import STARTING_MS, TOGETHER_MS, Patience
from lentera_sim.virtual_time import run_in_virtual_time
from tests.drivers.modbus_bench import meter, rtu_bus, small
from tests.drivers.wires import parse_request, rtu_frame

TIMEOUT_COST_MS = 500.0


def bus_of(alive: tuple[int, ...], now_ms: int = 0) -> Patience:
    it = Patience(last_answer_ms=now_ms)
    for unit in alive:
        it.answered(unit, now_ms)
    return it


def silence(it: Patience, unit: int, now_ms: int) -> None:
    """A question in vain, as the line and the driver report it."""
    it.spent(unit, now_ms, TIMEOUT_COST_MS)
    it.missed(unit, now_ms)


def power_cut(units: int, at_ms: int) -> Patience:
    """A bus whose units all answered at `at_ms` and then never again; each was asked once, half a second apart."""
    it = bus_of(tuple(range(1, units + 1)), at_ms)
    for unit in range(1, units + 1):
        silence(it, unit, at_ms + 500 * unit)
    return it


def test_while_others_answer_pauses_grow_and_the_account_is_kept():
    it, now_ms, rests = bus_of((1,)), 0, []
    for _ in range(200):
        silence(it, 9, now_ms)
        it.last_answer_ms = now_ms
        rests.append(it.rests_for_ms(9, now_ms))
        now_ms += rests[-1]
        assert it.rests_for_ms(9, now_ms) == 0
    assert rests[1] >= 2 * REST_STEP_MS
    assert max(rests) == REST_MAX_MS
    assert 200 * TIMEOUT_COST_MS / now_ms < DEAD_SHARE


def test_while_nobody_answers_no_pause_grows_and_nothing_is_accounted_for():
    it = power_cut(32, 0)
    assert it.nobody_answers
    now_ms = 16_500
    for _ in range(50):
        for unit in range(1, 33):
            silence(it, unit, now_ms)
            assert it.rests_for_ms(unit, now_ms) == REST_STEP_MS
        now_ms += REST_STEP_MS
        assert all(it.rests_for_ms(unit, now_ms) == 0 for unit in range(1, 33))


def test_the_first_that_answers_brings_all_that_fell_with_it_back_to_a_probe():
    it = power_cut(32, 0)
    silence(it, 7, 60_000)
    it.answered(3, 60_100)
    assert not it.nobody_answers
    assert [it.rests_for_ms(unit, 60_100) for unit in range(1, 33)] == [0] * 32
    assert it.misses(3) == 0
    assert it.misses(7) == 1


def test_units_that_start_slowly_are_not_held_up():
    it = power_cut(32, 0)
    it.answered(1, 60_000)
    for now_ms in range(60_000, 60_000 + STARTING_MS, REST_STEP_MS):
        for unit in range(2, 33):
            assert it.rests_for_ms(unit, now_ms) == 0
            silence(it, unit, now_ms)
            assert it.rests_for_ms(unit, now_ms) == REST_STEP_MS
    # Whoever is silent even then is one of the usual dead.
    over_ms = 60_000 + STARTING_MS
    for unit in range(2, 6):
        silence(it, unit, over_ms)
    assert it.rests_for_ms(2, over_ms) > 2 * REST_STEP_MS
    assert it.rests_for_ms(6, over_ms) > REST_STEP_MS, "the account is overdrawn, and all the silent wait for it"


@pytest.mark.parametrize(("fell_before_ms", "prompted"), [(TOGETHER_MS - 1_000, True), (TOGETHER_MS + 1_000, False)])
def test_who_had_fallen_earlier_is_not_brought_back(fell_before_ms, prompted):
    cut_ms = 1_000_000
    it = bus_of((1, 2, 9), 0)
    silence(it, 9, cut_ms - fell_before_ms)
    it.last_answer_ms = cut_ms
    silence(it, 1, cut_ms + 500)
    silence(it, 2, cut_ms + 1_000)
    silence(it, 9, cut_ms + 60_000)
    it.answered(1, cut_ms + 60_500)
    assert it.rests_for_ms(2, cut_ms + 60_500) == 0
    assert (it.rests_for_ms(9, cut_ms + 60_500) == 0) == prompted


def test_a_second_outage_does_not_bring_back_who_stayed_silent_after_the_first():
    it = power_cut(3, 0)
    it.answered(1, 60_000)
    for now_ms in (60_500, 75_000, 90_000):
        silence(it, 2, now_ms)
    it.answered(3, 60_700)
    it.last_answer_ms = 100_000
    silence(it, 1, 100_500)
    silence(it, 3, 101_000)
    silence(it, 2, 119_500)
    it.answered(1, 120_000)
    assert it.rests_for_ms(3, 120_000) == 0
    assert it.rests_for_ms(2, 120_000) > 0


def test_units_that_never_answered_are_dead_and_not_fallen():
    it = Patience()
    for unit in (1, 2, 3):
        silence(it, unit, 1_000)
        assert it.rests_for_ms(unit, 1_000) == REST_STEP_MS
    it.answered(3, 4_000)
    silence(it, 1, 4_500)
    assert it.rests_for_ms(1, 4_500) == 2 * REST_STEP_MS


class Cabinet:
    """A line whose meters all lose their power at once."""

    def __init__(self) -> None:
        self.powered = True
        self.is_open = True
        self.asked: list[tuple[float, int, int]] = []

    async def open(self, on_bytes, on_lost) -> "Cabinet":
        del on_lost
        self.on_bytes = on_bytes
        return self

    def write(self, data: bytes) -> None:
        unit, function, _, count = parse_request(data)
        self.asked.append((asyncio.get_running_loop().time(), unit, count))
        if self.powered:
            asyncio.get_running_loop().call_later(0.05, self.on_bytes, rtu_frame(unit, function, [230] * count))

    def close(self) -> None:
        self.is_open = False


METERS = 16
EVERY_S = 5.0
PHASES = small(("voltage_l1", 101), ("voltage_l2", 102), ("voltage_l3", 103))


def driver_of(cabinet: Cabinet) -> Driver:
    clock = asyncio.get_running_loop().time
    return open_driver(
        rtu_bus("/dev/cabinet"),
        [meter(unit) for unit in range(1, METERS + 1)],
        PHASES,
        lambda: round(clock() * 1000),
        lambda _: None,
        lambda *_: None,
        connect=lambda _: cabinet.open,
    )


async def poll(driver: Driver, rounds: int) -> list[int]:
    """Poll all meters one after the other, each 5 s, as a gateway does; return how many gave values in each round."""
    clock, found = asyncio.get_running_loop().time, []
    for _ in range(rounds):
        end_s, good = clock() + EVERY_S, 0
        for unit in range(1, METERS + 1):
            try:
                good += len(await driver.read(f"m{unit}"))
            except DriverError:
                continue
        found.append(good)
        await asyncio.sleep(max(0.0, end_s - clock()))
    return found


def test_a_cabinet_that_gets_its_power_back_is_read_whole_within_two_rounds():
    async def work() -> tuple[list[int], list[tuple[float, int, int]]]:
        cabinet = Cabinet()
        driver = driver_of(cabinet)
        before = await poll(driver, 2)
        cabinet.powered = False
        dark = await poll(driver, 60)
        probes = cabinet.asked[-3 * METERS :]
        cabinet.powered = True
        return [*before, max(dark), *await poll(driver, 2)], probes

    rounds, probes = run_in_virtual_time(work())
    assert rounds[:3] == [METERS, METERS, 0]
    assert rounds[-1] == METERS, rounds
    assert {unit for _, unit, _ in probes} == set(range(1, METERS + 1)), "the probes go round"
    assert {count for *_, count in probes} == {1, 2, 4}, "short probes, of lengths that take turns"
    instants = [at_s for at_s, *_ in probes]
    assert min(after - before for before, after in pairwise(instants)) > 0.1, "one at a time"
