"""Measure whether the cloud's memory stays flat under full load for ten minutes: `python -m bench --only ingest_flat`.

Forty gateways bring the cabinet's batches (`bench/sealed.py`) over real links as fast as the cloud takes them, into
InfluxDB 2 with 50,000 devices already there (`--seconds N` for another time, SQLite where InfluxDB is not installed).
Resident memory is looked at each 10 s. The slope is that of a straight line through what was seen after the first
fifth of the time, in which caches fill.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.board import needs_influx
from bench.ingest_parts import Load, load_process, start_bench
from bench.processes import pause, read_json
from bench.progress import Progress
from tests.services.servers import Influx

SECONDS = 600
LOOK_EVERY_S = 10.0
WARM_UP = 0.2
_ENDLESS = 1 << 40


def slope(looks: Sequence[tuple[float, float]]) -> float:
    """How much the second number of the pairs rises with the first, by least squares; 0 for fewer than two."""
    if len(looks) < 2:
        return 0.0
    middle_s = sum(at_s for at_s, _ in looks) / len(looks)
    middle_mb = sum(mb for _, mb in looks) / len(looks)
    spread = sum((at_s - middle_s) ** 2 for at_s, _ in looks)
    return sum((at_s - middle_s) * (mb - middle_mb) for at_s, mb in looks) / spread if spread else 0.0


def figures(looks: Sequence[tuple[float, float]], seconds: float) -> dict[str, Any]:
    """The figures of looks at memory, pairs of seconds since the beginning and MB."""
    settled = [one for one in looks if one[0] >= WARM_UP * seconds]
    return {
        "rss_mb_after_warm_up": round(settled[0][1], 1) if settled else None,
        "rss_mb_at_the_end": round(looks[-1][1], 1),
        "rss_mb_at_most": round(max(mb for _, mb in looks), 1),
        "slope_mb_a_minute": round(60 * slope(settled), 2),
        "looks": len(looks),
    }


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Return what the cloud's memory did, and what it took meanwhile."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        server: Influx | None = None
        if needs_influx() is None:
            server = Influx()
            server.start()
            stack.callback(server.close)
        bench = start_bench(stack, Path(name), server)
        load = Load("cabinet")
        child = load_process(stack, bench, bench.links(load, 1, _ENDLESS, seconds))
        progress = Progress("ingest: memory under full load", seconds)
        before, began_s = bench.cloud.usage(), time.monotonic()
        (bench.folder / "go").touch()
        looks: list[tuple[float, float]] = []
        while (passed_s := time.monotonic() - began_s) < seconds:
            looks.append((passed_s, bench.cloud.usage().rss_mb))
            progress.reach(passed_s)
            pause(min(LOOK_EVERY_S, seconds - passed_s))
        after = bench.cloud.usage()
        looks.append((after.at_s - began_s, after.rss_mb))
        progress.end()
        result = bench.folder / "result"
        child.wait_for(result.exists, seconds + 120)
        found = read_json(result)
        if found["refused"]:
            raise RuntimeError(f"something was refused for good: {found['refused']}")
        values = found["acked"] * load.batch_values
        return figures(looks, seconds) | {
            "store": "SQLite" if server is None else "InfluxDB",
            "seconds": seconds,
            "values_a_second": round(values / (found["end_s"] - found["begin_s"])),
            "cloud_cores": round((after.cpu_s - before.cpu_s) / (after.at_s - before.at_s), 2),
        }


def table(found: dict[str, Any]) -> str:
    """The figures as lines."""
    return "\n".join(f"{name.replace('_', ' '):24}{value}" for name, value in found.items())
