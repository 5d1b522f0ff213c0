"""The journal under a real SIGKILL, a really full file system, and a card that hangs."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from lentera_gateway.clock import monotonic_ms, system_wall_ms
from lentera_gateway.journal import Journal, JournalLimits
from lentera_model.batch import decode
from lentera_model.readings import Sample
from tests.gateway.journal_child import BOOT, FIT

CHILD = Path(__file__).with_name("journal_child.py")


async def child(folder, *words):
    return await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(folder), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def recovered(folder):
    """All sample numbers that a new process finds, in the order in which it would send them."""
    limits = JournalLimits(folder / "mem", folder / "card")
    journal = Journal("gw-1", BOOT, limits, monotonic_ms, system_wall_ms, lambda: FIT)
    recovery = await journal.open()
    await journal.tick()
    numbers = []
    while (batch := await journal.next_batch(journal.order)) is not None:
        numbers += [sample.monotonic_ms for sample in decode(batch.sealed).samples]
    await journal.close()
    return numbers, recovery


@pytest.mark.parametrize("mode", ["live", "economy"])
@pytest.mark.parametrize("ticks", [3, 40, 90])
async def test_sigkill_loses_nothing_that_a_tick_had_kept(tmp_path, mode, ticks):
    process = await child(tmp_path, mode)
    assert process.stdout is not None
    kept = 0
    for _ in range(ticks):
        kept = int((await process.stdout.readline()).split()[1])
    process.kill()
    rest = (await process.communicate())[0].split(b"\n")
    kept = max([kept, *(int(line.split()[1]) for line in rest if line.startswith(b"kept "))])
    numbers, _ = await recovered(tmp_path)
    assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1)), "nothing is missing in between"
    assert len(set(numbers)) >= kept
    assert len(set(numbers)) <= kept + 25
    # A kill between "copied to the card" and "marked as moved" leaves one batch on both tiers: the cloud knows replays.
    assert len(numbers) - len(set(numbers)) <= 400


async def test_a_full_file_system_is_survived_and_nothing_is_lost(tmp_path):
    process = await child(tmp_path, "live", "tight")
    out, err = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode == 0, err.decode()
    lines = out.decode().split("\n")
    assert any(line.startswith("trouble") and "File too large" in line for line in lines), lines[-5:]
    numbers, recovery = await recovered(tmp_path)
    assert sorted(set(numbers)) == list(range(1, 20_001))
    assert recovery.damaged_records == 0


async def test_a_card_that_hangs_stops_neither_the_loop_nor_the_samples(tmp_path):
    limits = JournalLimits(tmp_path / "mem", tmp_path / "card", power_loss_budget_s=0)
    journal = Journal("gw-1", BOOT, limits, monotonic_ms, system_wall_ms, lambda: FIT)
    await journal.open()
    journal.live = True
    release, hanging = threading.Event(), threading.Event()
    real_sync = journal._store.places.card.sync

    def hang():
        hanging.set()
        release.wait(20)
        real_sync()

    journal._store.places.card.sync = hang
    journal.add(Sample("m1", "p", 1, {"voltage_l1": 1.0}))
    tick = asyncio.create_task(journal.tick())
    while not hanging.is_set():
        await asyncio.sleep(0.001)
    for number in range(2, 500):
        journal.add(Sample("m1", "p", number, {"voltage_l1": 1.0}))
        await asyncio.sleep(0)
    assert not tick.done()
    release.set()
    await tick
    await journal.tick()
    await journal.close()
    numbers, _ = await recovered(tmp_path)
    assert numbers == list(range(1, 500))


async def test_samples_are_bounded_while_the_thread_is_stuck(tmp_path, monkeypatch):
    monkeypatch.setattr("lentera_gateway.journal.journal.MAX_UNSEALED_SAMPLES", 100)
    journal = Journal(
        "gw-1", BOOT, JournalLimits(tmp_path / "mem", tmp_path / "card"), monotonic_ms, system_wall_ms, lambda: FIT
    )
    await journal.open()
    for number in range(150):
        journal.add(Sample("m1", "p", number, {"voltage_l1": 1.0}))
    assert (await journal.status()).counters.dropped_samples == 50
    await journal.close()
    numbers, _ = await recovered(tmp_path)
    assert numbers == list(range(50, 150))


async def test_economy_mode_seals_by_age_and_by_size(tmp_path):
    clock = [0]
    limits = JournalLimits(tmp_path / "mem", tmp_path / "card", seal_age_s=60, seal_bytes=4096)
    journal = Journal("gw-1", BOOT, limits, lambda: clock[0], system_wall_ms, lambda: FIT)
    await journal.open()
    for second in range(61):
        clock[0] = second * 1000
        journal.add(Sample("m1", "p", clock[0], {"voltage_l1": 230.0 + second}))
        await journal.tick()
        assert (await journal.status()).sequence == (1 if second == 60 else 0)
    for number in range(20_000):
        journal.add(Sample("m1", "p", number, {"voltage_l1": 230.0}))
    await journal.tick()
    assert (await journal.status()).sequence >= 2
    await journal.close()


async def test_the_memory_tier_costs_few_bytes_a_value_and_the_card_none_while_acknowledged(tmp_path):
    journal = Journal(
        "gw-1", BOOT, JournalLimits(tmp_path / "mem", tmp_path / "card"), monotonic_ms, system_wall_ms, lambda: FIT
    )
    await journal.open()
    journal.live = True
    for second in range(50):
        for device in range(20):
            journal.add(Sample(f"m{device}", "p", second, {f"q{i}": 230.0 + i for i in range(30)}))
        await journal.tick()
        batch = await journal.next_batch(0)
        assert batch is not None
        await journal.acknowledge(batch.key)
    status = await journal.status()
    assert status.values_total == 50 * 20 * 30
    assert status.waiting_batches == 0
    assert status.counters.written_card_bytes < 200, "the epoch, nothing else"
    await journal.close()
