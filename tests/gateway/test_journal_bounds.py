"""The journal when something is full, broken or in the way."""

import errno
import os
import random
from dataclasses import replace

import pytest

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.segments import TierWriteError
from lentera_gateway.journal.store import JournalFolderError
from lentera_model.batch import to_send
from lentera_model.readings import Sample
from tests.gateway.stores import FIT, WALL, drained, killed, opened, sample, stamps


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card", memory_max_bytes=1 << 20, card_max_bytes=1 << 20)


def _fill(store, count, start=0):
    """Seal batches of about 2.5 kB of noise, of which thinning leaves everything: a value each quarter of an hour."""
    noise = random.Random(start)
    for at in range(start, start + count):
        stamps = range(600 * at * 900_000, 600 * (at + 1) * 900_000, 900_000)
        store.seal([Sample("m1", "p", stamp, {"voltage_l1": noise.random()}) for stamp in stamps], 1000 + at, FIT)


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
    assert "No space left" in (store.status().memory_error or "")
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


def _refusing(store, code):
    def append(record):
        raise TierWriteError("card", store.places.card.folder, OSError(code, os.strerror(code)))

    return append


def test_a_full_card_gives_up_its_oldest_when_memory_presses(limits):
    limits = replace(limits, memory_max_bytes=1 << 18)
    store = opened(limits)
    _fill(store, 40)
    store.mover.maintain(60_000)
    on_card = store.places.card.index.waiting
    assert on_card == 40
    store.places.card.append = _refusing(store, errno.ENOSPC)
    _fill(store, 100, 100)
    for now in range(120_000, 180_000, 1000):  # first it is looked at whether thinning helps
        store.mover.maintain(now)
        if store.status().counters.dropped_batches:
            break
    status = store.status()
    assert "No space left" in (status.card_error or "")
    assert store.places.card.index.waiting < on_card
    assert status.counters.dropped_batches == on_card - store.places.card.index.waiting
    del store.places.card.append
    store.mover.maintain(181_000)
    assert store.status().card_error is None
    kept = [batch.key.sequence for batch in drained(store, store.order)]
    assert kept == list(range(store.sequence - len(kept) + 1, store.sequence + 1)), "the newest, in order"


def test_a_broken_card_is_tried_again_with_growing_patience(limits):
    store = opened(limits)
    store.places.card.append = _refusing(store, errno.EIO)
    store.seal([sample(1)], 0, FIT)
    tries = []
    for now in range(10_000, 200_000, 1000):
        before = store.places.card_error
        store.places.card_error = "untouched"
        store.mover.maintain(now)
        if store.places.card_error != "untouched":
            tries.append(now)
        store.places.card_error = store.places.card_error if tries and tries[-1] == now else before
    assert tries == [10_000, 15_000, 25_000, 45_000, 85_000, 145_000]


def test_a_card_segment_that_cannot_be_read_blocks_no_other(limits):
    store = opened(limits)
    store.seal([sample(1)], 0, FIT)
    store.mover.maintain(20_000)
    killed(store)
    (segment,) = (limits.card_dir / "segments").iterdir()
    segment.unlink()
    segment.mkdir()
    again = opened(limits)
    again.seal([sample(2)], 30_000, FIT)
    assert stamps(drained(again, again.order)) == [2]
    assert again.places.recovery.unreadable_segments == 1
    assert "cannot be read" in (again.status().card_error or "")


def test_a_batch_on_the_card_is_refused_with_its_bytes_though_its_segment_was_closed_since(limits):
    limits = replace(limits, card_max_bytes=1 << 16)
    store = opened(limits)
    _fill(store, 1)
    store.mover.maintain(60_000)
    (batch,) = drained(store, store.order)
    _fill(store, 6, 10)
    store.mover.maintain(120_000)
    assert store.places.card.index.segments[1].entries is None
    assert store.refuse(batch.key, [{"code": "corrupt", "text": "x"}])
    (kept,) = (limits.card_dir / "quarantine").glob("*.batch")
    assert to_send(kept.read_bytes()) == batch.sealed


def test_held_batches_reach_the_card_when_the_memory_tier_stays_full(limits, monkeypatch):
    store = opened(limits)
    monkeypatch.setattr(store.places, "to_memory_tier", lambda key, batch: False)
    store.seal([sample(1)], 0, FIT)
    assert store.status().held_bytes > 0
    (batch,) = drained(store)
    store.mover.maintain(20_000)
    assert store.status().held_bytes == 0
    assert store.places.card.index.waiting == 1
    assert store.settle(batch.key), "found though it moved while in flight"
    assert store.status().waiting_batches == 0
