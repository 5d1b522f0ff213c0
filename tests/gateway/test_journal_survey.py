"""What waits in a journal, read beside it: every batch once, whatever moves, is dropped or damaged meanwhile."""

import os
import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_gateway.journal.framing import frame
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.inspect import PlaceFacts, Seen, Where, batches_of
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.pulse import JournalWord, LinkWord, Pulse, age_of_process_s, feel_pulse, parse_pulse
from lentera_gateway.journal.records import BatchRecord, MarkRecord, SamplesRecord, encode_record
from lentera_gateway.journal.report import Step, next_step, rates
from lentera_gateway.journal.status import Counters
from lentera_gateway.journal.survey import Survey
from lentera_model.batch import BatchError, BatchKey, ClockFit, encode
from tests.gateway.stores import BOOT, FIT, killed, opened, sample

TIERS = (Where.MEMORY, Where.CARD)


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card", memory_max_bytes=1 << 16, card_max_bytes=1 << 18)


def sealed_at(store, at, fit: ClockFit | None = FIT):
    store.seal([sample(at), sample(at + 1)], at + 2, fit)
    return Key(store.state.epoch, store.sequence)


def keys(limits, **how):
    return [(one.where, one.key.sequence) for one in Survey(limits, **how).waiting()]


def stamps_of(limits):
    return [one.monotonic_ms for found in Survey(limits).waiting() for one in found.samples()]


def snapshot(folder):
    return {
        str(path): (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_atime_ns, stat.st_ino)
        for path in sorted(folder.rglob("*"))
        if (stat := path.stat())
    }


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 30)), max_size=80))
def test_a_key_is_new_once(pairs):
    seen, known = Seen(), set()
    for epoch, sequence in pairs:
        assert seen.add(Key(epoch, sequence)) is ((epoch, sequence) not in known)
        known.add((epoch, sequence))
    for epoch, runs in seen._runs.items():
        assert [n for first, last in runs for n in range(first, last + 1)] == sorted(n for e, n in known if e == epoch)
        assert all(b[0] > a[1] + 1 for a, b in pairwise(runs)), "neighbours are one run"


def test_it_agrees_with_the_journals_own_count(limits):
    store = opened(limits)
    for at in range(1000, 1040, 2):
        sealed_at(store, at)
    store.mover.move_all(2000)
    for at in range(2000, 2020, 2):
        sealed_at(store, at)
    for sequence in (3, 7, 25):
        assert store.settle(Key(store.state.epoch, sequence))
    store.keep_samples([sample(2100), sample(2101)])
    status = store.status()
    facts = Survey(limits, process=Key(store.state.epoch, 22)).look()
    assert facts[Where.CARD].batches == 18
    assert facts[Where.MEMORY].batches == 9
    assert sum(facts[tier].batches for tier in TIERS) == status.waiting_batches
    assert (facts[Where.MEMORY].bytes, facts[Where.CARD].bytes) == (status.memory_bytes, status.card_bytes)
    assert (facts[Where.CARD].values, facts[Where.UNSEALED].values) == (18 * 4, 2 * 2)
    assert facts[Where.MEMORY].process_values == 2 * 4
    oldest, newest = facts[Where.CARD].oldest_ms, facts[Where.CARD].newest_ms
    assert (oldest, newest) == (FIT.offset_ms + 1000, FIT.offset_ms + 1039)
    assert facts[Where.UNSEALED].oldest_ms == FIT.offset_ms + 2100, "by the fit of its boot's sealed batches"
    assert not any(one.damaged_records or one.skipped or one.gone for one in facts.values())


def test_it_touches_nothing_and_makes_nothing(limits, tmp_path):
    store = opened(limits)
    for at in range(1000, 1100, 2):
        sealed_at(store, at)
        store.settle(Key(store.state.epoch, 2))
    store.mover.move_all(2000)
    sealed_at(store, 3000)
    store.refuse(sealed_at(store, 3100), [{"code": "x", "text": "y"}])
    store.keep_samples([sample(3200)])
    killed(store)
    (limits.memory_dir / "lock").unlink()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(1, path.stat().st_mtime_ns))  # an old time of access is one that a read would renew
    before = snapshot(tmp_path)
    assert sum(one.values for one in Survey(limits).look().values()) > 0
    assert snapshot(tmp_path) == before


def test_a_batch_on_both_tiers_is_one(limits, tmp_path):
    store = opened(limits)
    for at in (1000, 2000, 3000):
        sealed_at(store, at)
    shutil.copytree(limits.memory_dir, tmp_path / "kept")
    store.mover.move_all(4000)
    killed(store)
    shutil.rmtree(limits.memory_dir)
    shutil.copytree(tmp_path / "kept", limits.memory_dir)  # killed between the copy to the card and the marks
    assert keys(limits) == [(Where.MEMORY, 1), (Where.MEMORY, 2), (Where.MEMORY, 3)]


def test_samples_that_made_it_into_a_batch_are_not_shown_as_unsealed(limits):
    store = opened(limits)
    store.keep_samples([sample(1)])
    log = store.open_log.path.read_bytes()
    assert stamps_of(limits) == [1]
    store.seal([sample(1)], 1000, FIT)
    store.open_log.path.write_bytes(log)  # killed between the seal and the emptying of the log
    assert stamps_of(limits) == [1]
    store.settle(Key(store.state.epoch, 1))
    assert stamps_of(limits) == [], "sealed and delivered"


def test_readings_from_before_the_clock_was_known_are_dated_by_their_boots_fit(limits):
    store = opened(limits)
    sealed_at(store, 1000, fit=None)
    store.keep_samples([sample(1100)])
    assert [one.sealed_at_ms for one in Survey(limits).waiting()] == [None, None]
    store.pin(replace(FIT, offset_ms=5_000_000))
    assert [one.sealed_at_ms for one in Survey(limits).waiting()] == [5_001_002, 5_001_100]
    assert Survey(limits).look()[Where.MEMORY].oldest_ms == 5_001_000


def actions(store):
    """What the gateway may do between two looks of the reader."""
    yield "seal", lambda: store.seal([sample(3000), sample(9000)], 9000, FIT)
    yield "log", lambda: store.keep_samples([sample(9500)])
    yield "move", lambda: store.mover.move_all(10_000)
    yield "end the segment", store.places.memory.close_segment
    yield "settle the oldest", lambda: store.settle(Key(store.state.epoch, 1))
    yield "settle a late one", lambda: store.settle(Key(store.state.epoch, 40))


@pytest.mark.parametrize("step", range(0, 44, 3))
@pytest.mark.parametrize("name", ["seal", "log", "move", "end the segment", "settle the oldest", "settle a late one"])
def test_what_waits_all_the_while_is_found_once_beside_a_writer(limits, name, step):
    store = opened(limits)
    for at in range(1000, 1040, 2):
        sealed_at(store, at)
    store.mover.move_all(2000)
    for at in range(2000, 2040, 2):
        sealed_at(store, at)
        if at % 10 == 0:
            store.places.memory.close_segment()
    store.keep_samples([sample(3000)])
    survey = Survey(limits, running=True)
    found, walk = [], survey.waiting()
    for number, one in enumerate(walk):
        found += [one.monotonic_ms for one in one.samples()]
        if number == step:
            dict(actions(store))[name]()
    settled = {"settle the oldest": {1000, 1001}, "settle a late one": {2038, 2039}}.get(name, set())
    counted = Counter(stamp for stamp in found if stamp < 3001)
    assert set(counted) | settled == {*range(1000, 1040), *range(2000, 2040), 3000}
    assert max(counted.values()) == 1
    assert not any(one.damaged_records or one.skipped for one in survey.facts.values())


def test_files_that_are_dropped_meanwhile_are_left_out_and_told(limits):
    store = opened(limits)
    for at in range(1000, 1030, 2):
        sealed_at(store, at)
        store.places.memory.close_segment()

    def deliver(done, total):
        assert 0 < done <= total
        for sequence in range(1, 11):
            store.settle(Key(store.state.epoch, sequence))

    survey = Survey(limits, running=True, progress=deliver)
    assert [one.key.sequence for one in survey.waiting()] == [1, *range(11, 16)]
    assert survey.facts[Where.MEMORY].gone == 9
    assert not survey.facts[Where.MEMORY].skipped


@pytest.mark.parametrize("running", [False, True])
def test_half_a_record_at_the_end_is_damage_only_when_nobody_writes(limits, running):
    store = opened(limits)
    sealed_at(store, 1000)
    sealed_at(store, 2000)
    path = next((limits.memory_dir / "segments").iterdir())
    path.write_bytes(path.read_bytes()[:-3])
    survey = Survey(limits, running=running)
    assert [one.key.sequence for one in survey.waiting()] == [1]
    assert survey.facts[Where.MEMORY].damaged_records == (0 if running else 1)


def segment(*records):
    return b"".join(frame(record) for record in records)


def batch(sequence, epoch=7):
    return encode_record(BatchRecord(encode(BatchKey("gw-1", epoch, sequence), BOOT, 1000, [sample(1)], FIT)))


def test_a_flipped_byte_anywhere_costs_one_batch_at_most_and_is_told():
    whole = segment(batch(1), batch(2), batch(3))
    for position in range(len(whole)):
        data = whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
        facts = PlaceFacts()
        found = [one.key.sequence for one in batches_of(Where.CARD, "f", data, (), {}, Seen(), facts)]
        assert found == [n for n in (1, 2, 3) if n != 1 + position * 3 // len(whole)], position
        assert facts.damaged_records == 1
        assert facts.damage[0].start <= position < facts.damage[0].end


@pytest.mark.parametrize(
    ("data", "settled", "found", "reasons"),
    [
        (b"", (), [], []),
        (segment(batch(1), batch(1)), (), [1], []),
        (segment(batch(1), batch(2)), (Key(7, 1),), [2], []),
        (segment(batch(1), b"\x93\x63\x01\x02", batch(2)), (), [1, 2], ["unknown"]),
        (segment(encode_record(BatchRecord(b"LB")), batch(2)), (), [2], ["truncated"]),
        (segment(encode_record(MarkRecord(7, 1, 1)), batch(1)), (), [1], ["unknown"]),
        (segment(encode_record(SamplesRecord(7, 1, BOOT, []))), (), [], ["unknown"]),
        (b"\x00" * 50 + segment(batch(1)) + b"\xff" * 20, (), [1], ["checksum", "torn"]),
    ],
)
def test_a_segments_bytes(data, settled, found, reasons):
    facts = PlaceFacts()
    given = batches_of(Where.CARD, "f", data, settled, {}, Seen(), facts)
    assert [one.key.sequence for one in given] == found
    assert [one.reason for one in facts.damage] == reasons


def test_a_batch_whose_body_does_not_read_is_told_when_its_readings_are_asked_for(limits):
    store = opened(limits)
    sealed = bytearray(encode(BatchKey("gw-1", store.state.epoch, 1), BOOT, 1000, [sample(1)], FIT))
    sealed[-1] ^= 1
    store.places.memory.append(encode_record(BatchRecord(bytes(sealed))))
    survey = Survey(limits)
    for one in survey.waiting():
        with pytest.raises(BatchError) as caught:
            one.samples()
        survey.unreadable(one, caught.value)
    assert survey.facts[Where.MEMORY].damaged_records == 1
    assert survey.facts[Where.MEMORY].oldest_ms == FIT.offset_ms + 1000, "the time of its sealing, which its header has"


def test_nothing_there_and_a_file_in_the_folders_place(limits):
    assert Survey(limits).look() == {where: PlaceFacts() for where in Where}
    limits.card_dir.write_text("a file where the folder should be")
    facts = Survey(limits).look()
    assert facts[Where.CARD].skipped == {str(limits.card_dir / "segments"): "Not a directory"}
    assert not facts[Where.CARD].denied


PULSE = Pulse(1, "ntp", LinkWord(True), JournalWord(7, 9, 0, 2.0, None, None, Counters(values=5000)), 100.0)


def pulse(**changes):
    counters = replace(PULSE.journal.counters, **changes.pop("counters", {}))
    link = LinkWord(changes.pop("up", True), "no route")
    word = JournalWord(7, 9, changes.pop("held", 0), 2.0, None, changes.pop("card_error", None), counters)
    return Pulse(1, changes.pop("clock", "ntp"), link, word, changes.pop("uptime_s", 100.0))


def facts(**places):
    return {where: PlaceFacts(**{"exists": True, **places.get(where.value, {})}) for where in Where}


NOW = 10_000_000
MISSING = {where.value: {"exists": False} for where in Where}
SOME = {"batches": 2, "values": 9, "oldest_ms": NOW - 1000}


@pytest.mark.parametrize(
    ("found", "heard", "step"),
    [
        (facts(card={"denied": True}), None, Step.NOT_ALLOWED),
        (facts(**MISSING), None, Step.NOTHING_THERE),
        (facts(**MISSING), pulse(), Step.NOTHING),
        (facts(card=SOME), None, Step.START),
        (facts(unsealed=SOME), None, Step.START),
        (facts(), None, Step.START_EMPTY),
        (facts(quarantine=SOME), None, Step.START_EMPTY),
        (facts(card=SOME), pulse(up=False, counters={"dropped_batches": 3}, card_error="full"), Step.FULL),
        (facts(card=SOME), pulse(up=False, counters={"thinned_60_s_values": 3}), Step.FULL),
        (facts(card=SOME), pulse(counters={"dropped_batches": 3}), Step.NOTHING),
        (facts(card=SOME), pulse(up=False, card_error="read-only"), Step.CARD),
        (facts(card=SOME), pulse(up=False, clock=None), Step.CLOCK),
        (facts(card=SOME), pulse(up=False), Step.LINK),
        (facts(card={"damaged_records": 1}), pulse(), Step.DAMAGE),
        (facts(card={"skipped": {"f": "Input/output error"}}), pulse(), Step.DAMAGE),
        (facts(quarantine=SOME), pulse(), Step.REFUSED),
        (facts(card={**SOME, "oldest_ms": NOW - 400_000}), pulse(), Step.DRAINING),
        (facts(memory=SOME), pulse(), Step.NOTHING),
    ],
)
def test_what_to_do_next(found, heard, step):
    assert next_step(found, heard, NOW) is step


def test_the_rates_are_means_since_the_start():
    found = facts(memory={"process_values": 400}, card={"process_values": 500}, unsealed={"values": 50})
    gone = {"dropped_values": 700, "thinned_60_s_values": 200, "thinned_900_s_values": 70, "thinned_counter_values": 30}
    heard = pulse(held=200, counters=gone | {"written_card_bytes": 2_000_000})
    passing = rates(found, heard)
    assert passing is not None
    assert passing.values_in_per_s == 50.5
    assert passing.values_out_per_s == (5000 - 400 - 500 - 100 - 1000) / 100
    assert passing.card_bytes_per_day == 20_000 * 86_400
    assert rates(found, None) is None
    assert rates(found, pulse(uptime_s=None)) is None


def test_the_age_of_a_process():
    stat = "42 (a (strange) name) S " + " ".join(str(n) for n in range(4, 22)) + " 5000 99"
    assert age_of_process_s(stat, 100, 80.0) == 30.0
    assert age_of_process_s("42 (x) S 1", 100, 80.0) is None


def test_a_status_that_does_not_read_or_is_old_is_no_pulse(tmp_path):
    assert parse_pulse(b"{}") is None
    assert parse_pulse(b"{half") is None
    assert feel_pulse(tmp_path / "status.json") is None
