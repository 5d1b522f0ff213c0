"""A power cut under a step of the quota costs what its longer sealing held back, and that is what is told."""

import pytest

from lentera_gateway.delivery.quota import SHAPES, Step
from lentera_gateway.journal.limits import LONGEST_SEAL_AGE_MS
from lentera_gateway.journal.state import read_state
from tests.gateway.journal_board import HOUR, Board


@pytest.fixture
async def board(tmp_path):
    one = Board(tmp_path)
    await one.start()
    yield one
    for journal in one.journals:
        journal._io.stop()


def kept_seal_age_ms(board: Board) -> int | None:
    """What the card's state says of how old samples may have been when they were sealed."""
    state = read_state(board.root / "card")
    return None if state is None else state.seal_age_ms


async def test_a_power_cut_under_a_step_of_the_quota_costs_its_longer_sealing(board):
    board.journal.shape = SHAPES[Step.MEANS_900]
    await board.run(HOUR // 1000, linked=True)
    saved_ms = board.wall()
    await board.run(2, linked=True)
    board.power_cut()
    await board.start()
    await board.run(3)
    (gap,) = await board.told()
    assert (gap.reason, gap.from_ms) == ("power_cut", saved_ms - 915_000)
    assert gap.uncertainty_ms >= 915_000
    assert max(shape.seal_age_ms for shape in SHAPES.values()) == LONGEST_SEAL_AGE_MS


async def test_the_longer_sealing_counts_until_its_last_batch_is_on_the_card(board):
    board.journal.shape = SHAPES[Step.MEANS_60]
    await board.run(400)
    board.journal.shape = None
    await board.run(300)
    assert kept_seal_age_ms(board) == 300_000
    board.power_cut()
    board.trusted = False
    await board.start()
    await board.run(400)
    assert kept_seal_age_ms(board) == 300_000, "what it has cost is not told yet"
    board.trusted = True
    await board.run(2)
    assert kept_seal_age_ms(board) == 60_000
