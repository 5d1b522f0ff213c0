"""Damaged bytes are stepped over, and a copy of them is kept: once, bounded, listed, in nobody's way."""

import pytest

from lentera_gateway.journal.damaged import DamagedBytes, DamagedCopies
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.survey import Survey
from tests.gateway.stores import FIT, drained, killed, opened, sample, stamps


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card")


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    return bytes(data)


def three_batches(limits, on_card):
    """Leave three batches in one segment, the middle one damaged; returns its bytes and where they lie."""
    store = opened(limits)
    for at in (1, 2, 3):
        store.seal([sample(at)], 1000, FIT)
    if on_card:
        store.mover.move_all(2000)
    tier = store.places.card if on_card else store.places.memory
    (_, middle, _) = [entry for _, entry in tier.index.entries()]
    (segment,) = tier.folder.glob("*.seg")
    killed(store)
    data = flip(segment, middle.offset + 20)
    return segment, middle, data[middle.offset : middle.offset + middle.size]


def started(limits) -> int:
    """Start and look through the card; returns the bytes written to it for what was found."""
    store = opened(limits)
    while store.scan_card():
        pass
    status = store.status()
    assert status.quarantined == 0, "the cloud refused nothing"
    killed(store)
    return status.counters.written_card_bytes


@pytest.mark.parametrize("on_card", [True, False])
def test_what_is_found_damaged_at_the_start_is_copied_once_and_listed(limits, on_card):
    segment, middle, data = three_batches(limits, on_card)
    assert started(limits) > len(data)
    assert started(limits) == 0, "the second start writes it again"
    assert stamps(drained(opened(limits))) == [1, 3]
    (copy,) = (limits.card_dir / "quarantine" / "damaged").glob("*.bytes")
    assert copy.read_bytes() == data
    assert Survey(limits).damaged_copies() == [
        DamagedBytes(str(segment), middle.offset, middle.offset + middle.size, "checksum")
    ]


def test_what_turns_out_to_be_damaged_when_it_is_to_be_sent_or_moved_is_copied_too(limits):
    store = opened(limits)
    for at in (1, 2, 3):
        store.seal([sample(at)], 1000, FIT)
    _, middle, last = [entry for _, entry in store.places.memory.index.entries()]
    flip(store.places.memory.path(1), middle.offset + 20)
    assert stamps(drained(store)) == [1, 3]
    flip(store.places.memory.path(1), last.offset + 20)
    store.mover.move_all(2000)
    assert store.status().counters.damaged_batches == 2
    assert [one.start for one in Survey(limits).damaged_copies()] == [middle.offset, last.offset]


def test_a_card_that_takes_no_copy_stops_nothing(limits):
    three_batches(limits, on_card=True)
    (limits.card_dir / "quarantine").write_text("a file where the folder should be")
    store = opened(limits)
    while store.scan_card():
        pass
    assert stamps(drained(store)) == [1, 3]
    assert "quarantine" in (store.status().card_error or "")


def test_the_oldest_copies_make_room(tmp_path):
    segment = tmp_path / "0000000007.seg"
    segment.write_bytes(bytes(range(250)))
    copies = DamagedCopies(tmp_path / "damaged", max_bytes=100)
    for start in (0, 60, 120):
        assert copies.put("card", segment, start, start + 50, "checksum") > 50
    assert sorted(path.stem for path in copies.folder.glob("*.bytes")) == [
        "card-0000000007-0000000060",
        "card-0000000007-0000000120",
    ]
    assert len(list(copies.folder.glob("*.json"))) == 2
    copies.put("card", segment, 1, 250, "checksum")
    (left,) = copies.folder.glob("*.bytes")
    assert left.read_bytes() == bytes(range(1, 101)), "cut at the bound"
