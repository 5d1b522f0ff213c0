"""A power cut after any report was kept: the card has each of them."""

import random
from pathlib import Path

import pytest

from lentera_gateway.journal.reports import ReportLog
from lentera_gateway.journal.segments import make_folder
from lentera_model.protocol import GapReport, Tally, TallyRow
from tests.faults.disk import KINDS, Disk
from tests.faults.files import Files
from tests.faults.seeds import FIRST_SEED, quick_folder

HOUR_MS = 1_790_000_000_000


def keep(log: ReportLog, number: int) -> None:
    """Keep the next report: some begin earlier than those before them, some are tallies."""
    if number % 3 == 2:
        log.add_tally(HOUR_MS + number, [TallyRow("m1", 1000, 3600, 3500, 0, {"silent": 100})])
    else:
        at_ms = HOUR_MS - 1000 * number if number % 2 else HOUR_MS + 1000 * number
        log.add_gap(GapReport(0, 0, "killed", at_ms, at_ms + 10))


def begins(log: ReportLog) -> set[int]:
    return {one.hour_ms if isinstance(one, Tally) else one.from_ms for one in log.waiting()}


def kept(root: Path) -> tuple[Files, list[tuple[int, set[int]]]]:
    """Keep some reports; returns the calls, and after which of them the log had said that it keeps which reports."""
    files, moments = Files(root), list[tuple[int, set[int]]]()
    with files.watching():
        for name in ("mem", "card"):
            make_folder(root / name)
        log = ReportLog(root / "mem", root / "card")
        log.load(1)
        for number in range(1, 12):
            keep(log, number)
            moments.append((len(files.ops), begins(log)))
    return files, moments


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_that_was_kept_outlives_a_power_cut(tmp_path, kind):
    files, moments = kept(tmp_path)
    disk, done, appended = Disk(), 0, 0
    for position, expected in moments:
        calls, done = files.ops[done:position], position
        appended += not any(op.kind == "rename" for op in calls)
        disk.follow(calls)
        image = disk.after_power_cut(kind, random.Random(f"{FIRST_SEED} {position}")).without("mem")
        with quick_folder() as root:
            image.lay(root)
            again = ReportLog(root / "mem", root / "card")
            again.load(2)
            assert begins(again) == expected, f"after call {position}"
    assert appended >= 8, "most are appended, not written with all the others"
