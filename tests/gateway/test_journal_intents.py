"""What a full tier gives up is written down before it is gone, and told once by whichever process comes to it."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from lentera_gateway.journal.intents import NAME, Intents
from lentera_gateway.journal.losses import Loss
from lentera_gateway.journal.telling import after_tick
from lentera_model.batch import decode
from lentera_model.protocol import GapReport
from tests.gateway.dropping_child import limits_below
from tests.gateway.stores import BOOT, FIT, WALL, drained, killed, opened, sample

LATER_MS = 5_000_000_000


def gaps_after(store, at_ms=LATER_MS):
    after_tick(store, at_ms, at_ms, at_ms, [], FIT, WALL + at_ms)
    gaps = [one for one in store.reports.waiting() if isinstance(one, GapReport)]
    return [one for one in gaps if one.reason == "journal_dropped"]


def dropped(from_ms, to_ms, devices=()):
    return Loss("journal_dropped", BOOT, FIT, from_ms, to_ms, devices, 0, 7)


def announced(folder):
    drafts, _ = Intents(folder / "mem", folder / "card").load()
    return [(one.reason, one.from_monotonic_ms, one.to_monotonic_ms) for one in drafts]


@pytest.fixture
def folder(tmp_path):
    for name in ("mem", "card"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_what_a_process_gave_up_as_it_was_killed_is_told_by_the_next(tmp_path):
    child = [sys.executable, "-m", "tests.gateway.dropping_child", str(tmp_path)]
    ended = subprocess.run(child, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert int(ended.stdout) > 0
    store = opened(limits_below(tmp_path), at=LATER_MS)
    left = [one.monotonic_ms for batch in drained(store) for one in decode(batch.sealed).samples]
    gone = set(range(60_000, max(left), 60_000)) - set(left)
    assert gone, "nothing was dropped"
    told = gaps_after(store)
    nowhere = {at for at in gone if not any(one.from_ms <= WALL + at <= one.to_ms for one in told)}
    assert not nowhere, f"{len(nowhere)} samples are in no gap of {told}"


def test_what_is_told_is_forgotten_once_the_card_has_it(folder):
    store = opened(limits_below(folder))
    store.places.announce(store.places.card, [dropped(1000, 2000)])
    store.places.announce(store.places.memory, [dropped(900_000, 901_000)])
    assert (folder / "card" / NAME).exists()
    killed(store)
    again = opened(limits_below(folder), at=LATER_MS)
    told = [(one.from_ms - WALL, one.to_ms - WALL, one.values) for one in gaps_after(again)]
    assert told == [(1000, 2000, 0), (900_000, 901_000, 0)]
    assert announced(folder) == []
    killed(again)
    once_more = opened(limits_below(folder), at=2 * LATER_MS)
    assert len(gaps_after(once_more)) == 2


def test_a_draft_that_survived_is_not_told_beside_its_intent(folder):
    store = opened(limits_below(folder))
    loss = dropped(1000, 2000, ("m1",))
    store.places.announce(store.places.card, [loss])
    store.places.losses.note(loss)
    store.gaps._told_ms = 0  # others may join it for a minute
    after_tick(store, 1000, 1000, None, [], FIT, WALL + 1000)
    assert announced(folder) == [("journal_dropped", 1000, 2000)], "no report of it is on the card yet"
    killed(store)
    told = gaps_after(opened(limits_below(folder), at=LATER_MS))
    assert [(one.devices, one.values) for one in told] == [(["m1"], 7)]


def test_a_card_without_room_leaves_the_word_to_memory_and_takes_it_when_there_is_some(folder, monkeypatch):
    store = opened(limits_below(folder))
    card = store.places.card
    store.seal([sample(1000)], 1000, FIT)
    store.mover.move_all(1000)
    card.close_segment()
    full = [True]
    real, drop = store.places.intents._card.add, card.drop

    def add_or_refuse(losses):
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(losses)

    def drop_and_make_room(number):
        assert announced(folder) == [("journal_dropped", 1000, 1000)], "memory has it before it is gone"
        full.clear()
        drop(number)

    monkeypatch.setattr(store.places.intents._card, "add", add_or_refuse)
    monkeypatch.setattr(card, "drop", drop_and_make_room)
    store.places.give_up(card, min(card.index.segments))
    assert (folder / "card" / NAME).read_bytes()


def test_the_file_is_written_anew_before_it_is_long_and_keeps_all_of_it(folder):
    intents, taken = Intents(folder / "mem", folder / "card"), 0
    for at in range(2000):
        taken += intents.announce([dropped(1000 * at, 1000 * at + 500, ("m1", "m2"))], on_card=True)
    size = (folder / "card" / NAME).stat().st_size
    assert size < 80_000 < taken, "adjacent losses have become one"
    assert announced(folder) == [("journal_dropped", 0, 1_999_500)]


def test_half_a_record_that_a_full_card_took_is_written_over(folder):
    intents = Intents(folder / "mem", folder / "card")
    intents.announce([dropped(0, 1)], on_card=True)
    path = folder / "card" / NAME
    real = intents._card._write

    def half(data, anew):
        with path.open("ab") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    intents._card._write = half
    with pytest.raises(OSError, match="space"):
        intents.announce([dropped(1_000_000, 1_000_001)], on_card=True)
    intents._card._write = real
    intents.announce([dropped(2_000_000, 2_000_001)], on_card=True)
    drafts, scans = Intents(folder / "mem", folder / "card").load()
    assert [one.from_monotonic_ms for one in drafts] == [0, 1_000_000, 2_000_000]
    assert not any(one.damaged or one.torn_tail_bytes for one in scans)
