"""The month's bytes: counted across restarts, begun anew with the month, written seldom."""

import shutil
from datetime import UTC, date, datetime

import pytest

from lentera_gateway.delivery.air import FILE_NAME, AirMeter
from lentera_gateway.delivery.keptfile import checked
from lentera_gateway.delivery.month import local_date, month_of

MINUTE = 60_000
HOUR = 60 * MINUTE


def utc_date(wall_ms: int) -> date:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).date()


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def meter(tmp_path, **fields) -> AirMeter:
    for name in ("memory", "card"):
        (tmp_path / name).mkdir(exist_ok=True)
    found = AirMeter(tmp_path / "memory", tmp_path / "card", local_date=utc_date, **fields)
    found.open(0)
    return found


@pytest.mark.parametrize(
    ("today", "month_day", "begins"),
    [
        ("2026-11-29", 1, "2026-11-01"),
        ("2026-11-15", 15, "2026-11-15"),
        ("2026-11-14", 15, "2026-10-15"),
        ("2026-01-03", 28, "2025-12-28"),
        ("2024-02-29", 28, "2024-02-28"),
        ("2026-03-01", 28, "2026-02-28"),
    ],
)
def test_a_month_begins_on_its_day(today, month_day, begins):
    assert month_of(date.fromisoformat(today), month_day) == date.fromisoformat(begins)


def test_the_date_is_the_boards_own(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Jakarta")
    time.tzset()
    try:
        assert local_date(at("2026-10-31T17:00:00")) == date(2026, 11, 1)
        assert local_date(at("2026-10-31T16:59:59")) == date(2026, 10, 31)
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_new_month_counts_anew_and_an_unknown_time_does_not(tmp_path):
    it = meter(tmp_path)
    it.add(10)
    await it.tick(1, None)
    assert (it.bytes, it.month) == (10, None)
    await it.tick(2, at("2026-10-31T23:59:59"))
    it.add(5)
    assert (it.bytes, it.month) == (15, date(2026, 10, 1))
    await it.tick(3, None)
    assert it.bytes == 15
    await it.tick(4, at("2026-11-01T00:00:00"))
    assert (it.bytes, it.month) == (0, date(2026, 11, 1))
    it.add(7)
    await it.tick(5, at("2026-10-31T23:59:59"))
    await it.tick(6, at("2026-11-01T00:00:01"))
    assert it.month == date(2026, 11, 1)


async def test_a_clock_that_went_back_begins_no_month_twice(tmp_path):
    it = meter(tmp_path)
    await it.tick(1, at("2026-11-01T12:00:00"))
    it.add(7)
    await it.tick(2, at("2026-10-31T12:00:00"))
    await it.tick(3, at("2026-11-01T12:00:00"))
    assert it.bytes == 7


async def test_another_first_day_forgets_nothing(tmp_path):
    it = meter(tmp_path)
    await it.tick(1, at("2026-11-20T00:00:00"))
    it.add(100)
    it.begin_on(15)
    await it.tick(2, at("2026-11-20T00:00:01"))
    assert (it.bytes, it.month) == (100, date(2026, 11, 15))


@pytest.mark.parametrize("opened_with", [1, 15], ids=["the cloud's word", "config"])
@pytest.mark.parametrize("known", [True, False], ids=["clock", "clock only before"])
async def test_the_sims_day_begins_a_month_also_while_the_gateway_is_off(tmp_path, opened_with, known):
    it = meter(tmp_path, month_day=opened_with)
    await it.tick(1, at("2026-11-20T00:00:00"))
    it.begin_on(15)
    await it.tick(2, at("2026-11-20T00:00:01") if known else None)
    it.add(100)
    it.keep(3)
    again = meter(tmp_path, month_day=opened_with)
    again.begin_on(15)
    assert (again.bytes, again.month) == (100, date(2026, 11, 15))
    await again.tick(1, at("2026-12-14T23:59:59"))
    again.add(7)
    again.keep(2)
    last = meter(tmp_path, month_day=opened_with)
    last.begin_on(15)
    await last.tick(1, None)
    assert last.bytes == 107
    await last.tick(2, at("2026-12-16T00:00:00"))
    assert (last.bytes, last.month) == (0, date(2026, 12, 15))


async def test_a_flipped_bit_changes_no_count_and_the_other_copy_holds(tmp_path):
    it = meter(tmp_path)
    await it.tick(1, at("2026-11-20T00:00:00"))
    it.add(123_456)
    it.keep(2)
    for folder, other in (("memory", 123_456), ("card", 0)):
        file = tmp_path / folder / FILE_NAME
        content = file.read_bytes()
        for place in range(len(content) * 8):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            file.write_bytes(flipped)
            assert meter(tmp_path).bytes == other, place
        file.unlink()


async def test_a_killed_process_loses_a_minute_and_a_power_cut_an_hour(tmp_path):
    it = meter(tmp_path)
    wall = at("2026-11-20T00:00:00")
    for minute in range(1, 91):
        it.add(100)
        await it.tick(minute * MINUTE, wall + minute * MINUTE)
    it.add(50)
    assert meter(tmp_path).bytes == 9_000
    (tmp_path / "memory" / FILE_NAME).unlink()
    after_cut = meter(tmp_path)
    assert (after_cut.bytes, after_cut.month) == (6_000, date(2026, 11, 1))


async def test_the_end_in_order_loses_nothing_and_the_card_is_written_once_an_hour(tmp_path):
    it = meter(tmp_path)
    card = tmp_path / "card" / FILE_NAME
    written = set()
    for minute in range(1, 241):
        it.add(1)
        await it.tick(minute * MINUTE, None)
        if card.exists():
            written.add(card.stat().st_mtime_ns)
    assert len(written) == 4
    it.add(1)
    it.keep(241 * MINUTE)
    assert meter(tmp_path).bytes == 241
    before = card.stat().st_mtime_ns
    it.keep(242 * MINUTE)
    assert card.stat().st_mtime_ns == before, "nothing new to keep"


async def test_what_does_not_read_counts_as_nothing_and_a_folder_that_refuses_stops_nobody(tmp_path):
    it = meter(tmp_path)
    fields = (b'"month": "x", "bytes": 3', b'"bytes": "many"', b'"bytes": 3, "month_day": 29')
    for content in (b"", b"{", b'{"bytes": 3, "month_day": 1}', *(checked(b"{" + found + b"}") for found in fields)):
        (tmp_path / "card" / FILE_NAME).write_bytes(content)
        assert meter(tmp_path).bytes == 0
    shutil.rmtree(tmp_path / "card")
    it.add(3)
    await it.tick(2 * HOUR, None)
    assert meter(tmp_path).bytes == 3
