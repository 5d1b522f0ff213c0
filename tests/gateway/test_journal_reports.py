"""Reports are kept until the cloud has noted them: through kills, power cuts, damage, a refusing card, a full log."""

import asyncio
import itertools
import os

import pytest

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.framing import Scan, scan
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.joined import joined, nearest_pair
from lentera_gateway.journal.reports import NAME, ReportLog, lost_since_ms, reports_in
from lentera_model.protocol import GapReport, Tally, TallyRow
from tests.gateway.line import line

HOUR = 1_790_000_000_000


def gap(from_ms, to_ms, reason="killed", devices=(), **facts):
    return GapReport(0, 0, reason, from_ms, to_ms, list(devices), **facts)


def row(device="m1"):
    return TallyRow(device, 1000, 3600, 3500, 0, {"silent": 100})


@pytest.fixture
def folders(tmp_path):
    for name in ("mem", "card"):
        (tmp_path / name).mkdir()
    return tmp_path / "mem", tmp_path / "card"


def loaded(folders, epoch=1, **bounds):
    log = ReportLog(*folders, **bounds)
    log.load(epoch)
    return log


def sent_all(log):
    sent: list[GapReport | Tally] = []
    keys: set[Key] = set()
    while (report := log.to_send(keys.__contains__)) is not None:
        keys.add(Key(report.epoch, report.number))
        sent.append(report)
    return sent


def test_nothing_is_written_when_there_is_nothing_to_say(folders):
    log = loaded(folders)
    log.maintain(1 << 40)
    log.close()
    assert not any(list(folder.iterdir()) for folder in folders)


def test_a_report_is_kept_over_restarts_until_it_is_noted(folders):
    log = loaded(folders, epoch=7)
    log.add_tally(HOUR, [row()])
    log.add_gap(gap(10, 20))
    assert [(one.epoch, one.number) for one in sent_all(log)] == [(7, 2), (7, 1)], "gaps go first"
    again = loaded(folders, epoch=8)
    found = sent_all(again)
    assert found == sent_all(log)
    assert again.noted(Key(7, 2))
    assert not again.noted(Key(7, 2))
    again.add_gap(gap(30, 40))
    assert [(one.epoch, one.number) for one in sent_all(loaded(folders, epoch=9))] == [(8, 1), (7, 1)]


def test_a_power_cut_forgets_only_that_the_cloud_has_noted(folders):
    log = loaded(folders)
    log.add_gap(gap(10, 20))
    log.noted(Key(1, 1))
    for path in folders[0].iterdir():
        path.unlink()
    assert len(sent_all(loaded(folders, epoch=2))) == 1


def test_an_orderly_end_leaves_nothing_that_is_noted(folders):
    log = loaded(folders)
    log.add_gap(gap(10, 20))
    log.noted(Key(1, 1))
    log.close()
    assert not any(list(folder.iterdir()) for folder in folders)


def test_the_file_does_not_grow_with_what_is_noted(folders):
    log = loaded(folders)
    for number in range(1, 500):
        log.add_gap(gap(number, number + 1, devices=[f"meter-{number}"]))
        log.noted(Key(1, number))
    assert (folders[1] / NAME).stat().st_size < 30_000
    assert sent_all(log) == []
    assert sent_all(loaded(folders, epoch=2)) == []


@pytest.mark.parametrize("begins", [(10, 20, 30, 40), (40, 10, 30, 20)])
def test_damage_in_the_file_costs_only_what_it_hit_and_leaves_known_what_that_was_about(folders, begins):
    log = loaded(folders)
    log.add_tally(HOUR, [row()])
    for begin in begins:
        log.add_gap(gap(HOUR - begin, HOUR - begin + 5))
    path = folders[1] / NAME
    whole = path.read_bytes()
    all_of_it = {one.number: one for one in reports_in(scan(whole))}
    assert len(all_of_it) == 5
    for hit in scan(whole).frames:
        for at in range(hit.offset, hit.offset + hit.size, 3):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            again = ReportLog(*folders)
            (found,) = again.load(2)
            lost = set(all_of_it) - {one.number for one in sent_all(again)}
            assert lost == {one.number for one in reports_in(Scan([hit]))}
            since_ms = lost_since_ms(found)
            assert since_ms is not None
            begins_ms = [one.hour_ms if isinstance(one, Tally) else one.from_ms for one in all_of_it.values()]
            assert min(begins_ms) <= since_ms
            assert all(since_ms <= begins_ms[number - 1] for number in lost)


def test_a_file_of_which_nothing_reads_may_have_told_of_any_time(folders):
    (folders[1] / NAME).write_bytes(b"never a record")
    (found,) = ReportLog(*folders).load(1)
    assert lost_since_ms(found) == BUILD_TIME_MS
    assert lost_since_ms(Scan()) is None


def test_a_torn_end_is_mended_with_the_next_report(folders):
    log = loaded(folders)
    log.add_gap(gap(10, 20))
    log.add_gap(gap(30, 40))
    path = folders[1] / NAME
    path.write_bytes(path.read_bytes()[:-3])
    again = loaded(folders, epoch=2)
    again.add_gap(gap(50, 60))
    third = ReportLog(*folders)
    (found,) = third.load(3)
    assert not found.torn_tail_bytes
    assert not found.damaged
    assert [(one.epoch, one.number) for one in sent_all(third)] == [(1, 1), (2, 1)]


def test_what_the_card_refuses_outlives_a_kill_and_goes_to_the_card_later(folders):
    memory, card = folders
    os.rmdir(card)
    log = loaded(folders)
    log.add_gap(gap(10, 20))
    assert str(card / NAME) in (log.status().error or "")
    assert len(sent_all(loaded(folders, epoch=2))) == 1
    card.mkdir()
    log.maintain(100_000)
    assert log.status().error is None
    assert not (memory / NAME).exists()
    assert len(sent_all(loaded(folders, epoch=2))) == 1


def test_a_full_log_gives_up_the_oldest_tallies_then_joins_gaps_and_says_so(folders):
    log = loaded(folders, max_reports=4)
    for hour in range(3):
        log.add_tally(HOUR + hour * 3_600_000, [row()])
    for at in (1000, 5000, 5100, 9000):
        log.add_gap(gap(at, at + 50, "killed"))
    log.add_gap(gap(2000, 2100, "stopped"))
    found = [one for one in sent_all(log) if isinstance(one, GapReport)]
    assert [(one.reason, one.from_ms, one.to_ms) for one in found] == [
        ("killed", 1000, 1050),
        ("killed", 9000, 9050),
        ("stopped", 2000, 2100),
        ("killed", 5000, 5150),
    ]
    assert (log.status().dropped_tallies, log.status().joined_gaps) == (3, 1)
    assert sent_all(loaded(folders, epoch=2)) == sent_all(log)


def test_a_full_log_is_bounded_in_bytes(folders):
    log = loaded(folders, max_bytes=20_000)
    for hour in range(100):
        log.add_tally(HOUR + hour * 3_600_000, [row(f"meter-{index}") for index in range(50)])
    hours = [one.hour_ms for one in sent_all(log) if isinstance(one, Tally)]
    assert hours[-1] == HOUR + 99 * 3_600_000
    assert len(hours) + log.status().dropped_tallies == 100
    assert (folders[1] / NAME).stat().st_size < 60_000


def test_a_long_tally_goes_in_parts_that_fit_into_a_message(folders):
    log = loaded(folders)
    log.add_tally(HOUR, [row(f"meter-{index}") for index in range(1200)])
    parts = [one for one in sent_all(log) if isinstance(one, Tally)]
    assert [len(part.rows) for part in parts] == [500, 500, 200]


def test_a_gap_that_was_never_sent_grows_and_one_that_was_does_not_change(folders):
    log = loaded(folders)
    log.add_gap(gap(0, 100, "journal_thinned", ["m1"], detail_s=60, values=5), join_within_ms=50)
    log.add_gap(gap(140, 200, "journal_thinned", ["m2"], detail_s=60, values=6), join_within_ms=50)
    (one,) = sent_all(log)
    assert one == GapReport(1, 1, "journal_thinned", 0, 200, ["m1", "m2"], 60, 11)
    log.add_gap(gap(210, 300, "journal_thinned", ["m1"], detail_s=60, values=7), join_within_ms=50)
    assert [(found.number, found.values) for found in sent_all(log) if isinstance(found, GapReport)] == [
        (1, 11),
        (2, 7),
    ]
    assert sent_all(loaded(folders, epoch=2)) == sent_all(log)


def test_joined_gaps_never_claim_less(folders):
    gaps = [
        gap(10, 20, devices=["a"], detail_s=60, values=3),
        gap(15, 40, devices=[], detail_s=60, values=4),
        gap(90, 95, devices=["b"], detail_s=0, values=0, uncertainty_ms=9),
        gap(90, 99, devices=[f"d{index}" for index in range(64)], detail_s=900, values=1),
    ]
    for one, other in itertools.permutations(gaps, 2):
        both = joined(one, other)
        for part in (one, other):
            assert both.from_ms <= part.from_ms
            assert both.to_ms >= part.to_ms
            assert not both.devices or (part.devices and set(part.devices) <= set(both.devices))
            assert both.detail_s == 0 or both.detail_s >= part.detail_s > 0
            assert both.values == 0 or (part.values and both.values >= part.values)
            assert both.uncertainty_ms >= part.uncertainty_ms
    assert nearest_pair(gaps) == (gaps[0], gaps[1])


async def test_the_link_carries_reports_until_they_are_noted(tmp_path):
    async with line(tmp_path, start=False, versions=(1, 2)) as it:
        await it.journal.report_gap("killed", HOUR, HOUR + 5, uncertainty_ms=3)
        await it.journal.report_tally(HOUR, [row()])
        it.cloud.notes = False
        await it.cloud.start()
        await it.cloud.until(lambda: len(it.cloud.told) == 2)
        assert it.cloud.told[0] == GapReport(it.journal.epoch, 1, "killed", HOUR, HOUR + 5, uncertainty_ms=3)
        assert it.cloud.told[1] == Tally(it.journal.epoch, 2, HOUR, [row()])
        it.cloud.notes = True
        it.cloud.cut()
        await it.cloud.until(lambda: len(it.cloud.told) == 4)
        for hour in range(10):
            await it.journal.report_tally(HOUR + hour, [row()])
        await it.cloud.until(lambda: len(it.cloud.told) == 14)
        async with asyncio.timeout(10):
            while (await it.journal.status()).reports.tallies or (await it.journal.status()).reports.gaps:
                await asyncio.sleep(0.01)


async def test_a_cloud_of_version_1_is_never_sent_a_report(tmp_path):
    async with line(tmp_path, versions=(1,)) as it:
        await it.journal.report_gap("killed", HOUR, HOUR + 5)
        await it.give(1.0)
        await it.until_empty()
        assert it.cloud.told == []
        assert (await it.journal.status()).reports.gaps == 1
