"""What the operator set outlives the process, a power cut and a flipped bit, and no card holds up the event loop."""

import asyncio
import shutil
import threading
from datetime import UTC, date, datetime

import pytest
import structlog.testing

from lentera_gateway.delivery import keptfile
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import FILE_NAME, DeliveryKeeper
from lentera_gateway.delivery.quota import Step
from lentera_gateway.journal.policy import Shaping
from lentera_model.config import CloudLink
from lentera_model.protocol import SetDelivery

WALL = 1_795_000_000_000
MINUTE_MS = 60_000
WORD = SetDelivery("live", 1_000, 700, 15)


class Journalled:
    """What the keeper uses of the journal."""

    def __init__(self):
        self.shape: Shaping | None = None

    async def reshape(self, shape):
        self.shape = shape
        return 0, 0

    async def report_gap(self, *gap):
        pass


class Clock:
    """A monotonic clock that stands until it is moved."""

    ms = 0

    def __call__(self):
        return self.ms


def utc_date(wall_ms: int) -> date:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).date()


def at(day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def started(tmp_path, clock=None, **config) -> DeliveryKeeper:
    for name in ("mem", "card"):
        (tmp_path / name).mkdir(exist_ok=True)
    air = AirMeter(tmp_path / "mem", tmp_path / "card", local_date=utc_date)
    link = CloudLink(url="ws://c/v1/link", key_file=tmp_path / "k", **config)
    found = DeliveryKeeper(link, air, tmp_path / "card", clock or Clock())
    air.open(0)
    found.open()
    return found


@pytest.fixture
def slow_card(monkeypatch):
    """A card that syncs nothing until it is let go."""
    go_on, syncing = threading.Event(), threading.Event()
    write = keptfile.write_durably

    def slow(path, data):
        syncing.set()
        assert go_on.wait(60)
        write(path, data)

    monkeypatch.setattr(keptfile, "write_durably", slow)
    yield go_on, syncing
    go_on.set()


@pytest.mark.parametrize("told", [True, False], ids=["the cloud's word", "config"])
async def test_the_sims_day_that_passes_while_the_gateway_is_off_ends_the_step(tmp_path, told):
    config = {} if told else {"monthly_quota_bytes": 100, "month_day": 15}
    it, journal = started(tmp_path, **config), Journalled()
    if told:
        it.take(SetDelivery(None, 0, 100, 15))
    await it.air.tick(0, at("2026-11-20"))
    it.air.add(99)
    await it.tick(at("2026-11-20"), journal)
    assert it.step is Step.MEANS_900
    await it.air.close(0)
    await it.close()
    again = started(tmp_path, **config)
    await again.air.tick(0, None)
    await again.tick(None, journal)
    assert (again.step, again.air.bytes) == (Step.MEANS_900, 99), "which month it is nobody knows yet"
    await again.air.tick(1, at("2026-12-16"))
    await again.tick(at("2026-12-16"), journal)
    assert (again.step, again.air.bytes, again.air.month) == (Step.FULL, 0, date(2026, 12, 15))


async def test_the_event_loop_goes_on_while_a_card_syncs_and_the_last_change_is_kept(tmp_path, slow_card):
    go_on, syncing = slow_card
    it = started(tmp_path, monthly_quota_bytes=100)
    it.air.add(85)
    await it.tick(WALL, Journalled())
    assert it.step is Step.MEANS_60, "the tick did not wait"
    it.take(SetDelivery("live"))
    it.take(WORD)
    closing = asyncio.create_task(it.close())
    async with asyncio.timeout(30):
        while not syncing.is_set():
            await asyncio.sleep(0.01)
    assert not closing.done()
    go_on.set()
    await closing
    shutil.rmtree(tmp_path / "mem")
    again = started(tmp_path)
    assert (again.mode, again.quota_bytes, again.step) == ("live", 700, Step.MEANS_60)


async def test_the_count_on_the_air_waits_for_no_card_on_the_event_loop(tmp_path, slow_card):
    go_on, syncing = slow_card
    it = started(tmp_path).air
    it.add(85)
    closing = asyncio.create_task(it.close(1))
    async with asyncio.timeout(30):
        while not syncing.is_set():
            await asyncio.sleep(0.01)
    go_on.set()
    await closing
    assert started(tmp_path).air.bytes == 85


async def test_a_word_that_the_card_has_not_yet_outlives_a_killed_process(tmp_path, slow_card):
    it = started(tmp_path)
    it.take(WORD)
    assert started(tmp_path).mode == "live"


async def test_a_card_that_refuses_is_told_once_and_tried_again(tmp_path):
    clock = Clock()
    with structlog.testing.capture_logs() as logs:
        it = started(tmp_path, clock)
        shutil.rmtree(tmp_path / "card")
        for rate in (1, 2, 3):
            it.take(SetDelivery(None, rate))
        await it.close()
        (refused,) = [line for line in logs if line["event"] == "not_kept"]
        assert refused["file"] == str(tmp_path / "card" / FILE_NAME)
        assert "No such file" in refused["error"]
        (tmp_path / "card").mkdir()
        clock.ms += MINUTE_MS - 1
        await it.tick(WALL, Journalled())
        await it.close()
        assert not (tmp_path / "card" / FILE_NAME).exists(), "not each second"
        clock.ms += 1
        await it.tick(WALL, Journalled())
        await it.close()
    assert [line["event"] for line in logs] == ["not_kept", "kept_again"]
    (tmp_path / "mem" / FILE_NAME).unlink()
    assert started(tmp_path)._kept.told == SetDelivery(None, 3)


async def test_a_flipped_bit_changes_no_setting_and_the_other_copy_holds(tmp_path):
    it = started(tmp_path)
    it.take(WORD)
    await it.close()
    content = (tmp_path / "card" / FILE_NAME).read_bytes()
    for place in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        for damaged, other in (("mem", "card"), ("card", "mem")):
            (tmp_path / damaged / FILE_NAME).write_bytes(flipped)
            (tmp_path / other / FILE_NAME).write_bytes(content)
            assert started(tmp_path)._kept.told == WORD, (place, damaged)
        (tmp_path / "mem" / FILE_NAME).unlink()
        (tmp_path / "card" / FILE_NAME).write_bytes(flipped)
        assert started(tmp_path)._kept.told is None, place
    (tmp_path / "card" / FILE_NAME).write_bytes(content)
    assert started(tmp_path)._kept.told == WORD
    assert (tmp_path / "mem" / FILE_NAME).read_bytes() == content, "after a power cut there are two copies again"


async def test_of_two_copies_the_newer_holds(tmp_path):
    it = started(tmp_path)
    it.take(SetDelivery("economy"))
    await it.close()
    old = (tmp_path / "mem" / FILE_NAME).read_bytes()
    it.take(WORD)
    await it.close()
    new = (tmp_path / "card" / FILE_NAME).read_bytes()
    for memory, card in ((old, new), (new, old)):
        (tmp_path / "mem" / FILE_NAME).write_bytes(memory)
        (tmp_path / "card" / FILE_NAME).write_bytes(card)
        assert started(tmp_path)._kept.told == WORD
