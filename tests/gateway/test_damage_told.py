"""What does not read any more is told as a known gap between the times of what reads before and after it."""

import pytest

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.damage import LATE_MS, MAX_STRETCHES, Stretch
from lentera_gateway.journal.framing import frame, scan
from lentera_gateway.journal.held import HeldBatch
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.reports import NAME
from lentera_gateway.journal.telling import after_tick
from lentera_model.batch import BatchKey, encode
from lentera_model.protocol import GapReport
from tests.gateway.stores import BOOT, FIT, WALL, drained, killed, opened, sample

MINUTE = 60_000
OTHER_BOOT = b"the one after it"


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card")


def sealed(limits, minutes, on_card=True):
    """Seal a batch each minute; returns the store, its file and where the batches lie in it."""
    store = opened(limits)
    store.pin(FIT)
    for minute in minutes:
        store.seal([sample(minute * MINUTE - 1000)], minute * MINUTE, FIT)
    if on_card:
        store.mover.move_all(minutes[-1] * MINUTE)
    tier = store.places.card if on_card else store.places.memory
    (segment,) = tier.folder.glob("*.seg")
    return store, segment, [entry.offset for _, entry in tier.index.entries()]


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def told(store, now_ms):
    """Return the gaps of damage (and of what was dropped) that wait after a tick."""
    after_tick(store, now_ms, now_ms, now_ms, store.places.losses.drain(), FIT, WALL + now_ms)
    gaps = [one for one in store.reports.waiting() if isinstance(one, GapReport)]
    return [one for one in gaps if one.reason in {"damaged", "journal_dropped"}]


def restarted(limits, now_ms, boot=BOOT):
    store = opened(limits, boot, now_ms)
    while store.scan_card():
        pass
    return store


@pytest.mark.parametrize("on_card", [True, False])
@pytest.mark.parametrize(("hit", "first", "last"), [(1, 10, 30), (2, 20, 33), ([1, 2], 10, 33)])
def test_damage_found_at_the_start_lies_between_its_neighbours(limits, on_card, hit, first, last):
    store, segment, offsets = sealed(limits, (10, 20, 30), on_card)
    killed(store)
    for one in hit if isinstance(hit, list) else [hit]:
        flip(segment, offsets[one] + 20)
    store = restarted(limits, 32 * MINUTE)
    (gap,) = told(store, 33 * MINUTE)
    assert (gap.reason, gap.devices, gap.values, gap.detail_s) == ("damaged", [], 0, 0)
    assert (gap.from_ms, gap.to_ms) == (WALL + first * MINUTE - LATE_MS, WALL + last * MINUTE)


def test_the_neighbour_may_lie_in_another_segment(limits):
    store, _, _ = sealed(limits, (10, 20))
    store.places.card.close_segment()
    for minute in (30, 40):
        store.seal([sample(minute * MINUTE - 1000)], minute * MINUTE, FIT)
        store.mover.move_all(minute * MINUTE)
    killed(store)
    last = sorted(store.places.card.folder.glob("*.seg"))[-1]
    flip(last, 20)
    (gap,) = told(restarted(limits, 50 * MINUTE), 51 * MINUTE)
    assert (gap.from_ms, gap.to_ms) == (WALL + 20 * MINUTE - LATE_MS, WALL + 40 * MINUTE)


def test_what_nothing_bounds_may_be_as_old_as_the_program(limits):
    store, segment, offsets = sealed(limits, (10, 20))
    killed(store)
    flip(segment, offsets[0] + 20)
    (gap,) = told(restarted(limits, 30 * MINUTE), 31 * MINUTE)
    assert (gap.from_ms, gap.to_ms) == (BUILD_TIME_MS, WALL + 20 * MINUTE)


def test_a_batch_that_cannot_be_read_back_is_told(limits):
    store, segment, offsets = sealed(limits, (10, 20, 30))
    assert told(store, 31 * MINUTE) == []
    flip(segment, offsets[1] + 20)
    assert len(drained(store)) == 2
    (gap,) = told(store, 32 * MINUTE)
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("damaged", WALL + 10 * MINUTE - LATE_MS, WALL + 30 * MINUTE)


def test_damage_that_stays_is_told_once(limits):
    store, segment, offsets = sealed(limits, (10, 20, 30))
    killed(store)
    flip(segment, offsets[1] + 20)
    for minute in (40, 50):
        store = restarted(limits, minute * MINUTE)
        assert len(told(store, minute * MINUTE + 1000)) == 1
        killed(store)


def test_a_damaged_log_of_samples_that_no_batch_has_is_told(limits):
    store, _, _ = sealed(limits, (10,), on_card=False)
    for second in (1, 2, 3):
        store.keep_samples([sample(10 * MINUTE + second * 1000)])
    killed(store)
    flip(limits.memory_dir / "unsealed", (limits.memory_dir / "unsealed").stat().st_size // 2)
    (gap,) = told(restarted(limits, 11 * MINUTE), 11 * MINUTE + 500)
    assert (gap.from_ms, gap.to_ms) == (WALL + 10 * MINUTE + 1000 - LATE_MS, WALL + 11 * MINUTE + 500)


def test_a_log_that_cannot_be_read_is_told_from_the_newest_batch_on(limits):
    store, _, _ = sealed(limits, (10,), on_card=False)
    (batch,) = drained(store)
    store.settle(batch.key)
    killed(store)
    (limits.memory_dir / "unsealed").unlink(missing_ok=True)
    (limits.memory_dir / "unsealed").mkdir()
    (gap,) = told(restarted(limits, 11 * MINUTE), 11 * MINUTE + 500)
    assert (gap.from_ms, gap.to_ms) == (WALL + 10 * MINUTE - LATE_MS, WALL + 11 * MINUTE + 500)


def test_a_whole_record_that_says_nothing_to_this_version_is_told(limits):
    store, segment, offsets = sealed(limits, (10, 20, 30))
    killed(store)
    data = segment.read_bytes()
    segment.write_bytes(data[: offsets[1]] + frame(b"a newer version's") + data[offsets[2] :])
    (gap,) = told(restarted(limits, 40 * MINUTE), 41 * MINUTE)
    assert (gap.from_ms, gap.to_ms) == (WALL + 10 * MINUTE - LATE_MS, WALL + 30 * MINUTE)


def test_damage_of_a_boot_whose_time_nobody_knows_lies_before_now(limits):
    store = opened(limits)
    for minute in (1, 2, 3):
        store.seal([sample(minute * MINUTE)], minute * MINUTE, None)
    store.mover.move_all(3 * MINUTE)
    (segment,) = store.places.card.folder.glob("*.seg")
    middle = [entry.offset for _, entry in store.places.card.index.entries()][1]
    killed(store)
    flip(segment, middle + 20)
    (gap,) = told(restarted(limits, MINUTE, OTHER_BOOT), 2 * MINUTE)
    assert (gap.from_ms, gap.to_ms) == (BUILD_TIME_MS, WALL + 2 * MINUTE)


def test_a_segment_that_is_dropped_unread_is_told(limits):
    store, segment, _ = sealed(limits, (10, 20))
    number = int(segment.stem)
    store.places.card.close_segment()
    store.seal([sample(30 * MINUTE)], 31 * MINUTE, FIT)
    store.mover.move_all(31 * MINUTE)
    segment.unlink()
    segment.mkdir()
    store.places.give_up(store.places.card, number)
    (gap,) = told(store, 32 * MINUTE)
    assert (gap.reason, gap.from_ms, gap.to_ms, gap.values) == ("journal_dropped", BUILD_TIME_MS, WALL + 31 * MINUTE, 0)


@pytest.mark.parametrize(("clock", "boot"), [(FIT, BOOT), (None, OTHER_BOOT)])
def test_a_refused_batch_of_which_nothing_reads_is_told(limits, clock, boot):
    store, _, _ = sealed(limits, (10,))
    strange = bytearray(encode(BatchKey("gw-1", 1, 9), boot, 15 * MINUTE, [sample(15 * MINUTE)], clock))
    strange[-1] ^= 1
    key = Key(1, 9)
    store.places.keep(key, HeldBatch(bytes(strange), 9, boot, clock is not None, 2, 15 * MINUTE))
    store.seal([sample(20 * MINUTE)], 20 * MINUTE, FIT)
    drained(store)
    if clock is not None:
        store.refuse(key, [{"code": "corrupt", "text": "its body does not read"}])
    (gap,) = told(store, 21 * MINUTE)
    assert (gap.reason, gap.from_ms, gap.to_ms) == ("damaged", WALL + 10 * MINUTE - LATE_MS, WALL + 20 * MINUTE)


def test_more_stretches_than_are_kept_are_one(limits):
    store, _, _ = sealed(limits, (10,))
    for _ in range(MAX_STRETCHES + 1):
        store.places.note_stretch(Stretch(None, None))
    assert len(store.places.stretches) == 1


def test_a_report_that_does_not_read_any_more_leaves_a_gap_over_what_it_may_have_told(limits):
    store = opened(limits)
    reports = [("killed", 20), ("journal_dropped", 10), ("stopped", 40)]
    for reason, minute in reports:
        at_ms = WALL + minute * MINUTE
        store.reports.add_gap(GapReport(0, 0, reason, at_ms, at_ms + 1000))
    killed(store)
    path = limits.card_dir / NAME
    whole = path.read_bytes()
    for hit in scan(whole).frames:
        path.write_bytes(whole)
        flip(path, hit.offset + hit.size // 2)
        again = restarted(limits, 60 * MINUTE)
        after_tick(again, 60 * MINUTE, 60 * MINUTE, None, [], FIT, WALL + 60 * MINUTE)
        gaps = [one for one in again.reports.waiting() if isinstance(one, GapReport)]
        (damage,) = [one for one in gaps if one.reason == "damaged"]
        assert damage.from_ms >= WALL + 10 * MINUTE
        assert damage.to_ms == WALL + 60 * MINUTE
        for reason, minute in reports:
            assert damage.from_ms <= WALL + minute * MINUTE or reason in {one.reason for one in gaps}
        killed(again)
        for left in limits.memory_dir.glob("gap-drafts"):
            left.unlink()
