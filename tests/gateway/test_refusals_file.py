"""What meters refuse survives a restart; a damaged file is set aside and costs nothing else."""

from pathlib import Path

import structlog

from lentera_drivers.modbus.holes import AbsentValue, ClosedRange, Findings
from lentera_gateway.acquire.refusals_file import FILE_NAME, RefusalsFile, forget

LOG = structlog.get_logger()


async def test_a_restart_knows_what_was_learnt(tmp_path: Path):
    file = RefusalsFile(tmp_path / "journal", LOG)
    for first in range(20):
        file.book.learn("m", Findings(accepted=True, closed={ClosedRange(3, 10 * first, 10 * first + 2)}))
    file.book.learn_absent("m", AbsentValue(4, 7), 1_800_000_000_000)
    await file.close()
    again = RefusalsFile(tmp_path / "journal", LOG).book
    refusals = again.refusals("m", 1_800_000_000_000)
    assert len(refusals.closed) == 20
    assert refusals.absent == {AbsentValue(4, 7)}


async def test_a_damaged_file_is_set_aside(tmp_path: Path):
    (tmp_path / FILE_NAME).write_bytes(b'{"version": 1, "models": {"m"')
    file = RefusalsFile(tmp_path, LOG)
    assert file.book.models() == []
    assert (tmp_path / "refusals.damaged").read_bytes().startswith(b'{"version"')
    file.book.learn("m", Findings(closed={ClosedRange(3, 1, 2)}))
    await file.close()
    assert RefusalsFile(tmp_path, LOG).book.models() == ["m"]


async def test_a_card_that_refuses_costs_a_line_in_the_log(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    file = RefusalsFile(blocked / "journal", LOG)
    file.book.learn("m", Findings(closed={ClosedRange(3, 1, 2)}))
    await file.close()
    assert file.book.refusals("m", 0).closed


def test_forgetting_removes_the_file(tmp_path: Path):
    assert forget(tmp_path) is False
    (tmp_path / FILE_NAME).write_text("{}")
    assert forget(tmp_path) is True
    assert not (tmp_path / FILE_NAME).exists()
