"""Recovery by checksums alone: any truncation or flip loses at most the records that it touches."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lentera_gateway.journal.framing import MARKER, MAX_RECORD_BYTES, RecordSizeError, frame, scan

records_lists = st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=12)


def _segment(records):
    ends, data = [], b""
    for record in records:
        data += frame(record)
        ends.append(len(data))
    return data, ends


@given(records_lists)
def test_what_was_framed_is_found(records):
    data, _ = _segment(records)
    found = scan(data)
    assert [item.record for item in found.frames] == records
    assert (found.damaged, found.torn_tail_bytes) == ([], 0)


@given(records_lists, st.data())
@settings(max_examples=300)
def test_any_truncation_keeps_every_whole_record(records, data_source):
    data, ends = _segment(records)
    cut = data_source.draw(st.integers(0, len(data)))
    whole = [record for record, end in zip(records, ends, strict=True) if end <= cut]
    found = scan(data[:cut])
    assert [item.record for item in found.frames] == whole
    assert found.damaged == []
    assert found.torn_tail_bytes == cut - (ends[len(whole) - 1] if whole else 0)


@given(records_lists, st.data())
@settings(max_examples=300)
def test_any_flip_costs_only_the_record_that_it_touches(records, data_source):
    data, ends = _segment(records)
    position = data_source.draw(st.integers(0, len(data) - 1))
    bit = data_source.draw(st.integers(0, 7))
    hurt = bytearray(data)
    hurt[position] ^= 1 << bit
    victim = next(index for index, end in enumerate(ends) if position < end)
    found = scan(bytes(hurt))
    assert [item.record for item in found.frames] == records[:victim] + records[victim + 1 :]
    last = victim == len(records) - 1
    assert bool(found.torn_tail_bytes) == last
    assert len(found.damaged) == (0 if last else 1)


def test_garbage_with_many_markers_ends_quickly_and_finds_what_follows():
    noise = bytes(random.Random(3).randbytes(5000)) + MARKER * 5000
    found = scan(noise + frame(b"after"))
    assert [item.record for item in found.frames] == [b"after"]
    assert found.damaged == [(0, len(noise))]


def test_zeros_of_a_preallocated_block_are_a_torn_tail():
    found = scan(frame(b"one") + bytes(4096))
    assert [item.record for item in found.frames] == [b"one"]
    assert found.torn_tail_bytes == 4096


@pytest.mark.parametrize("size", [0, MAX_RECORD_BYTES + 1])
def test_a_record_out_of_bounds_is_refused(size):
    with pytest.raises(RecordSizeError, match=str(size)):
        frame(bytes(size))
