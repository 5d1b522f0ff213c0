"""One recorded run of a real journal: samples, outages, both modes, refusals, commands, a kill, shutdowns, reboots."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lentera_gateway.journal import Journal, JournalLimits
from lentera_gateway.journal.records import CommandRecord
from lentera_model.batch import ClockFit
from tests.faults.files import Files, Judge, Op
from tests.faults.ledger import Ledger, numbers_in

START_WALL_MS = 1_790_000_000_000
TICK_MS = 1000


def limits_below(root: Path) -> JournalLimits:
    """Return small bounds: segments of 4 KB, so that a run of a minute sees many of them."""
    return JournalLimits(
        root / "mem",
        root / "card",
        power_loss_budget_s=3,
        memory_max_bytes=1 << 16,
        card_max_bytes=1 << 16,
        seal_age_s=5,
        seal_bytes=1500,
    )


@dataclass(slots=True)
class Run:
    """A gateway whose clock the script moves.

    Attributes:
        now_ms: since the run began; the boot's clock is this minus `boot_ms`.
        trusted: whether the clock is.
        waiting: sample -> when its power-loss budget is over at the latest.
        kills: whether the script kills the program once, or shuts it down.
        reports: the troubles of a tier that the status told of.
    """

    root: Path
    seed: int
    files: Files
    ledger: Ledger
    journal: Journal | None = None
    now_ms: int = 0
    boot_ms: int = 0
    boot: int = 1
    trusted: bool = False
    live: bool = False
    kills: bool = True
    reports: dict[str, set[str]] = field(default_factory=lambda: {"card": set(), "mem": set()})
    waiting: dict[int, int] = field(default_factory=dict)

    @property
    def journal_(self) -> Journal:
        assert self.journal is not None
        return self.journal

    def monotonic_ms(self) -> int:
        return self.now_ms - self.boot_ms + 4000

    def wall_ms(self) -> int:
        return START_WALL_MS + self.now_ms

    def fit(self) -> ClockFit | None:
        return ClockFit(START_WALL_MS + self.boot_ms - 4000, 5, "ntp") if self.trusted else None

    async def open(self) -> None:
        """Start the program."""
        limits = limits_below(self.root)
        boot_id = bytes([self.boot]) * 16
        self.ledger.boot(boot_id, self.monotonic_ms())
        self.journal = Journal("gw-1", boot_id, limits, self.monotonic_ms, self.wall_ms, self.fit)
        await self.journal.open()
        self.ledger.epoch(self.journal.epoch)
        self.journal.live = self.live
        assert self.journal._scan is not None
        await self.journal._scan

    async def tick(self, samples: int) -> None:
        """A second with some samples."""
        self.now_ms += TICK_MS
        seal_age_ms = 0 if self.live else round(self.journal_.limits.seal_age_s * 1000)
        budget_ms = round(self.journal_.limits.power_loss_budget_s * 1000)
        for _ in range(samples):
            sample = self.ledger.sample(bytes([self.boot]) * 16, self.monotonic_ms(), self.wall_ms())
            self.journal_.add(sample)
            self.waiting[len(self.ledger.given)] = self.now_ms + seal_age_ms + budget_ms + TICK_MS
        self.journal_.live = self.live
        self.ledger.boot(bytes([self.boot]) * 16, self.monotonic_ms())
        await self.journal_.tick()
        await self._read_status()
        self.ledger.kept(self.waiting)
        self.ledger.durable(number for number, due_ms in self.waiting.items() if due_ms <= self.now_ms)

    async def _read_status(self) -> None:
        status = await self.journal_.status()
        for tier, problem in (("card", status.card_error), ("mem", status.memory_error)):
            if problem is not None:
                self.reports[tier].add(problem)

    async def deliver(self, batches: int, refuse: bool = False, lose_last: bool = False) -> None:
        """Hand some batches to the cloud, which answers; the last answer may be lost with the connection."""
        for index in range(batches):
            outgoing = await self.journal_.next_batch(self.journal_.order if index % 2 else 0)
            if outgoing is None:
                break
            if refuse and index == 0:
                await self.journal_.refuse(outgoing.key, "corrupt", "the test wants it so")
                continue
            self.ledger.delivered(outgoing.key, outgoing.sealed)
            if lose_last and index == batches - 1:
                break
            await self.journal_.acknowledge(outgoing.key, [{"device": "m1", "text": "no"}] if index == 3 else None)
            for number in numbers_in(outgoing.sealed):
                self.waiting.pop(number, None)
        await self.journal_.connection_lost()

    async def command(self, execution: str, state: str) -> None:
        """Keep a command's state."""
        self.ledger.command(execution, state, durable=False)
        record = CommandRecord(execution, "m1", 1, 1, state, None, None, None, None, self.monotonic_ms())
        if await self.journal_.keep_command(record) is None:
            self.ledger.command(execution, state, durable=True)

    async def kill(self) -> None:
        """What kill -9 does: the kernel closes the files, nothing else happens."""
        store = self.journal_._store
        store.places.memory.close_segment()
        store.places.card.close_segment()
        assert store._lock is not None
        os.close(store._lock)
        self.journal_._io.stop()

    async def shut_down(self) -> None:
        """Stop the program; what waits is on the card then, if the card takes it."""
        await self._read_status()
        await self.journal_.close()
        if self.journal_._store.places.card_error is None:
            self.ledger.durable(self.ledger.given)

    def reboot(self) -> None:
        """Start the kernel anew: its clock begins again (the tmpfs is kept, as it is the unkinder case here)."""
        self.boot += 1
        self.boot_ms = self.now_ms = self.now_ms + 30_000
        self.trusted = False

    async def script(self) -> None:
        """About a minute and a half of a gateway's life."""
        noise = random.Random(self.seed)
        await self.open()
        for second in range(14):  # economy; the time becomes known late; the cloud is reached now and then
            self.trusted = second >= 3
            await self.tick(noise.randint(0, 4))
            if second % 4 == 3:
                await self.deliver(3, lose_last=second == 7)
        await self.command("e1", "accepted")
        for _ in range(12):  # an outage
            await self.tick(noise.randint(1, 4))
        await self.command("e1", "running")
        await (self.kill() if self.kills else self.shut_down())
        await self.open()
        await self.command("e1", "failed")
        self.live = True
        for second in range(16):  # a slow link: some is delivered live, some waits too long
            await self.tick(noise.randint(1, 5))
            await self.deliver(noise.randint(0, 2), refuse=second in (3, 9), lose_last=second % 5 == 0)
        for _ in range(3):
            await self.tick(30)
        await self.command("e2", "accepted")
        await self.shut_down()
        self.reboot()
        await self.open()
        await self.command("e2", "failed")
        for second in range(10):
            self.trusted = second >= 2
            await self.tick(noise.randint(1, 3))
            await self.deliver(4)
        await self.deliver(1000)
        await self.tick(2)
        self.live = False
        for _ in range(9):
            await self.tick(1)
        await self.shut_down()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished run: its calls and its ledger."""

    ops: list[Op]
    ledger: Ledger


@contextmanager
def layered(root: Path, seed: int, judge: Judge | None = None):
    """Give a run on the layer, which is taken away afterwards."""
    files = Files(root, judge=judge)
    with files.watching():
        yield Run(root, seed, files, Ledger(lambda: len(files.ops)))


async def record(root: Path, seed: int) -> Recorded:
    """Record a run without a fault."""
    with layered(root, seed) as run:
        await run.script()
    return Recorded(run.files.ops, run.ledger)
