"""A journal sealed in the newest batch format, and a cloud that knows an older one, or learns the newer one."""

import pytest

from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import BatchRecord, encode_record
from lentera_model.batch import FORMAT_VERSION, FORMAT_VERSIONS, BatchKey, decode, encode, peek
from lentera_model.protocol import cloud_side
from tests.gateway.line import line
from tests.gateway.stores import FIT, killed, opened, sample

VERSION_AT = 2


@pytest.fixture
def limits(tmp_path):
    return JournalLimits(tmp_path / "mem", tmp_path / "card")


def test_the_same_batch_goes_in_the_format_that_this_cloud_knows(limits):
    store = opened(limits)
    store.seal([sample(1, 2.5), sample(2, 3.5)], 1000, FIT)
    store.seal([sample(3)], 1500, None)
    store.pin(FIT)
    sent = {}
    for newest in FORMAT_VERSIONS:
        store.connection_lost()
        batches = [batch for _ in range(2) if (batch := store.outbox.next_batch(0, newest)) is not None]
        assert len(batches) == 2
        assert {batch.sealed[VERSION_AT] for batch in batches} == {newest}
        sent[newest] = [decode(batch.sealed) for batch in batches]
        assert all(batch.header.clock == FIT for batch in sent[newest])
    assert [batch.samples for batch in sent[1]] == [batch.samples for batch in sent[2]]
    assert [batch.header.key for batch in sent[1]] == [batch.header.key for batch in sent[2]]


def test_what_lies_in_the_journal_keeps_its_boot_and_what_travels_does_not(limits):
    store = opened(limits)
    store.seal([sample(1)], 1000, FIT)
    ((_, entry),) = store.places.memory.index.entries()
    kept, sent = store.places.sealed_bytes(entry.key), store.outbox.next_batch(0)
    assert kept is not None
    assert sent is not None
    assert peek(kept).boot_id == store.boot_id
    assert peek(sent.sealed).boot_id == bytes(16)


def test_a_batch_that_cannot_be_said_in_an_older_format_is_set_aside_and_blocks_nothing(limits):
    store = opened(limits)
    damaged = bytearray(encode(BatchKey("gw-1", store.state.epoch, 1), store.boot_id, 900, [sample(1)], FIT))
    damaged[-1] ^= 1
    store.places.memory.append(encode_record(BatchRecord(bytes(damaged))))
    killed(store)
    store = opened(limits)
    store.seal([sample(2)], 1100, FIT)
    sent = store.outbox.next_batch(0, 1)
    assert sent is not None
    assert decode(sent.sealed).samples == (sample(2),)
    assert store.outbox.next_batch(0, 1) is None
    assert store.quarantine.count() == 1


async def test_a_gateway_serves_an_old_cloud_and_the_same_cloud_after_its_update(tmp_path, monkeypatch):
    monkeypatch.setattr(cloud_side, "BATCH_VERSIONS", frozenset({1}))
    async with line(tmp_path) as it:
        await it.give(1.0, 2.0)
        await it.until_empty()
        assert {batch[VERSION_AT] for batch in it.cloud.batches.values()} == {1}
        monkeypatch.setattr(cloud_side, "BATCH_VERSIONS", frozenset(FORMAT_VERSIONS))
        it.cloud.cut()
        await it.cloud.until(lambda: len(it.cloud.hellos) == 2)
        await it.give(3.0)
        await it.until_empty()
        assert it.stored() == [1.0, 2.0, 3.0]
        assert sorted(batch[VERSION_AT] for batch in it.cloud.batches.values()) == [1, 1, FORMAT_VERSION]
        assert it.cloud.contradictions == []
