"""What the outage's and the catch-up's benches reckon from what they saw."""

import asyncio

import pytest

from bench import catch_up, outage
from bench.card import files_bytes, sectors_written
from bench.processes import Span
from lentera_gateway.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.batch import decode


def test_the_kernels_words_for_a_device() -> None:
    stat = "      59        1     2112        2        7        7     6166        3        0        4        5"
    assert sectors_written(stat) == 6166


def test_all_files_below_a_folder_count(tmp_path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one").write_bytes(b"12345")
    (tmp_path / "two").write_bytes(b"123")
    assert files_bytes(tmp_path) == 8


def test_what_was_written_is_divided_by_what_was_asked_meanwhile() -> None:
    found = outage.figures(Span(10.0, 20.0, {}, {}), 4_000, 1_000, [9.9, 10.0, 15.0, 20.0])
    assert found["values"] == 2 * outage.VALUES
    assert found["device_bytes_a_value"] == 50.0
    assert found["megabytes_a_day"] == pytest.approx(34.6)
    assert found["kept_bytes_a_value"] == pytest.approx(6.25)


def test_a_span_without_a_question_has_no_figure() -> None:
    found = outage.figures(Span(0.0, 1.0, {}, {}), 4_000, 0, [])
    assert (found["device_bytes_a_value"], found["kept_bytes_a_value"]) == (None, None)


def test_the_newest_row_of_influxdb() -> None:
    table = ",result,table,_time,_value\r\n,,0,2026-11-29T10:00:00.5Z,1\r\n,,1,2026-11-29T09:00:00Z,2\r\n"
    assert catch_up.newest_in(table) == 1_795_946_400_500
    assert catch_up.newest_in("\r\n") is None


def test_the_first_live_reading_is_told_apart_from_its_age() -> None:
    found = catch_up.figures(1_000, 4.0, [(2.0, 0.5), (3.0, 2.5), (4.0, 1.0)])
    assert found["values_a_second"] == 250
    assert (found["first_live_reading_seen_after_s"], found["live_age_s_median"]) == (2.0, 1.0)
    assert found["live_age_s_most"] == 2.5


def test_a_backlog_lies_on_the_card_with_every_value(tmp_path) -> None:
    end_ms = 1_760_000_000_000
    values = asyncio.run(catch_up.make_backlog(tmp_path, "bench_40", 20 / 3600, end_ms, meters=2))
    assert values == 20 * 2 * catch_up.VALUES

    async def count() -> tuple[int, int]:
        limits = JournalLimits(tmp_path / "memory", tmp_path / "card")
        journal = Journal(catch_up.GATEWAY, bytes(16), limits, lambda: 5, lambda: end_ms, lambda: None)
        await journal.open()
        batches = []
        while not batches or len(batches) < (await journal.status()).waiting_batches:
            batch = await journal.next_batch(0)
            if batch is not None:
                batches.append(batch)
        await journal.close()
        readings = [one for batch in batches for one in decode(batch.sealed).readings()]
        return sum(len(one.values) for one in readings), max(one.at_ms for one in readings)

    found, newest_ms = asyncio.run(count())
    assert found == values
    assert newest_ms == end_ms + 5
