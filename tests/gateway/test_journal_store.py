"""The two tiers as one queue, on real folders, with a clock that the test moves."""

import errno
import os
import random
from dataclasses import replace

import pytest

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import CommandRecord
from lentera_gateway.journal.store import JournalFolderError, JournalStore
from lentera_model.batch import ClockFit, decode, peek
from lentera_model.readings import Sample

BOOT = bytes(range(16))
FIT = ClockFit(1_790_000_000_000, 5, "ntp")
WALL = 1_790_000_000_000


def sample(at, value=1.0, device="m1"):
    return Sample(device, "eastron_sdm630", at, {"voltage_l1": value, "energy_active_import": float(at)})


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card", memory_max_bytes=1 << 20, card_max_bytes=1 << 20)


def opened(limits, boot=BOOT, at=0):
    store = JournalStore("gw-1", boot, limits)
    store.open(at, WALL)
    return store


def killed(store):
    """What kill -9 leaves: open files closed by the kernel, nothing else done."""
    store.places.memory.close_segment()
    store.places.card.close_segment()
    os.close(store._lock)


def drained(store, live_after=1 << 40):
    batches = []
    while (batch := store.outbox.next_batch(live_after)) is not None:
        batches.append(batch)
    return batches


def stamps(batches):
    return [s.monotonic_ms for batch in batches for s in decode(batch.sealed).samples]


def test_epoch_rises_by_one_and_sequence_starts_anew(limits):
    first = opened(limits)
    first.seal([sample(1)], 1000, FIT)
    killed(first)
    second = opened(limits)
    second.seal([sample(2)], 2000, FIT)
    keys = [batch.key for batch in drained(second)]
    assert keys == [Key(first.state.epoch, 1), Key(first.state.epoch + 1, 1)]


def test_a_wiped_card_never_reuses_an_epoch(limits, tmp_path):
    first = opened(limits)
    killed(first)
    other = JournalLimits(tmp_path / "mem2", tmp_path / "card2")
    store = JournalStore("gw-1", BOOT, other)
    store.open(0, WALL + 60_000)
    assert store.state.epoch > first.state.epoch
    assert first.state.epoch == WALL // 1000


def test_killed_process_loses_only_what_was_not_logged(limits):
    store = opened(limits)
    store.seal([sample(1), sample(2)], 1000, FIT)
    store.keep_samples([sample(3)])
    store.keep_samples([sample(4)])
    killed(store)
    again = opened(limits)
    assert again.places.recovery.batches == 2
    assert again.places.recovery.samples == 2
    again.pin(FIT)
    batches = drained(again)
    assert stamps(batches) == [1, 2, 3, 4]
    assert batches[1].key == Key(store.state.epoch, 2), "unsealed samples keep the name that their batch would have had"
    assert again.open_log.size == 0


def test_samples_that_made_it_into_a_batch_are_not_doubled(limits):
    store = opened(limits)
    store.keep_samples([sample(1)])
    log = store.open_log.path.read_bytes()
    store.seal([sample(1)], 1000, FIT)
    store.open_log.path.write_bytes(log)  # killed between the seal and the emptying of the log
    killed(store)
    assert stamps(drained(opened(limits))) == [1]


def test_acknowledged_segments_are_dropped_whole(limits):
    store = opened(limits)
    keys = []
    while len(store.places.memory.index.segments) < 3:
        store.seal([sample(t, t * 1.7) for t in range(200)], 1000, FIT)
        keys.append(Key(store.state.epoch, store.sequence))
    for key in keys[:-1]:
        assert store.settle(key)
    assert len(store.places.memory.index.segments) == 1
    assert len(list((limits.memory_dir / "segments").iterdir())) == 1
    assert store.status().waiting_batches == 1
    assert not store.settle(keys[0]), "a repeated acknowledgement means nothing"


def test_acknowledgements_survive_a_killed_process(limits):
    store = opened(limits)
    for at in (1, 2, 3):
        store.seal([sample(at)], 1000 + at, FIT)
    store.settle(Key(store.state.epoch, 2))
    killed(store)
    assert stamps(drained(opened(limits))) == [1, 3]


def test_the_card_is_written_only_past_the_budget(limits):
    store = opened(limits)
    store.seal([sample(1)], 1000, FIT)
    store.mover.maintain(10_999)
    assert store.places.card.written_bytes == 0
    store.mover.maintain(11_000)
    assert store.places.card.written_bytes > 0
    assert store.places.card.index.waiting == 1
    assert store.places.memory.index.waiting == 0
    store.settle(Key(store.state.epoch, 1))
    store.seal([sample(2)], 12_000, FIT)
    store.settle(Key(store.state.epoch, 2))
    written = store.places.card.written_bytes
    store.mover.maintain(60_000)
    assert store.places.card.written_bytes == written, "a batch acknowledged in time never touches the card"


def test_power_cut_keeps_what_was_past_the_budget(limits, tmp_path):
    store = opened(limits)
    store.seal([sample(1)], 1000, FIT)
    store.mover.maintain(11_000)
    store.seal([sample(2)], 12_000, FIT)
    killed(store)
    (limits.memory_dir).rename(tmp_path / "gone")  # tmpfs does not outlive the power
    again = opened(limits, boot=b"x" * 16)
    while again.scan_card():
        pass
    assert again.status().waiting_batches == 1
    assert stamps(drained(again)) == [1]


def test_an_acknowledgement_finds_a_batch_that_moved_while_in_flight(limits):
    store = opened(limits)
    store.seal([sample(1)], 1000, FIT)
    (batch,) = drained(store)
    store.mover.maintain(20_000)
    assert store.settle(batch.key)
    assert store.status().waiting_batches == 0


def test_shutdown_brings_everything_to_the_card_and_reboot_sends_it(limits, tmp_path):
    store = opened(limits)
    for at in range(5):
        store.seal([sample(at)], 1000, FIT)
    store.settle(Key(store.state.epoch, 3))
    store.close(2000, WALL)
    assert list((limits.memory_dir / "segments").iterdir()) == []
    (limits.memory_dir).rename(tmp_path / "gone")
    assert stamps(drained(opened(limits, boot=b"x" * 16))) == [0, 1, 3, 4]


def test_half_drained_card_segment_is_not_replayed_after_shutdown_and_reboot(limits, tmp_path):
    store = opened(limits)
    for at in range(4):
        store.seal([sample(at)], 1000, FIT)
    store.close(2000, WALL)
    second = opened(limits)
    first_batch = second.outbox.next_batch(0)
    second.settle(first_batch.key)
    second.close(3000, WALL)
    (limits.memory_dir).rename(tmp_path / "gone")
    third = opened(limits)
    assert stamps(drained(third)) == [1, 2, 3]
    third.close(4000, WALL)
    assert stamps(drained(opened(limits))) == [1, 2, 3]


def test_live_goes_before_backlog_and_backlog_oldest_first(limits):
    store = opened(limits)
    for at in (1, 2):
        store.seal([sample(at)], 1000, FIT)
    store.mover.maintain(20_000)
    store.seal([sample(3)], 21_000, FIT)
    connected_at = store.order
    store.seal([sample(4)], 22_000, FIT)
    store.seal([sample(5)], 23_000, FIT)
    batches = drained(store, connected_at)
    assert stamps(batches) == [4, 5, 1, 2, 3]
    assert [batch.live for batch in batches] == [True, True, False, False, False]
    assert drained(store, connected_at) == [], "handed out once a connection"
    store.connection_lost()
    assert stamps(drained(store, store.order)) == [1, 2, 3, 4, 5]


def test_batches_wait_for_the_clock_and_all_get_the_same_fit(limits):
    store = opened(limits)
    store.seal([sample(1)], 1000, None)
    assert drained(store) == []
    store.pin(FIT)
    store.pin(ClockFit(5, 5, "link"))
    (batch,) = drained(store)
    assert peek(batch.sealed).clock == FIT
    killed(store)
    (again,) = drained(opened(limits))
    assert again.sealed == batch.sealed, "the pinned fit outlives the process, so that a replay has the same stamps"


def test_a_boot_that_never_knew_the_time_is_set_aside_with_the_reason(limits):
    store = opened(limits)
    store.seal([sample(1)], 1000, None)
    store.seal([sample(2)], 1000, None)
    store.close(2000, 0)
    again = opened(limits, boot=b"y" * 16)
    again.seal([sample(3)], 10, FIT)
    assert stamps(drained(again)) == [3]
    assert again.status().quarantined == 2
    assert again.status().waiting_batches == 1
    reason = next((limits.card_dir / "quarantine").glob("*.json")).read_text()
    assert "clock_unknown" in reason


def test_a_refused_batch_is_set_aside_and_blocks_nothing(limits):
    store = opened(limits)
    for at in (1, 2):
        store.seal([sample(at)], 1000, FIT)
    first, second = drained(store)
    assert store.refuse(first.key, [{"code": "from_future", "text": "stamps lie in 2099"}])
    assert store.settle(second.key)
    assert store.status().waiting_batches == 0
    folder = limits.card_dir / "quarantine"
    (kept,) = folder.glob("*.batch")
    assert kept.read_bytes() == first.sealed
    assert "2099" in kept.with_suffix(".json").read_text()


def test_quarantine_is_bounded(limits):
    store = opened(limits)
    store.quarantine.max_batches = 3
    for at in range(5):
        store.seal([sample(at)], 1000, FIT)
    for batch in drained(store):
        store.refuse(batch.key, [{"code": "corrupt", "text": "x"}])
    assert store.status().quarantined == 3
    assert store.quarantine.dropped == 2
    names = sorted(path.stem[-1] for path in (limits.card_dir / "quarantine").glob("*.batch"))
    assert names == ["3", "4", "5"]


def test_damage_in_a_segment_costs_one_batch_and_is_counted(limits):
    store = opened(limits)
    for at in (1, 2, 3):
        store.seal([sample(at)], 1000, FIT)
    killed(store)
    (path,) = (limits.memory_dir / "segments").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    again = opened(limits)
    assert stamps(drained(again)) == [1, 3]
    assert again.places.recovery.damaged_records == 1
    assert not again.places.recovery.clean


def test_damage_under_a_running_journal_is_stepped_over(limits):
    store = opened(limits)
    for at in (1, 2):
        store.seal([sample(at)], 1000, FIT)
    (path,) = (limits.memory_dir / "segments").iterdir()
    data = bytearray(path.read_bytes())
    data[20] ^= 0xFF
    path.write_bytes(bytes(data))
    assert stamps(drained(store)) == [2]
    assert store.status().counters.damaged_batches == 1
    assert store.status().waiting_batches == 1


def _fill(store, count, start=0):
    """Seal batches of about 2.5 kB of noise."""
    noise = random.Random(start)
    for at in range(start, start + count):
        store.seal([Sample("m1", "p", i, {"voltage_l1": noise.random()}) for i in range(600)], 1000 + at, FIT)


def test_both_tiers_stay_within_their_bounds_and_drop_the_oldest(limits):
    limits = replace(limits, memory_max_bytes=1 << 18, card_max_bytes=1 << 18)
    store = opened(limits)
    now = 1000
    for at in range(0, 400, 20):
        _fill(store, 20, at)
        now += 20_000
        store.mover.maintain(now)
    status = store.status()
    assert status.memory_bytes <= limits.memory_max_bytes
    assert status.card_bytes <= limits.card_max_bytes + limits.card_segment_bytes
    assert status.counters.dropped_batches > 0
    assert status.waiting_batches + status.counters.dropped_batches == store.sequence
    kept = [batch.key.sequence for batch in drained(store, store.order)]
    assert kept == list(range(store.sequence - len(kept) + 1, store.sequence + 1))


def test_a_card_that_cannot_be_written_is_survived(limits):
    limits.card_dir.parent.mkdir(exist_ok=True)
    limits.card_dir.write_text("a file where the folder should be")
    store = opened(limits)
    assert store.state.epoch >= WALL // 1000
    store.seal([sample(1)], 1000, FIT)
    store.mover.maintain(60_000)
    assert store.status().card_error is not None
    assert store.status().waiting_batches == 1
    limits.card_dir.unlink()
    store.mover.maintain(200_000)
    assert store.status().card_error is None
    assert store.places.card.index.waiting == 1
    assert stamps(drained(store)) == [1]


def test_memory_tier_pressed_by_a_dead_card_drops_the_oldest_and_counts(limits):
    limits = replace(limits, memory_max_bytes=1 << 18)
    limits.card_dir.parent.mkdir(exist_ok=True)
    limits.card_dir.write_text("a file where the folder should be")
    store = opened(limits)
    for at in range(0, 300, 20):
        _fill(store, 20, at)
        store.mover.maintain(at)
    status = store.status()
    assert status.memory_bytes <= limits.memory_max_bytes
    assert status.counters.dropped_batches > 0
    assert status.waiting_batches + status.counters.dropped_batches == store.sequence
    assert drained(store, store.order)[-1].key.sequence == store.sequence, "the newest is there"


def test_a_full_memory_tier_keeps_batches_in_the_process(limits, monkeypatch):
    store = opened(limits)
    store.seal([sample(1)], 1000, FIT)
    full = OSError(errno.ENOSPC, "No space left on device")
    real = os.write

    def refuse(descriptor, data):
        real(descriptor, bytes(data)[:5])  # a torn write, as a full file system leaves it
        raise full

    monkeypatch.setattr(os, "write", refuse)
    store.seal([sample(2)], 1001, FIT)
    assert "No space left" in store.status().memory_error
    assert stamps(drained(store)) == [1, 2]
    monkeypatch.setattr(os, "write", real)
    store.mover.maintain(2000)
    assert store.status().held_bytes == 0
    store.seal([sample(3)], 2001, FIT)
    assert store.settle(Key(store.state.epoch, 2)), "still known though it moved while in flight"
    killed(store)
    again = opened(limits)
    assert stamps(drained(again)) == [1, 3]
    assert again.places.recovery.clean, "nothing is left of the torn write"


def test_two_gateways_cannot_share_a_journal(limits):
    store = opened(limits)
    with pytest.raises(JournalFolderError, match="in use by another gateway"):
        opened(limits)
    killed(store)


def test_a_memory_folder_that_cannot_be_made_is_a_clear_error(limits, tmp_path):
    (tmp_path / "mem").write_text("in the way")
    with pytest.raises(JournalFolderError, match=r"memory_dir .*mem cannot be used: .*name a folder on a tmpfs"):
        opened(limits)


def test_a_sample_that_no_batch_carries_stops_no_other(limits):
    store = opened(limits)
    store.seal([sample(1), sample(2, float("nan")), sample(3)], 1000, FIT)
    assert stamps(drained(store)) == [1, 3]
    assert store.status().counters.refused_samples == 1


def _command(execution, state, attempt=1, at=1):
    return CommandRecord(execution, "lamp-1", 1, attempt, state, None, None, None, {"level_percent": 40.0}, at)


def test_commands_outlive_the_process_and_the_list_is_bounded(limits):
    store = opened(limits)
    store.commands.kept = 3
    for index in range(20):
        assert store.commands.keep(_command(f"e{index}", "accepted")) is None
        assert store.commands.keep(_command(f"e{index}", "succeeded", at=2)) is None
    killed(store)
    again = opened(limits)
    again.commands.kept = 3
    assert [(record.execution_id, record.state) for record in again.commands.load()] == [
        ("e17", "succeeded"),
        ("e18", "succeeded"),
        ("e19", "succeeded"),
    ]
    assert (limits.card_dir / "commands").stat().st_size < 3000


def test_commands_fall_back_to_memory_when_the_card_refuses(limits, tmp_path):
    store = opened(limits)
    store.commands.keep(_command("e1", "accepted"))
    real = limits.card_dir
    real.rename(tmp_path / "unplugged")
    problem = store.commands.keep(_command("e1", "succeeded", at=9))
    assert problem is not None
    assert "card" in problem
    (tmp_path / "unplugged").rename(real)
    killed(store)
    (record,) = opened(limits).commands.load()
    assert record.state == "succeeded"
