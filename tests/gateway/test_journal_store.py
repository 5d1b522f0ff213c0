"""The two tiers as one queue, on real folders, with a clock that the test moves."""

import pytest

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import CommandRecord
from lentera_gateway.journal.store import JournalStore
from lentera_model.batch import ClockFit, peek, to_send
from tests.gateway.stores import BOOT, FIT, WALL, drained, killed, opened, sample, stamps


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card", memory_max_bytes=1 << 20, card_max_bytes=1 << 20)


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
    assert first_batch is not None
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
    assert to_send(kept.read_bytes()) == first.sealed
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
