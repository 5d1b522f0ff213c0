"""Print every figure: `python -m bench [--json] [--only NAME...] [--seconds N]`, where NAME is one of those in BENCHES.

With `--seconds` those benches that measure for some time measure for so long; the others take no notice of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from inspect import signature

from bench.processes import ChildFailedError

BENCHES = {
    "demo": "bench.demo_bench",
    "journal": "bench.journal_bench",
    "series": "bench.series_bench",
    "cold": "bench.cold_start",
    "wire32": "bench.wire32",
    "tcp100": "bench.tcp100",
    "window": "bench.window",
    "million": "bench.million",
    "sim_cost": "bench.sim_cost",
    "flood": "bench.mqtt_flood",
    "outage": "bench.outage",
    "thinning": "bench.thinning",
    "catch_up": "bench.catch_up",
    "healthy_day": "bench.healthy_day",
    "air": "bench.air",
    "ingest": "bench.ingest",
    "ingest_flat": "bench.ingest_flat",
    "returning": "bench.returning",
}


def main() -> int:
    """Run the benches one after the other; one that cannot be measured stops no other, and makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--only", choices=sorted(BENCHES), nargs="+", help="run these benches alone")
    parser.add_argument("--seconds", type=float, help="how long the benches measure that can be told so")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    failed = False
    for name in options.only or BENCHES:
        print(f"measuring {name} ...", file=sys.stderr)
        bench = import_module(BENCHES[name])
        try:
            timed = options.seconds is not None and "seconds" in signature(bench.measure).parameters
            figures[name] = bench.measure(seconds=options.seconds) if timed else bench.measure()
        except (RuntimeError, OSError, ChildFailedError) as error:
            failed = True
            figures[name] = {"not_measured": str(error)}
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            continue
        if not options.json:
            print(f"{name}\n{bench.table(figures[name])}\n", flush=True)
    if options.json:
        print(json.dumps(figures, indent=2))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
