"""What an end of the gateway may have cost is told by the next process: killed, without power, stopped in order."""

import shutil

import pytest

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.journal import MAX_UNSEALED_SAMPLES
from lentera_model.readings import Sample
from tests.gateway.journal_board import AT_MOST, HOUR, Board


@pytest.fixture
async def board(tmp_path):
    one = Board(tmp_path)
    await one.start()
    yield one
    for journal in one.journals:
        journal._io.stop()


async def test_a_first_start_has_nothing_to_tell(board):
    await board.run(20)
    assert await board.told() == []


async def test_a_killed_process_may_have_lost_its_last_second(board):
    await board.run(30)
    last_ms = board.wall()
    board.kill()
    board.now_ms += 7_400
    await board.start()
    await board.run(2)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("killed", last_ms, last_ms + 8_400)
    assert (gap.devices, gap.values, gap.detail_s) == ([], 0, 0)
    assert 5 <= gap.uncertainty_ms < 50


async def test_a_mark_stands_although_nothing_was_read(board):
    await board.run(5)
    await board.run(300, samples=False)
    last_ms = board.wall()
    board.kill()
    board.now_ms += 2_000
    await board.start()
    await board.run(12, samples=False)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("killed", last_ms, last_ms + 2_000)


async def test_a_poll_that_takes_long_is_told_with_what_it_may_have_cost(board):
    await board.run(3)
    board.journal.add(Sample("m1", "p", board.now_ms - 3_000, {"voltage_l1": 1.0}))
    await board.run(3)
    last_ms = board.wall()
    board.kill()
    await board.start()
    await board.run(1)
    (gap,) = await board.told()
    assert gap.from_ms == last_ms - 3_000


async def test_killed_again_before_it_was_told_is_one_gap_from_the_first_on(board):
    await board.run(30)
    last_ms = board.wall()
    for _ in range(3):
        board.kill()
        board.now_ms += 500
        await board.start()
        await board.run(3, samples=False)
    await board.run(1)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("killed", last_ms, board.wall())


async def test_each_kill_is_told_once(board):
    for _ in range(3):
        await board.run(15)
        board.kill()
        await board.start()
    await board.run(5)
    assert [gap.reason for gap in await board.told()] == ["killed"] * 3
    assert len({(gap.epoch, gap.number) for gap in await board.told()}) == 3


async def test_a_power_cut_costs_from_the_last_time_that_is_on_the_card(board):
    await board.run(HOUR // 1000, linked=True)
    saved_ms = board.wall()
    await board.run(200, linked=True)
    cut_ms = board.wall()
    board.power_cut()
    await board.start()
    await board.run(3)
    (gap,) = await board.told()
    assert (gap.reason, gap.to_ms) == ("power_cut", board.boot_wall_ms + 5_000)
    assert gap.from_ms == saved_ms - AT_MOST
    assert gap.from_ms < cut_ms - AT_MOST
    assert gap.uncertainty_ms >= AT_MOST


async def test_a_batch_on_the_card_bounds_a_power_cut_better_than_the_saved_time(board):
    await board.run(400)  # nobody takes the batches: they go onto the card
    cut_ms = board.wall()
    board.power_cut()
    await board.start()
    await board.run(3)
    (gap,) = await board.told()
    assert cut_ms - 2 * AT_MOST <= gap.from_ms <= cut_ms - AT_MOST + 70_000


async def test_an_orderly_stop_costs_nothing_before_it(board):
    await board.run(30)
    stopped_ms = board.wall()
    board.now_ms += 300
    await board.journal.close()
    board.now_ms += 60_000
    await board.start()
    await board.run(2)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("stopped", stopped_ms, stopped_ms + 61_300)


async def test_an_orderly_stop_between_two_samples_is_no_kill(board):
    await board.run(30)
    newest_ms = board.wall()
    await board.run(3, samples=False)
    await board.journal.close()
    board.now_ms += 10_000
    await board.start()
    await board.run(2)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("stopped", newest_ms, newest_ms + 14_000)


async def test_an_orderly_reboot_is_a_stop_too(board):
    await board.run(30)
    stopped_ms = board.wall()
    await board.journal.close()
    shutil.rmtree(board.root / "mem")
    board.reboot()
    await board.start()
    await board.run(2)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("stopped", stopped_ms, board.boot_wall_ms + 5_000)
    await board.run(30)
    board.power_cut()
    await board.start()
    await board.run(2)
    assert [one.reason for one in await board.told()] == ["stopped", "power_cut"], "a stop is told once"


async def test_a_stop_soon_after_the_start_tells_the_end_before_it(board):
    await board.run(30)
    last_ms = board.wall()
    board.kill()
    board.now_ms += 5_000
    await board.start()
    board.now_ms += 1_000
    await board.journal.close()
    shutil.rmtree(board.root / "mem")
    board.reboot()
    await board.start()
    await board.run(2)
    gaps = await board.told()
    assert [gap.reason for gap in gaps] == ["killed", "stopped"]
    assert (gaps[0].from_ms, gaps[0].to_ms) == (last_ms, gaps[1].from_ms)


async def test_what_is_told_waits_until_the_time_is_known(board):
    await board.run(30)
    board.trusted = False
    board.power_cut()
    await board.start()
    await board.run(40)
    board.kill()
    board.now_ms += 2_000
    await board.start()
    await board.run(20)
    assert await board.told() == []
    board.trusted = True
    await board.run(1)
    cut, kill = await board.told()
    assert (cut.reason, cut.to_ms) == ("power_cut", board.boot_wall_ms + 5_000)
    assert (kill.reason, kill.from_ms, kill.to_ms) == (
        "killed",
        board.boot_wall_ms + 44_000,
        board.boot_wall_ms + 47_000,
    )


async def test_a_boot_that_never_knew_the_time_lies_within_the_gap_of_the_next(board):
    await board.run(30)
    cut_ms = board.wall()
    board.trusted = False
    board.power_cut()
    await board.start()
    await board.run(30)
    board.power_cut()
    await board.start()
    board.trusted = True
    await board.run(2)
    (gap,) = await board.told()
    assert gap.reason == "power_cut"
    assert gap.from_ms < cut_ms
    assert gap.to_ms == board.boot_wall_ms + 5_000


async def test_a_board_that_never_knew_the_time_says_so(board, tmp_path):
    other = Board(tmp_path / "other", trusted=False)
    await other.start()
    await other.run(5)
    other.power_cut()
    await other.start()
    other.trusted = True
    await other.run(2)
    (gap,) = await other.told()
    assert gap.from_ms == BUILD_TIME_MS - AT_MOST
    other.journal._io.stop()


async def test_samples_that_find_no_place_are_told(board):
    await board.run(2)
    for number in range(MAX_UNSEALED_SAMPLES + 10):
        board.journal.add(Sample("m2", "p", board.now_ms + number % 7, {"voltage_l1": 1.0}))
    board.journal.add(Sample("m2", "p", board.now_ms, {"voltage_l1": 1.0}))
    await board.run(1, samples=False)
    (gap,) = await board.told()
    assert (gap.reason, gap.devices, gap.values) == ("samples_dropped", ["m2"], 11)
    assert (gap.from_ms, gap.to_ms) == (board.wall() - 1_000, board.wall() - 994)


async def test_a_full_memory_tier_holds_the_mark_back(board, monkeypatch):
    await board.run(10)
    last_ms = board.wall()
    monkeypatch.setattr(board.journal._store.open_log, "append", refuse)
    await board.run(5)
    board.kill()
    await board.start()
    await board.run(1)
    (gap,) = await board.told()
    assert gap.from_ms == last_ms


async def test_what_the_cloud_refuses_is_told_with_its_devices_and_times(board):
    await board.run(5)
    at_ms = board.wall()
    await board.journal.tick(seal_now=True)
    batch = await board.journal.next_batch(0)
    assert batch is not None
    await board.journal.refuse(batch.key, "from_future", "stamps lie in 2099")
    await board.run(1)
    (gap,) = await board.told()
    assert (gap.reason, gap.devices, gap.values) == ("refused", ["m1"], 5)
    assert (gap.from_ms, gap.to_ms) == (at_ms - 4_000, at_ms)


async def test_rows_that_the_cloud_refuses_are_told_alone(board):
    board.journal.add(Sample("m2", "p", board.now_ms + 500, {"voltage_l1": 1.0, "voltage_l2": 1.0}))
    await board.run(1)
    await board.journal.tick(seal_now=True)
    batch = await board.journal.next_batch(0)
    assert batch is not None
    await board.journal.acknowledge(batch.key, [{"device": "m2", "code": "undeclared_device", "text": "who?"}])
    await board.run(1)
    (gap,) = await board.told()
    assert (gap.reason, gap.devices, gap.values, gap.to_ms) == ("refused", ["m2"], 2, board.wall() - 1_500)


async def test_batches_of_a_boot_whose_time_nobody_knows_are_told(board):
    await board.run(30)
    known_ms = board.wall()
    await board.journal.close()
    board.trusted = False
    board.reboot()
    await board.start()
    await board.run(20)
    await board.journal.close()
    board.reboot()
    board.trusted = True
    await board.start()
    await board.run(2, linked=True)
    await board.run(1)
    gaps = {gap.reason: gap for gap in await board.told()}
    unknown = gaps["clock_unknown"]
    assert (unknown.devices, unknown.values) == (["m1"], 20)
    assert unknown.from_ms <= known_ms
    assert unknown.to_ms == board.boot_wall_ms


def refuse(*_args):
    raise OSError(28, "No space left on device")
