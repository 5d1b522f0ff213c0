"""What must have reached the medium before it counts, and what a kill or an unreadable file in between may cost."""

import os
import shutil
from pathlib import Path

import pytest

from lentera_gateway.clock import monotonic_ms, system_wall_ms
from lentera_gateway.journal import Journal
from lentera_gateway.journal.held import HeldBatch
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import CommandRecord
from lentera_gateway.journal.sealing import MAX_VALUES
from lentera_gateway.journal.state import start_epoch
from tests.gateway.stores import BOOT, FIT, WALL, drained, killed, opened, sample, stamps


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card")


@pytest.fixture
def synced(monkeypatch):
    """Every path that was synced, in order; the real calls are made."""
    paths: list[Path] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def spy(descriptor, real=real):
            paths.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
            real(descriptor)

        monkeypatch.setattr(os, name, spy)
    return paths


def test_a_batch_counts_as_on_the_card_only_once_segment_and_name_are_synced(limits, synced, monkeypatch):
    store = opened(limits)
    store.seal([sample(1)], 0, FIT)
    synced.clear()
    seen: list[list[Path]] = []
    mark = store.places.memory.mark
    monkeypatch.setattr(store.places.memory, "mark", lambda *args: (seen.append(list(synced)), mark(*args)))
    store.mover.maintain(20_000)
    segments = limits.card_dir / "segments"
    (segment,) = segments.glob("*.seg")
    assert seen == [[segments, segment]], "the folder and the file, before memory lets go of the batch"
    store.seal([sample(2)], 21_000, FIT)
    synced.clear()
    store.mover.maintain(40_000)
    assert synced == [segment], "the name of the file is known already"


def test_the_memory_tier_is_never_synced(limits, synced):
    store = opened(limits)
    synced.clear()
    store.keep_samples([sample(1)])
    store.seal([sample(1)], 0, FIT)
    assert synced == []


def test_the_epoch_is_synced_before_it_is_used(limits, synced):
    store = opened(limits)
    folders = [limits.card_dir.parent, limits.card_dir]
    assert synced == [*folders, limits.card_dir / "state.new", limits.card_dir], "and the names of the folders before"
    synced.clear()
    store.save_time(WALL + 1)
    assert synced == [limits.card_dir / "state.new", limits.card_dir]


def test_every_command_is_synced(limits, synced):
    store = opened(limits)
    synced.clear()
    record = CommandRecord("e1", "lamp-1", 1, 1, "accepted", None, None, None, None, 1)
    assert store.commands.keep(record) is None
    assert synced == [limits.card_dir / "commands.new", limits.card_dir]
    synced.clear()
    assert store.commands.keep(record) is None
    assert synced == [limits.card_dir / "commands"]


def test_a_read_only_card_never_gives_an_epoch_twice(tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    epochs = []
    for boot in range(4):
        memory = tmp_path / f"tmpfs-of-boot-{boot}"
        memory.mkdir()
        state = start_epoch(memory, card, None, WALL + 60_000 * boot)
        assert state.kept is (boot == 0)
        epochs.append(state.epoch)
        if boot == 0:
            (card / "state.new").mkdir()  # from here on the state on the card can be read and not replaced
    assert sorted(set(epochs)) == epochs


@pytest.mark.parametrize("wall_ms", [17_000, WALL], ids=["1970", "the same hour again"])
def test_a_read_only_card_and_a_clock_that_stands_still_never_give_an_epoch_twice(tmp_path, wall_ms):
    card = tmp_path / "card"
    card.mkdir()
    epochs = []
    for boot in range(6):
        memory = tmp_path / f"tmpfs-of-boot-{boot}"
        memory.mkdir()
        epochs += [start_epoch(memory, card, None, wall_ms).epoch for _restart in range(2)]
        if boot == 0:
            (card / "state.new").mkdir()
    assert len(set(epochs)) == len(epochs)


def test_a_restart_of_the_program_gives_a_batch_no_second_budget(limits):
    store = opened(limits)
    store.seal([sample(1)], 1000, FIT)
    for at in (4000, 7000, 10_000):
        killed(store)
        store = opened(limits, at=at)
        store.mover.maintain(at)
        assert store.places.card.index.waiting == 0
    store.mover.maintain(11_000)
    assert store.places.card.index.waiting == 1


def test_a_seal_empties_the_log_of_unsealed_samples(limits):
    store = opened(limits)
    store.keep_samples([sample(1)])
    assert store.open_log.path.stat().st_size > 0
    store.seal([sample(1)], 1000, FIT)
    assert store.open_log.path.stat().st_size == 0
    store.keep_samples([sample(2)])
    killed(store)
    again = opened(limits)
    again.pin(FIT)
    assert stamps(drained(again)) == [1, 2]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_kill_between_the_portions_of_one_seal_loses_and_doubles_nothing(limits, monkeypatch, kept):
    store = opened(limits)
    samples = [sample(at) for at in range(MAX_VALUES + 500)]  # two values each: three portions
    for start in range(0, len(samples), 5000):
        store.keep_samples(samples[start : start + 5000])
    keep, calls = store.places.keep, []

    def cut(key, batch):
        if len(calls) == kept:
            raise KeyboardInterrupt
        calls.append(key)
        keep(key, batch)

    monkeypatch.setattr(store.places, "keep", cut)
    with pytest.raises(KeyboardInterrupt):
        store.seal(samples, 2000, FIT)
    killed(store)
    again = opened(limits)
    again.pin(FIT)
    batches = drained(again)
    assert stamps(batches) == list(range(len(samples)))
    assert [batch.key for batch in batches] == [Key(store.state.epoch, number) for number in (1, 2, 3)]
    assert again.open_log.path.stat().st_size == 0


def test_a_log_that_cannot_be_rewritten_stops_no_seal(limits):
    store = opened(limits)
    samples = [sample(at) for at in range(MAX_VALUES)]
    store.keep_samples(samples)
    store.open_log.path.with_suffix(".new").mkdir()
    assert store.seal(samples, 2000, FIT) == 2
    assert stamps(drained(store)) == list(range(MAX_VALUES))


def _with_bad_marks(limits):
    """Leave a card with two segments after a reboot; the marks of the first cannot be read, as after EIO."""
    for at in (1, 2):
        store = opened(limits, at=at)
        store.seal([sample(at)], at, FIT)
        store.close(at, WALL)
    first, _ = sorted((limits.card_dir / "segments").glob("*.seg"))
    (first.parent / f"card-{first.stem}.ack").mkdir()
    shutil.rmtree(limits.memory_dir)


def test_unreadable_marks_cost_a_replay_and_stop_nothing(limits):
    _with_bad_marks(limits)
    store = opened(limits)
    store.seal([sample(3)], 10, FIT)
    while store.scan_card():
        pass
    batches = drained(store, store.order)
    assert stamps(batches) == [1, 2, 3]
    assert store.places.recovery.unreadable_marks == 1
    assert not store.places.recovery.clean
    assert "cannot be read" in (store.status().card_error or "")
    for batch in batches:
        assert store.settle(batch.key)
    assert store.status().waiting_batches == 0


def test_unreadable_marks_of_a_memory_segment_do_not_stop_the_start(limits):
    store = opened(limits)
    store.seal([sample(1)], 0, FIT)
    killed(store)
    (limits.memory_dir / "marks" / "memory-0000000001.ack").mkdir()
    again = opened(limits)
    assert stamps(drained(again)) == [1]
    assert again.places.recovery.unreadable_marks == 1


def test_marks_that_cannot_be_kept_hide_no_others(limits):
    limits = JournalLimits(limits.memory_dir, limits.card_dir, card_max_bytes=1 << 16)
    store = opened(limits)
    for number in range(2):
        for at in (1, 2):
            store.seal([sample(10 * number + at)], 0, FIT)
        store.mover.move_all(0)
        store.places.card.close_segment()
    for key in (Key(store.state.epoch, 1), Key(store.state.epoch, 3)):
        assert store.settle(key)
    segments = limits.card_dir / "segments"
    (segments / "card-0000000001.ack").mkdir()
    store.close(100, WALL)
    assert (segments / "card-0000000002.ack").stat().st_size > 0
    assert store.places.card_error is not None


async def test_a_scan_that_breaks_leaves_one_segment_alone_and_goes_on(limits, monkeypatch):
    _with_bad_marks(limits)
    journal = Journal("gw-1", BOOT, limits, monotonic_ms, system_wall_ms, lambda: FIT)
    load = journal._store.places.load_card_segment

    def load_or_break(number):
        if number == 1:
            raise ZeroDivisionError("oops")
        load(number)

    monkeypatch.setattr(journal._store.places, "load_card_segment", load_or_break)
    await journal.open()
    assert journal._scan is not None
    await journal._scan
    batch = await journal.next_batch(0)
    assert batch is not None
    assert stamps([batch]) == [2]
    assert "segment 1 was left alone: ZeroDivisionError" in ((await journal.status()).card_error or "")
    await journal.close()


def test_a_batch_whose_header_does_not_read_is_set_aside_and_never_sent(limits):
    store = opened(limits)
    store.places.keep(Key(store.state.epoch, 1), HeldBatch(b"no batch at all", 1, BOOT, True, 1, 0))
    store.sequence = 1
    store.seal([sample(2)], 1000, FIT)
    assert stamps(drained(store)) == [2]
    assert store.status().quarantined == 1
    assert store.status().waiting_batches == 1


def test_the_status_says_since_when_the_oldest_batch_waits(limits):
    store = opened(limits)
    assert store.status().oldest_monotonic_ms is None
    for at in (1, 2):
        store.seal([sample(at)], 1000 * at, FIT)
    assert store.status().oldest_monotonic_ms == 1000
    store.settle(Key(store.state.epoch, 1))
    assert store.status().oldest_monotonic_ms == 2000
    store.mover.maintain(60_000)
    assert store.status().oldest_monotonic_ms is None, "on the card"
