"""A full tier thinned beside all else that happens: sent, acknowledged, killed, read, refused by the medium."""

import errno
import os
import random
from dataclasses import replace

import pytest

from lentera_gateway.journal.index import Key, Segment
from lentera_gateway.journal.inspect import Where
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import ThinnedRecord
from lentera_gateway.journal.segments import TierWriteError
from lentera_gateway.journal.survey import Survey
from lentera_gateway.journal.thinner import TICK_BYTES
from lentera_gateway.journal.thinning import RUN_SEGMENTS, STEPS, RunOfBatches, level_of, run_to_thin
from lentera_model.batch import BatchKey, decode, encode, peek
from lentera_model.readings import Quality, Sample
from tests.gateway.stores import BOOT, FIT, drained, killed, opened

OTHER_BOOT = b"an earlier boot!"


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card", memory_max_bytes=1 << 20, card_max_bytes=1 << 17)


def fill(store, count, start=0):
    """Seal and move batches of a second's noise each, which thinning can do much for."""
    noise = random.Random(start)
    for at in range(start, start + count):
        samples = [Sample(f"m{i}", "p", 1000 * at + i, {"voltage_l1": noise.random()}) for i in range(100)]
        counted = [Sample("c1", "p", 1000 * at, {"energy_active_import": float(at)}, Quality.SUSPECT)]
        store.seal(samples + counted, 1000 * at + 500, FIT)
    store.mover.move_all(0)


def tick_until(store, done, ticks=200):
    for tick in range(ticks):
        store.mover.maintain(10_000_000 + 1000 * tick)
        if done():
            return
    raise AssertionError(f"not after {ticks} ticks: {store.status().counters}")


def counters_of(store) -> list[int]:
    """Which batches' counter values wait."""
    found = [sample for batch in drained(store, store.order) for sample in decode(batch.sealed).samples]
    return sorted(round(one.values["energy_active_import"]) for one in found if one.device == "c1")


def full(limits):
    store = opened(limits)
    while store.places.card.index.total_bytes <= store.mover._card_thinner._mark_bytes:
        fill(store, 5, store.sequence)
    return store


def test_what_is_left_survives_a_restart_as_what_it_is(limits):
    store = full(limits)
    tick_until(store, lambda: store.status().counters.thinned_60_s_values > 0)
    status = store.status()
    survey = Survey(limits).look()[Where.CARD]
    assert survey.damaged_records == 0
    assert 0 < survey.thinned_values < survey.values
    assert survey.bytes == status.card_bytes
    assert status.counters.thinning_card_bytes > 0
    levels = [segment.level for segment in store.places.card.index.segments.values()]
    killed(store)
    again = opened(limits)
    while again.scan_card():
        pass
    assert again.places.recovery.clean
    assert again.status().waiting_batches == status.waiting_batches
    assert [segment.level for segment in again.places.card.index.segments.values()] == levels
    assert counters_of(again) == list(range(store.sequence))


def test_what_is_in_flight_is_not_thinned_and_its_acknowledgement_is_heard(limits):
    store = full(limits)
    first = store.outbox.next_batch(1 << 40)
    assert first is not None
    store.mover.maintain(10_000_000)
    under_way = store.mover._card_thinner._pass
    assert under_way is not None
    assert 1 not in under_way.numbers, "the segment of what is in flight"
    second_segment = under_way.numbers[0]
    for batch in drained(store):
        if store.places.in_flight[batch.key][1] == second_segment:
            break
    tick_until(store, lambda: True)
    assert store.mover._card_thinner._pass is not under_way, "it is better delivered in full"
    assert store.settle(first.key)
    assert not store.settle(first.key)


def test_what_is_acknowledged_while_it_is_thinned_does_not_come_back(limits):
    store = full(limits)
    store.mover.maintain(10_000_000)
    under_way = store.mover._card_thinner._pass
    assert under_way is not None
    assert under_way.numbers[0] == 1
    acknowledged = Key(store.state.epoch, 2)
    batch = next(batch for batch in iter(lambda: store.outbox.next_batch(1 << 40), None) if batch.key == acknowledged)
    assert store.settle(batch.key)
    store.connection_lost()
    waiting = store.status().waiting_batches
    tick_until(store, lambda: store.places.card.index.segments[min(store.places.card.index.segments)].level == 1)
    assert store.status().waiting_batches <= waiting
    assert counters_of(store) == [at for at in range(store.sequence) if at != 1]
    assert sum(loss.values for loss in store.places.losses.drain()) == store.status().counters.thinned_60_s_values


def test_a_tick_takes_little_so_that_the_thread_comes_back_to_the_next_second(limits, monkeypatch):
    store = full(replace(limits, card_max_bytes=1 << 19))
    taken: list[int] = []
    add = RunOfBatches.add

    def add_and_count(run, header, sealed):
        taken[-1] += len(sealed)
        add(run, header, sealed)

    monkeypatch.setattr(RunOfBatches, "add", add_and_count)
    for tick in range(300):
        taken.append(0)
        store.mover.maintain(10_000_000 + 1000 * tick)
        if store.status().counters.thinned_60_s_values:
            break
    assert store.status().counters.thinned_60_s_values > 0
    assert sum(taken) > 3 * TICK_BYTES
    assert max(taken) <= TICK_BYTES + 1000, "and one batch"


def test_a_medium_without_room_for_the_replacement_gives_up_the_oldest_and_goes_on(limits, monkeypatch):
    store = full(limits)
    real, refusals = store.places.card.replace, []

    def replace_or_refuse(number, records):
        if len(refusals) < 1:
            refusals.append(number)
            raise TierWriteError("card", store.places.card.folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return real(number, records)

    monkeypatch.setattr(store.places.card, "replace", replace_or_refuse)
    tick_until(store, lambda: refusals)
    assert store.status().counters.dropped_values == 0, "there is room yet"
    fill(store, 40, store.sequence)
    tick_until(store, lambda: store.status().counters.thinned_60_s_values > 0)
    counters = store.status().counters
    assert len(refusals) == 1
    assert counters.dropped_values > 0
    reasons = {loss.reason: loss.values for loss in store.places.losses.drain()}
    assert reasons == {
        "journal_dropped": counters.dropped_values,
        "journal_thinned": counters.thinned_60_s_values,
    }
    assert store.status().card_bytes <= limits.card_max_bytes


def test_batches_that_no_file_takes_are_thinned_in_the_process(limits, monkeypatch):
    limits = replace(limits, memory_max_bytes=1 << 14)
    store = opened(limits)
    monkeypatch.setattr(store.places, "to_memory_tier", lambda key, batch: False)
    monkeypatch.setattr(store.mover, "move", lambda monotonic_ms, everything: False)
    noise = random.Random(1)
    while not store.status().counters.thinned_900_s_values:
        at = store.sequence
        samples = [Sample("m1", "p", 60_000 * at + 150 * i, {"voltage_l1": noise.random()}) for i in range(400)]
        counted = [Sample("c1", "p", 60_000 * at, {"energy_active_import": float(at)})]
        store.seal(samples + counted, 60_000 * (at + 1), FIT)
        store.mover.maintain(60_000 * (at + 1))
        assert store.status().held_bytes <= limits.memory_max_bytes
    counters = store.status().counters
    assert counters.dropped_batches == 0
    assert counters_of(store) == list(range(store.sequence))
    assert {loss.detail_s for loss in store.places.losses.drain()} == {60, 900}


def test_a_run_of_two_boots_keeps_each_on_its_own_clock_and_leaves_what_does_not_read():
    def batch(sequence: int, boot: bytes, at_ms: int) -> bytes:
        key = BatchKey("gw-1", 7, sequence)
        clock = FIT if boot == BOOT else None
        return encode(key, boot, at_ms, [Sample("m1", "p", at_ms, {"voltage_l1": float(at_ms)})], clock)

    one, two, three = batch(1, BOOT, 1000), batch(2, OTHER_BOOT, 2000), batch(3, OTHER_BOOT, 3000)
    broken = three[:-1] + bytes([three[-1] ^ 0xFF])
    run = RunOfBatches(1)
    for sealed in (one, two, two, broken):
        run.add(peek(sealed), sealed)
    left = list(iter(run.pack_next, None))
    assert [thinned.lost for thinned in left] == [None] * 3
    assert [thinned.header.boot_id for thinned in left] == [BOOT, OTHER_BOOT, OTHER_BOOT]
    assert left[0].sealed is not None
    assert left[1].sealed is not None
    assert [decode(left[0].sealed), decode(left[1].sealed)] == [decode(one), decode(two)]
    assert left[2].sealed == broken


def segments(*levels):
    return [Segment(number, count=1, level=level) for number, level in enumerate(levels, start=1)]


@pytest.mark.parametrize(
    ("levels", "busy", "chosen"),
    [
        ((0, 0, 0), {3}, [1, 2]),
        ((1, 0, 0, 1, 0), set(), [2, 3]),
        ((1, 1, 2), set(), [1, 2]),
        ((0, 0, 1, 1), {1, 2}, [3, 4]),
        ((0, 0, 0), {2}, [1]),
        ((3, 3, 2), set(), [3]),
        ((3, 3), set(), []),
        ((), set(), []),
    ],
)
def test_the_lowest_level_goes_first_and_of_it_the_oldest(levels, busy, chosen):
    assert run_to_thin(segments(*levels), busy) == chosen


def test_a_run_is_bounded_and_leaves_out_what_is_not_known_yet_or_delivered():
    assert run_to_thin(segments(*[0] * (RUN_SEGMENTS + 9)), set()) == list(range(1, RUN_SEGMENTS + 1))
    unknown, done, known = Segment(1, scanned=False), Segment(2, count=0), Segment(3, count=1)
    assert run_to_thin([unknown, done, known], set()) == [3]


def test_a_level_of_another_version_counts_as_not_thinned():
    assert [level_of(ThinnedRecord(*step)) for step in STEPS] == [1, 2, 3]
    assert level_of(ThinnedRecord(3600, True)) == 0
