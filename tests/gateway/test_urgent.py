"""Alarms and settings under a step of the quota: each change is sealed at once, by itself, and no mean is broken."""

import pytest

from lentera_gateway.delivery.quota import SHAPES, Step
from lentera_gateway.journal.urgent import EVERY_MS, URGENT, Urgent
from lentera_model.batch import decode
from lentera_model.quantities import CATALOGUE, Kind
from lentera_model.readings import Sample
from tests.gateway.journal_board import Board

AT_S = 37
"""When the lamp fails, on a board whose clock begins at 20 s."""


def lamp(at_ms: int, **values: float) -> Sample:
    return Sample("lamp-1", "p", at_ms, values)


def sealed(batch) -> list[tuple[str, int, dict[str, float]]]:
    return [(one.device, one.monotonic_ms, dict(one.values)) for one in decode(batch.sealed).samples]


@pytest.fixture
async def board(tmp_path):
    one = Board(tmp_path)
    await one.start()
    yield one
    for journal in one.journals:
        journal._io.stop()


async def second(board: Board, **values: float) -> list[list[tuple[str, int, dict[str, float]]]]:
    """A second of a lamp that says these values; returns what was sealed in it."""
    board.now_ms += 1000
    board.journal.add(lamp(board.now_ms, **values))
    await board.journal.tick()
    found = []
    while (batch := await board.journal.next_batch(0)) is not None:
        found.append(sealed(batch))
        await board.journal.acknowledge(batch.key)
    return found


@pytest.mark.parametrize("step", SHAPES)
async def test_an_alarm_is_sealed_in_the_second_in_which_it_comes(board, step):
    await second(board, lamp_failure=0.0)
    await board.journal.reshape(SHAPES[step])
    while board.now_ms < AT_S * 1000:
        assert await second(board, power_active_total=40.0, lamp_failure=0.0, operating_time=1.0) in (
            [],
            [[("lamp-1", 21_000, {"lamp_failure": 0.0})]],
        )
    alarm = await second(board, power_active_total=2.0, lamp_failure=1.0, operating_time=1.0)
    assert alarm == [[("lamp-1", board.now_ms, {"lamp_failure": 1.0})]]
    assert await second(board, power_active_total=2.0, lamp_failure=1.0, operating_time=1.0) == []


async def test_what_is_sealed_at_once_breaks_no_mean(board):
    await board.journal.reshape(SHAPES[Step.MEANS_60])
    found = []
    while board.now_ms < 301_000:
        on = board.now_ms >= 250_000
        found += await second(board, power_active_total=2.0 if on else 40.0, lamp_failure=float(on))
    *alarms, means = found
    assert [one for batch in alarms for one in batch] == [
        ("lamp-1", 21_000, {"lamp_failure": 0.0}),
        ("lamp-1", 251_000, {"lamp_failure": 1.0}),
    ]
    left = [(at_ms, values["power_active_total"]) for _, at_ms, values in means if "power_active_total" in values]
    whole = pytest.approx((11 * 40 + 49 * 2) / 60)
    assert left == [(59_000, 40.0), (119_000, 40.0), (179_000, 40.0), (239_000, 40.0), (299_000, whole)]


async def test_a_lamp_that_flickers_is_sealed_every_ten_seconds_and_each_change_is_there(board):
    await board.journal.reshape(SHAPES[Step.COUNTERS])
    batches = []
    for at in range(60):
        batches += await second(board, device_fault=float(at % 2))
    assert [batch[-1][1] for batch in batches] == [21_000 + n * EVERY_MS for n in range(6)]
    assert [values["device_fault"] for batch in batches for _, _, values in batch] == [at % 2 for at in range(51)]


async def test_a_kill_after_an_alarm_was_sealed_loses_nothing_of_what_waits(board):
    await board.journal.reshape(SHAPES[Step.MEANS_900])
    taken: dict[int, dict[str, float]] = {}
    for at in range(20):
        board.now_ms += 1000
        taken[board.now_ms] = {"power_active_total": float(at), "lamp_failure": float(at >= 10)}
        board.journal.add(lamp(board.now_ms, **taken[board.now_ms]))
        await board.journal.tick()
    board.kill()
    await board.start()
    await board.run(1, samples=False)
    back: dict[int, dict[str, float]] = {}
    while (batch := await board.journal.next_batch(1 << 40)) is not None:
        for _, at_ms, values in sealed(batch):
            assert not back.get(at_ms, {}).keys() & values.keys(), "nothing is there twice"
            back.setdefault(at_ms, {}).update(values)
    assert back == taken


def test_a_level_that_trembles_is_no_change_and_a_slow_drift_is():
    it = Urgent()
    assert it.part([lamp(0, level_percent=40.0)], apart=False) == [lamp(0, level_percent=40.0)]
    levels = [40.4, 39.6, 40.9, 41.0, 41.5, 40.2, 40.0]
    left = it.part([lamp(n, level_percent=level, tariff=1.0) for n, level in enumerate(levels)], apart=True)
    assert it.take() == [lamp(3, level_percent=41.0), lamp(6, level_percent=40.0)]
    assert [len(one.values) for one in left] == [2, 2, 2, 1, 2, 2, 1]
    assert all(CATALOGUE[name].kind is Kind.STATE for name in URGENT)
