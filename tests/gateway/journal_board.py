"""A journal on a board whose clocks, kills and power cuts a test makes."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from lentera_gateway.journal import Journal, JournalLimits
from lentera_gateway.journal.index import Key
from lentera_model.batch import ClockFit
from lentera_model.protocol import GapReport
from lentera_model.readings import Sample

WALL = 1_790_000_000_000
HOUR = 3_600_000
AT_MOST = 75_000


@dataclass
class Board:
    """A board whose clock the test moves; `boot_wall_ms` is when its boot began."""

    root: Path
    boot: int = 1
    boot_wall_ms: int = WALL
    now_ms: int = 20_000
    trusted: bool = True
    journals: list[Journal] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        return self.journals[-1]

    def wall(self) -> int:
        return self.boot_wall_ms + self.now_ms

    def fit(self) -> ClockFit | None:
        return ClockFit(self.boot_wall_ms, 5, "ntp") if self.trusted else None

    async def start(self) -> None:
        limits = JournalLimits(self.root / "mem", self.root / "card")
        boot_id = bytes([self.boot]) * 16
        self.journals.append(
            Journal("gw-1", boot_id, limits, lambda: self.now_ms, lambda: self.wall() if self.trusted else 0, self.fit)
        )
        await self.journal.open()

    async def run(self, seconds: int, samples: bool = True, linked: bool = False) -> None:
        for _ in range(seconds):
            self.now_ms += 1000
            if samples:
                self.journal.add(Sample("m1", "p", self.now_ms, {"voltage_l1": 1.0}))
            await self.journal.tick()
            while linked and (batch := await self.journal.next_batch(0)) is not None:
                await self.journal.acknowledge(batch.key)

    def kill(self) -> None:
        store = self.journal._store
        store.places.memory.close_segment()
        store.places.card.close_segment()
        assert store._lock is not None
        os.close(store._lock)
        self.journal._io.stop()

    def power_cut(self, off_ms: int = 30_000) -> None:
        self.kill()
        shutil.rmtree(self.root / "mem")
        self.reboot(off_ms)

    def reboot(self, off_ms: int = 30_000) -> None:
        self.boot += 1
        self.boot_wall_ms = self.wall() + off_ms
        self.now_ms = 4_000

    async def told(self) -> list[GapReport]:
        sent: set[Key] = set()
        found: list[GapReport] = []
        while (report := await self.journal.next_report(sent.__contains__)) is not None:
            sent.add(Key(report.epoch, report.number))
            assert isinstance(report, GapReport)
            found.append(report)
        return found
