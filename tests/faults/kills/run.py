"""One run: a lit street, a plan of kills, and at the end the ledger of the street against what lies in the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lentera.demo.ledgercheck import read_report_rules, split_own
from lentera_cloud.adapters.influx_series import InfluxSeries
from lentera_model.readings import Reading
from lentera_sim.audit import AuditResult, audit
from lentera_sim.ledger import LedgerEntry, read_ledger
from tests.faults.kills.judgement import Gap, Judgement, Kill, judge
from tests.faults.kills.machine import TENANT, Machine, now_ms, running_machine
from tests.faults.kills.plan import VICTIMS, Strike

LATE_MS = 90_000
"""What a broker held while it or the gateway was down is stamped when it comes. So a value may be so far from its
answer, on a busy machine; and one that is lost would be excused by the double of an equal one within this time, but by
nothing else."""
DAY_MS = 86_400_000


@dataclass
class Verdict:
    """What became of a run."""

    seed: int
    strikes: int
    result: AuditResult
    judgement: Judgement
    kills: list[Kill]
    devices: int
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is doubled, and nothing missing but what a known gap explains."""
        return not (self.result.duplicated or self.judgement.lost or self.judgement.untold)

    def row(self) -> list[str]:
        """Return the run as a row of the table."""
        hit = Counter(kill.victim for kill in self.kills)
        judgement = self.judgement
        unexplained = len(judgement.lost), len(judgement.untold)
        counts = (self.result.produced, self.result.stored, judgement.excused, judgement.oldest_ms, *unexplained)
        numbers = [self.seed, self.strikes, *(hit[victim] for victim in VICTIMS), *counts, self.result.duplicated]
        return [str(number) for number in numbers] + ["whole" if self.whole else "NOT WHOLE"]


HEAD = (
    "seed",
    "strikes",
    *VICTIMS,
    "answered",
    "stored",
    "in a known gap",
    "oldest, ms",
    "missing",
    "untold",
    "doubled",
    "verdict",
)


def table(verdicts: Sequence[Verdict]) -> str:
    """Return a table of runs; the figures under a victim are kills that hit it while it lived."""
    rows = [list(HEAD), *(verdict.row() for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


async def run(folder: Path, seed: int, plan: Sequence[Strike], struck: Callable[[int], None]) -> Verdict:
    """Carry a plan out and judge it; `struck` is told the number of victims of each strike."""
    async with running_machine(folder, seed) as machine:
        await machine.well()
        for strike in plan:
            await asyncio.sleep(strike.after_s)
            machine.strike(strike.victims)
            struck(len(strike.victims))
        await machine.well()
        told = await machine.told_gaps()
        await machine.end()
        return await _judged(machine, seed, len(plan), told)


async def _judged(machine: Machine, seed: int, strikes: int, told: list[Gap]) -> Verdict:
    entries = list(read_ledger(machine.folder / "ledger.jsonl"))
    devices = sorted({entry.device for entry in entries})
    stored = split_own(await _stored(machine, devices))[0]
    result = _audited(machine.folder, entries, stored)
    judgement = judge(result, entries, machine.kills, told)
    verdict = Verdict(seed, strikes, result, judgement, machine.kills, len(devices))
    if not verdict.whole:
        doubled = [one for one in result.details if one.what in ("duplicated", "unexplained")]
        verdict.notes = [f"seed {seed}", *(str(finding) for finding in (*judgement.lost, *judgement.untold, *doubled))]
        verdict.notes += [f"{kill.victim} killed at {kill.from_ms}" for kill in machine.kills] + [machine.logs()]
    return verdict


def _audited(folder: Path, entries: list[LedgerEntry], stored: dict[str, list[Reading]]) -> AuditResult:
    return audit(
        entries,
        stored,
        tolerance_ms=LATE_MS,
        repeat_window_ms=LATE_MS,
        rules=read_report_rules(folder / "gateway.yaml"),
        most_details=1_000_000,
    )


async def _stored(machine: Machine, devices: Iterable[str]) -> dict[str, list[Reading]]:
    info = machine.influx.info
    series = InfluxSeries(info.url, info.token, info.org)
    await series.start()
    try:
        until_ms = now_ms() + DAY_MS
        return {
            device: [row async for row in series.raw(TENANT, device, until_ms - 2 * DAY_MS, until_ms)]
            for device in devices
        }
    finally:
        await series.close()
