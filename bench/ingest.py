"""Measure the ingest: values a second through links and cloud into InfluxDB 2, a bare writer beside it, and SQLite.

`python -m bench --only ingest [--seconds N]`. Forty gateways with batches of about 4,000 values (`bench/sealed.py`: the
cabinet's, of 41 devices, and a meter's alone) over real links into the real cloud with its registry in SQLite, 50,000
devices with 300,000 series already there. The bare writer posts the very same points, lines made before, 5,000 a
request over four connections, into a bucket of the same InfluxDB with as many series; plain and gzipped are tried and
the faster one counts. Each pass brings the same number of values, ours and bare by turns; the ratio is the median of
the turns' ratios.

Once all processors are shared by whoever brings the values, the cloud and InfluxDB, so that whatever the cloud takes is
taken from InfluxDB; and once InfluxDB has half of them to itself, for the bare writer as for ours, as if it ran on a
machine of its own. CPU seconds of each stand beside.
`--only ingest_flat` is `bench.ingest_flat`.
"""

from __future__ import annotations

import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.board import make_bucket, needs_influx
from bench.ingest_parts import THERE_DEVICES, Bench, Load, one_pass, requests_of, start_bench, there
from bench.progress import Progress
from bench.sealed import BEGIN_MS, LAMP_QUANTITIES
from lentera_cloud.adapters.influx_series.lines import line
from lentera_cloud.adapters.series_common.records import to_records
from tests.services.servers import Influx

SECONDS = 3
ROUNDS = 2
PLACES = ("shared", "apart")
AIM_OF_BARE = 0.8
AIM_SQLITE = 500_000
_BARE = "bare"


def _fill_bare(bench: Bench, server: Influx) -> None:
    """Give the bare writer's bucket as many series as ours has."""
    make_bucket(server, _BARE)
    requests = requests_of([line(one).decode() for one in to_records(there(BEGIN_MS - 86_400_000))])
    one_pass(bench, bench.lines(requests, _BARE, zipped=False), THERE_DEVICES * len(LAMP_QUANTITIES), "series there")


def _against_bare(bench: Bench, load: Load, seconds: float, place: str) -> dict[str, Any]:
    count = load.batches(seconds)
    bench.apart = place == "apart"
    begin = 1 + PLACES.index(place) * 2 * ROUNDS * count
    values = load.values(count)
    turns: list[dict[str, dict[str, Any]]] = []
    progress = Progress(f"ingest: {load.name} into InfluxDB, processors {place}", 2 * ROUNDS + 1)
    kinds = ["plain", "gzip"]
    for turn in range(ROUNDS):
        first = begin + turn * count
        found = {"ours": one_pass(bench, bench.links(load, first, count), values, "ours")}
        progress.add(1)
        requests = load.lines(first, count)
        for kind in kinds:
            # the second kind writes the same points again at another time of the same year, so that nothing repeats
            found[kind] = one_pass(bench, bench.lines(requests, _BARE, kind == "gzip"), values, kind)
            progress.add(1)
            if turn == 0 and kind == "plain":
                requests = load.lines(first + ROUNDS * count, count)
        turns.append(found)
        if turn == 0:
            kinds = [max(kinds, key=lambda kind: found[kind]["values_a_second"])]
    progress.end()
    return compared(turns, kinds[0]) | {"values_a_pass": values, "batch_values": load.batch_values}


def compared(turns: list[dict[str, dict[str, Any]]], bare: str) -> dict[str, Any]:
    """Medians of ours and of the bare writer's kind that counts, and of the turns' ratios."""
    ratios = [turn["ours"]["values_a_second"] / turn[bare]["values_a_second"] for turn in turns]
    return {
        "ours": median_of([turn["ours"] for turn in turns]),
        "bare": median_of([turn[bare] for turn in turns]),
        "bare_is": bare,
        "of_bare": round(statistics.median(ratios), 3),
        "of_bare_turns": [round(one, 3) for one in ratios],
    }


def median_of(passes: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure of some passes; of memory the most."""
    cpu = {
        who: statistics.median(one["cpu_s_a_million"][who] for one in passes) for who in passes[0]["cpu_s_a_million"]
    }
    return {
        "values_a_second": round(statistics.median(one["values_a_second"] for one in passes)),
        "cpu_s_a_million": cpu,
        "rss_mb": {who: max(one["rss_mb"][who] for one in passes) for who in passes[0]["rss_mb"]},
    }


def _into_influx(seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        server = Influx()
        server.start()
        stack.callback(server.close)
        loads = [Load("cabinet"), Load("meters")]
        bench = start_bench(stack, folder, server)
        _fill_bare(bench, server)
        return {f"{one.name}, {place}": _against_bare(bench, one, seconds, place) for one in loads for place in PLACES}


def _into_sqlite(seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        loads = [Load("cabinet"), Load("meters")]
        bench = start_bench(stack, folder, None)
        found: dict[str, Any] = {}
        for load in loads:
            count = load.batches(seconds)
            progress = Progress(f"ingest: {load.name} into SQLite", ROUNDS)
            passes: list[dict[str, Any]] = []
            for turn in range(ROUNDS):
                options = bench.links(load, 1 + turn * count, count)
                passes.append(one_pass(bench, options, load.values(count), "sqlite"))
                progress.add(1)
            progress.end()
            found[load.name] = {"ours": median_of(passes), "batch_values": load.batch_values}
        return found


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Return the figures of both stores; `seconds` is about what a pass takes."""
    figures: dict[str, Any] = {"sqlite": _into_sqlite(seconds)}
    missing = needs_influx()
    figures["influx"] = {"not_measured": missing} if missing else _into_influx(seconds)
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as lines."""
    lines = [f"{'':30}{'values/s':>10}  {'CPU s a million values':40} aim"]
    for load, found in figures["sqlite"].items():
        lines.append(_line(f"SQLite, {load}", found["ours"], f"over {AIM_SQLITE:,}"))
    if "not_measured" in figures["influx"]:
        return "\n".join([*lines, f"InfluxDB: {figures['influx']['not_measured']}"])
    for load, found in figures["influx"].items():
        share = f"{100 * found['of_bare']:.0f} % of bare (at least {100 * AIM_OF_BARE:.0f} %)"
        lines.append(_line(f"InfluxDB, {load}", found["ours"], share))
        lines.append(_line(f"  bare writer, {found['bare_is']}", found["bare"], ""))
    return "\n".join(lines)


def _line(name: str, found: dict[str, Any], aim: str) -> str:
    cpu = ", ".join(f"{who} {cpu_s:.2f}" for who, cpu_s in found["cpu_s_a_million"].items())
    return f"{name:30}{found['values_a_second']:>10,}  {cpu:40} {aim}".rstrip()
