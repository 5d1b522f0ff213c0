"""Print every figure: `python -m bench [--json] [--only NAME]`, where NAME is one of those in BENCHES."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module

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
}


def main() -> None:
    """Run the benches one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--only", choices=sorted(BENCHES), help="run this bench alone")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    for name, module in BENCHES.items():
        if options.only not in (None, name):
            continue
        print(f"measuring {name} ...", file=sys.stderr)
        bench = import_module(module)
        figures[name] = bench.measure()
        if not options.json:
            print(bench.table(figures[name]))
    if options.json:
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
