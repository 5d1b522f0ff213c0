"""How long a full journal lasts: bytes a day of the *board* load at each step of thinning, and what thinning costs.

`python -m bench.thinning [MINUTES]`. The board's load is 100 meters with 40 values each second; a tenth of it is made
here, of the simulated street's meters, and sealed ten seconds at a time, so that batches are as large as the board's.
Runs of segments are thinned as the gateway thins them. Bytes do not depend on the number of meters, so they are told
for all hundred. Counters among the 40 values: those that a usual meter has there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.demo_bench import table
from bench.load import quantities
from lentera_gateway.journal.framing import frame
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import BatchRecord, encode_record
from lentera_gateway.journal.thinning import RUN_VALUES, STEPS, RunOfBatches
from lentera_model.batch import BatchKey, ClockFit, encode, peek
from lentera_model.quantities import CATALOGUE, Kind, round_to_float32
from lentera_model.readings import Sample
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import OFFICE, BuildingLoad
from lentera_sim.physics.meter import ThreePhaseMeter

MINUTES = 30
METERS, OF_METERS = 10, 100
VALUES = 40
START_MS = 1_760_000_000_000
DAY_S = 86_400
_SEALED_S = OF_METERS // METERS
_NAMES = ("in_full", *(f"{step.detail_s}_s{'_counters_too' if step.counters else ''}" for step in STEPS))
_BOOT = bytes(range(16))


def sealed_batches(seconds: int) -> list[bytes]:
    """Seal the load of some seconds."""
    grid = Grid(1)
    names = [f"meter-{number:02}" for number in range(METERS)]
    meters = [ThreePhaseMeter(name, 1, grid, BuildingLoad(1, name, 22_000.0, OFFICE, START_MS)) for name in names]
    wanted = [name for name, _, _ in quantities(VALUES)]
    found: list[bytes] = []
    for begin_s in range(0, seconds, _SEALED_S):
        samples: list[Sample] = []
        for at_ms in range(begin_s * 1000, (begin_s + _SEALED_S) * 1000, 1000):
            for name, meter in zip(names, meters, strict=True):
                values = meter.values(START_MS + at_ms)
                samples.append(Sample(name, "bench_40", at_ms, {one: round_to_float32(values[one]) for one in wanted}))
        key = BatchKey("gw-1", 1, len(found) + 1)
        found.append(encode(key, _BOOT, samples[-1].monotonic_ms, samples, ClockFit(START_MS, 5, "ntp")))
    return found


def framed_bytes(batches: Sequence[bytes]) -> int:
    """Return the bytes that batches take in a segment."""
    return sum(len(frame(encode_record(BatchRecord(one)))) for one in batches)


def thinned(batches: Sequence[bytes], level: int, segment_bytes: int) -> list[bytes]:
    """Thin batches in runs, as `thinner` does."""
    left: list[bytes] = []
    run, taken = RunOfBatches(level), 0
    for one in batches:
        if taken >= segment_bytes and run.kept_values >= RUN_VALUES:
            left += packed(run)
            run, taken = RunOfBatches(level), 0
        run.add(peek(one), one)
        taken += len(one)
    return left + packed(run)


def packed(run: RunOfBatches) -> list[bytes]:
    """Return what is left of a run."""
    found: list[bytes] = []
    while (one := run.pack_next()) is not None:
        found += [] if one.sealed is None else [one.sealed]
    return found


def measure(minutes: int = MINUTES) -> dict[str, Any]:
    """Measure each step in turn."""
    card_bytes = JournalLimits(Path(), Path()).card_max_bytes
    batches = sealed_batches(minutes * 60)
    whole, written = framed_bytes(batches), 0
    figures: dict[str, Any] = {
        "minutes": minutes,
        "values_a_second": OF_METERS * VALUES,
        "counters_among_them": OF_METERS
        * sum(CATALOGUE[name].kind is Kind.COUNTER for name, _, _ in quantities(VALUES)),
    }
    for level in range(len(STEPS) + 1):
        values, begun_s = sum(peek(one).values for one in batches), time.process_time()
        if level:
            batches = thinned(batches, level, JournalLimits(Path(), Path()).card_segment_bytes)
            written += framed_bytes(batches)
        spent_s = time.process_time() - begun_s
        day_bytes = framed_bytes(batches) * (OF_METERS // METERS) / (minutes * 60) * DAY_S
        figures[_NAMES[level]] = {
            "values_left_percent": round(
                100 * sum(peek(one).values for one in batches) / (minutes * 60 * METERS * VALUES), 2
            ),
            "mb_a_day": round(day_bytes / 1e6, 1),
            "days_in_the_default_bound": round(card_bytes / day_bytes, 1),
            "written_for_a_byte_sealed": round((whole + written) / whole, 3),
        } | ({"values_thinned_a_second": round(values / spent_s)} if level else {})
    return figures


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)))
