"""Nothing lost, nothing twice and nothing at a wrong time while a board's clock lies, steps, or starts in 1970.

One chain of real processes lives through all stories one after the other and is judged at the end: the ledger check
holds every stored time against the true one, within 2 s. LENTERA_FAULTS=long tells the stories six times in any order;
LENTERA_FAULTS_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.faults.clock.board import BoardClock
from tests.faults.network.rig import Rig, assert_whole, open_rig
from tests.services.process import missing
from tests.services.servers import Mosquitto

LONG = os.environ.get("LENTERA_FAULTS") == "long"
SEED = int(os.environ.get("LENTERA_FAULTS_SEED") or (random.SystemRandom().randrange(1 << 32) if LONG else 20_261_129))
DAY_MS = 86_400_000
STEPS_MS = (90_000, -90_000, DAY_MS, -DAY_MS)
PLAN = {"meters": 3, "lamps": 0, "serial_every_s": 1.0, "tcp_every_s": 0.5}
"""Meters alone: a lamp's word that waits in the broker during a reboot is rightly stamped when it comes."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800 if LONG else 480)]


class Board:
    """The rig's gateway with its board's clock."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.folder = rig.gateway.run_dir
        self.clock = BoardClock()

    def says(self, ahead_ms: int = 0, *, synchronised: bool) -> None:
        """Let the kernel say so from now on."""
        self.clock = BoardClock(ahead_ms, synchronised, self.clock.boot, self.clock.booted_ms)
        self.clock.write(self.folder)

    async def reboots(self, wall_ms: int) -> None:
        """Stop in order, lose what is in memory, and start with a wall clock of its own and nobody to set it."""
        await self.rig.gateway.stop()
        shutil.rmtree(self.folder / "journal" / "memory")
        now_ms = true_ms()
        self.clock = BoardClock(wall_ms - now_ms, False, self.clock.boot + 1, now_ms - 4_000)
        self.clock.write(self.folder)
        await self.rig.gateway.start()

    async def waits(self, least_s: float, most_s: float) -> None:
        """Let a while pass, as the dice will have it."""
        await asyncio.sleep(self.rig.dice.uniform(least_s, most_s))

    def unsent(self) -> int:
        """How many batches wait in the journal."""
        return self.rig.gateway.status()["journal"]["waiting_batches"]

    def source(self) -> str | None:
        """Where the gateway has the time from."""
        return self.rig.gateway.status()["clock"]

    async def delivers(self) -> None:
        """Wait until the link carries and nothing old waits."""
        await self.rig.wire.mend()
        await self.rig.until_up()
        await self.rig.gateway.until(lambda: self.unsent() <= 2, 120)


def true_ms() -> int:
    return time.time_ns() // 1_000_000


async def born_in_1970(board: Board) -> None:
    """A board without a clock of its own: nothing travels before the cloud has told the time."""
    await board.rig.wire.refuse()
    await board.reboots(wall_ms=12_000)
    await board.rig.gateway.until(lambda: board.unsent() >= 3, 60)
    assert board.source() is None
    await board.delivers()
    assert board.source() == "link"


async def late_ntp(board: Board) -> None:
    """The same with NTP, which comes while there is no link: what waited is dated by it."""
    await board.rig.wire.refuse()
    await board.reboots(wall_ms=12_000)
    await board.rig.gateway.until(lambda: board.unsent() >= 3, 60)
    board.says(synchronised=True)
    await board.rig.gateway.until(lambda: board.source() == "ntp", 60)
    await board.waits(1, 2)
    await board.delivers()


async def wakes_in_the_future(board: Board) -> None:
    """A clock with a battery that is a day ahead, and nobody who disciplines it."""
    await board.rig.wire.refuse()
    await board.reboots(wall_ms=true_ms() + DAY_MS)
    await board.rig.gateway.until(lambda: board.unsent() >= 2, 60)
    await board.delivers()
    board.says(synchronised=True)


async def set_by_hand(board: Board) -> None:
    """Somebody sets the clock: it calls itself undisciplined, until NTP has put it right."""
    for step_ms in board.rig.dice.sample(STEPS_MS, 4):
        board.says(step_ms, synchronised=False)
        await board.waits(0.5, 2)
        board.says(synchronised=True)
        await board.waits(0.5, 1.5)
    await board.delivers()


async def stepped_and_sure(board: Board) -> None:
    """NTP itself goes wrong for a while: disciplined, it says, and a minute and a half or a day off."""
    await board.delivers()
    for step_ms in board.rig.dice.sample(STEPS_MS, 4):
        board.says(step_ms, synchronised=True)
        await board.rig.gateway.until(lambda step_ms=step_ms: near(board, step_ms), 30)
        await board.waits(0.5, 1.5)
        board.says(synchronised=True)
        await board.rig.gateway.until(lambda: near(board, 0), 30)


def near(board: Board, step_ms: int) -> bool:
    """Whether the gateway says that it sees this step, give or take what passes between two looks at a clock."""
    return abs(board.rig.gateway.status()["clock_disputed_ms"] - step_ms) < 1_000


async def stepped_without_a_link(board: Board) -> None:
    """The same while the cloud is away: its last word still counts."""
    await board.delivers()
    await board.rig.wire.refuse()
    await stepped(board, board.rig.dice.choice(STEPS_MS))
    await board.delivers()


async def stepped(board: Board, step_ms: int) -> None:
    board.says(step_ms, synchronised=True)
    await board.rig.gateway.until(lambda: near(board, step_ms), 30)
    await board.waits(2, 3)
    board.says(synchronised=True)


STORIES: tuple[Callable[[Board], Awaitable[None]], ...] = (
    set_by_hand,
    stepped_and_sure,
    stepped_without_a_link,
    born_in_1970,
    late_ntp,
    wakes_in_the_future,
)


@pytest.mark.asyncio
async def test_every_value_is_stored_once_and_at_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if Mosquitto.program() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with capsys.disabled():
        print(f"\nclock: seed {SEED}")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    BoardClock().write(run_dir)
    command = [sys.executable, "-m", "tests.faults.clock.board"]
    async with open_rig(run_dir, SEED, asyncio.Lock(), command=command, plan=PLAN) as rig:
        board = Board(rig)
        stories = list(STORIES)
        for number in range(6 if LONG else 1):
            if number:
                rig.dice.shuffle(stories)
            for story in stories:
                await story(board)
        result = await rig.settle()
        assert_whole(result, rig)
        assert result.out_of_order == 0, result.details
        with capsys.disabled():
            print(f"clock: seed {SEED}, {result.produced} values, 0 missing, 0 doubled, none more than 2 s off")
