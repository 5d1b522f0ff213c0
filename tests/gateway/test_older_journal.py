"""The journal of a version that kept neither mark nor end is taken over without telling of an end that nobody knows."""

import msgspec
import pytest

from lentera_gateway.journal.framing import frame, scan
from tests.gateway.journal_board import Board


async def left_by_the_older_version(board: Board, in_order: bool) -> None:
    """Run a journal and leave the files that the older version would have: its state had three fields, and no mark."""
    await board.start()
    await board.run(100)
    if in_order:
        await board.journal.close()
    else:
        board.kill()
    for tier in ("card", "mem"):
        path = board.root / tier / "state"
        fields = msgspec.msgpack.decode(scan(path.read_bytes()).frames[0].record)
        path.write_bytes(frame(msgspec.msgpack.encode(fields[:4])))
    (board.root / "mem" / "alive").unlink()


@pytest.mark.parametrize("in_order", [True, False], ids=["closed", "killed"])
@pytest.mark.parametrize("reboots", [False, True], ids=["same boot", "other boot"])
async def test_its_end_is_told_by_nobody(tmp_path, in_order, reboots):
    board = Board(tmp_path)
    await left_by_the_older_version(board, in_order)
    if reboots:
        board.reboot()
    board.now_ms += 30_000
    await board.start()
    await board.run(100)
    assert await board.told() == []
    await board.journal.close()


@pytest.mark.parametrize("end", ["killed", "power_cut"])
async def test_from_then_on_each_end_is_told(tmp_path, end):
    board = Board(tmp_path)
    await left_by_the_older_version(board, in_order=True)
    await board.start()
    await board.run(100)
    if end == "killed":
        board.kill()
    else:
        board.power_cut()
    await board.start()
    await board.run(20)
    assert [gap.reason for gap in await board.told()] == [end]
    await board.journal.close()
