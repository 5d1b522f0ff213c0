"""Measure what a day with a healthy link writes to the card, as the device counts it.

`python -m bench --only healthy_day`. A day of the *cabinet* load in accelerated time through the gateway's own journal,
each batch acknowledged at once, on an ext4 file system of its own (`bench/card.py`). What is written each hour all the
same is there too: the time, the month's bytes on the air, and the tally of every device, told and noted; a row for each
of `DEVICES` devices, more than a cabinet has. The start and the orderly end count as well.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.cabinet import START_MS, Cabinet
from bench.card import Card
from bench.card import missing as no_card
from bench.progress import Progress
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.journal import Journal
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.batch import ClockFit
from lentera_model.protocol import TallyRow

HOURS = 24.0
DEVICES = 333
"""Those of the *board* load."""
_HOUR_MS = 3_600_000
_TALLY = [TallyRow(f"device-{number:03}", 10_000, 360, 357, 2, {"silent": 1}) for number in range(DEVICES)]


async def _deliver(journal: Journal) -> None:
    """Take whatever waits, batches and reports, and acknowledge it at once."""
    while (batch := await journal.next_batch(0)) is not None:
        await journal.acknowledge(batch.key)
    while (report := await journal.next_report(lambda _: False)) is not None:
        await journal.report_noted(Key(report.epoch, report.number))


async def _live(memory: Path, card: Path, hours: float) -> int:
    """Live through so many hours; returns how many values were delivered."""
    cabinet = Cabinet()
    fit = ClockFit(START_MS, 5, "ntp")
    limits = JournalLimits(memory, card)
    journal = Journal("gw-bench", bytes(16), limits, cabinet.ms, lambda: START_MS + cabinet.ms(), lambda: fit)
    await journal.open()
    air = AirMeter(memory, card)
    air.open(cabinet.ms())
    progress = Progress("healthy_day", hours * 3600)
    for second in range(1, round(hours * 3600) + 1):
        for sample in cabinet.second():
            journal.add(sample)
        air.add(20)
        await journal.tick()
        await air.tick(cabinet.ms(), START_MS + cabinet.ms())
        if cabinet.ms() % _HOUR_MS == 0:
            await journal.report_tally((START_MS + cabinet.ms()) // _HOUR_MS * _HOUR_MS, _TALLY)
        await _deliver(journal)
        progress.reach(second)
    progress.end()
    values = (await journal.status()).values_total
    air.keep(cabinet.ms())
    await journal.close()
    return values


def measure(hours: float = HOURS) -> dict[str, Any]:
    """Live through a day and return what the card's device took."""
    load = f"cabinet, {hours:g} h in accelerated time, tallies of {DEVICES} devices"
    if (why := no_card()) is not None:
        return {"load": load, "not_measured": why}
    with Card() as card, ExitStack() as stack:
        memory = stack.enter_context(tempfile.TemporaryDirectory(prefix="lentera-bench-", dir=card.folder.parent))
        before = card.written_bytes()
        values = asyncio.run(_live(Path(memory), card.folder / "journal", hours))
        written = card.written_bytes() - before
    return {"load": load, "values": values, "megabytes_a_day": round(written / 1e6 * 24 / hours, 2)}


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else HOURS)))
