"""A process that journals numbered samples until it is killed; `tight` makes its file system full at 48 KiB a file."""

import asyncio
import random
import resource
import sys
from pathlib import Path

from lentera_gateway.clock import monotonic_ms, system_wall_ms
from lentera_gateway.journal import Journal, JournalLimits
from lentera_model.batch import ClockFit
from lentera_model.readings import Sample

BOOT = bytes(range(16))
FIT = ClockFit(1_790_000_000_000, 1, "ntp")
TIGHT_BYTES = 48 * 1024


def say(*words: object) -> None:
    print(*words, flush=True)


async def fill(folder: Path, live: bool, tight: bool) -> None:
    limits = JournalLimits(folder / "mem", folder / "card", power_loss_budget_s=0.2, seal_age_s=0.3, seal_bytes=900)
    journal = Journal("gw-1", BOOT, limits, monotonic_ms, system_wall_ms, lambda: FIT)
    await journal.open()
    journal.live = live
    noise = random.Random(1)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if tight:
        resource.setrlimit(resource.RLIMIT_FSIZE, (TIGHT_BYTES, hard))
    number = 0
    while not tight or number < 20_000:
        for _ in range(25):
            number += 1
            journal.add(Sample("m1", "p", number, {"voltage_l1": noise.random()}))
        await journal.tick()
        say("kept", number)
        if not tight:
            await asyncio.sleep(noise.random() / 100)
    status = await journal.status()
    say("trouble", status.memory_error or status.card_error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await journal.close()
    say("closed", number)


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1]), "live" in sys.argv[2:], "tight" in sys.argv[2:]))
