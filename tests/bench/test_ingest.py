"""The pure parts of the benches of the ingest."""

import asyncio
import os
import signal
import subprocess
import sys

import psutil

from bench.ingest import compared, table
from bench.ingest_flat import figures as flat_figures
from bench.ingest_flat import slope
from bench.ingest_parts import GATEWAYS, LINES_A_REQUEST, Load, requests_of
from bench.processes import bench_environ
from bench.returning import SHAPE, figures, gateway, is_old
from bench.sealed import SHAPES, Backlog, declared, readings
from bench.sim_gateway import Told
from lentera_model.batch import decode


def test_batches_of_a_backlog_never_have_a_time_twice():
    shape = SHAPES["cabinet"]
    backlog = Backlog(3, shape)
    batches = [decode(backlog.batch(number)) for number in (1, 2, 5)]
    assert [one.header.key.sequence for one in batches] == [1, 2, 5]
    assert {one.header.values for one in batches} == {4_200}
    stamps = [{(row.device, row.at_ms) for row in one.readings()} for one in batches]
    assert sum(map(len, stamps)) == len(set.union(*stamps))
    assert {row.device for row in batches[0].readings()} == {one.device for one in declared(readings(3, 0, shape))}


def test_the_bare_writer_brings_the_points_that_the_gateways_bring():
    load = Load("meters")
    assert load.batch_values == 3_990
    lines = b"\n".join(load.lines(7, 1)).decode().splitlines()
    assert len(lines) == GATEWAYS * 133
    batch = decode(Backlog(0, SHAPES["meters"]).batch(7)).readings()
    ours = {(row.device, row.at_ms, row.values["voltage_l1"]) for row in batch}
    theirs = set()
    for one in lines:
        head, fields, at_ms = one.split(" ")
        values = dict(field.split("=") for field in fields.split(","))
        theirs.add((head.removeprefix("reading,device="), int(at_ms), float(values["voltage_l1"])))
    assert ours <= theirs


def test_requests_have_five_thousand_lines():
    assert [len(one.split(b"\n")) for one in requests_of(["x"] * 12_000)] == [LINES_A_REQUEST, LINES_A_REQUEST, 2_000]


def one_pass(rate: int) -> dict:
    return {"values_a_second": rate, "cpu_s_a_million": {"cloud": 1.0}, "rss_mb": {"cloud": rate // 1_000}}


def test_the_ratio_is_the_median_of_the_turns_ratios():
    turns = [{"ours": one_pass(ours), "plain": one_pass(bare)} for ours, bare in ((80, 100), (300, 100), (90, 100))]
    found = compared(turns, "plain")
    assert (found["of_bare"], found["of_bare_turns"]) == (0.9, [0.8, 3.0, 0.9])
    assert found["ours"]["values_a_second"] == 90


def test_the_table_says_what_was_not_measured():
    shown = table({"sqlite": {"meters": {"ours": one_pass(600_000)}}, "influx": {"not_measured": "no InfluxDB"}})
    assert "600,000" in shown
    assert "no InfluxDB" in shown


def test_a_slope_is_that_of_the_line_through_the_looks():
    assert slope([(0, 1.0), (10, 3.0), (20, 5.0)]) == 0.2
    assert slope([(0, 1.0)]) == 0
    looks = [(0.0, 10.0), (30.0, 100.0), (60.0, 100.0), (90.0, 101.0)]
    found = flat_figures(looks, 100)
    assert (found["rss_mb_after_warm_up"], found["rss_mb_at_most"], found["slope_mb_a_minute"]) == (100.0, 101.0, 1.0)


async def test_an_old_gateway_brings_the_old_format():
    for number in (0, 1):
        one = gateway("ws://127.0.0.1:1", number, Told())
        assert is_old(number) == (one.hello.protocol_versions == [1])
        assert is_old(number) == (one.batch(1)[2] == 1)
        assert decode(one.batch(1)).header.values == 240
    assert SHAPE.covers_ms == 240_000
    await asyncio.sleep(0)


def test_what_the_gateways_were_told_is_summed_up():
    common = {"began_s": 10.0, "refused": {}, "welcomed_s": [11.0], "drained_s": 15.0}
    parts = [
        common | {"acked": 3, "turned_away": {"HTTP 503": 2}},
        common | {"acked": 4, "turned_away": {"HTTP 503": 1}, "began_s": 10.5, "welcomed_s": [13.0]},
    ]
    found = figures(parts, 100.0, 150.0, 7)
    assert (found["acknowledged"], found["turned_away"], found["refused_for_good"]) == (7, {"HTTP 503": 3}, {})
    assert (found["welcomed_s_last"], found["drained_s"]) == (3.0, 5.0)


_HOLDER = """
import subprocess, sys, threading
from bench.leashed import leashed
child = subprocess.Popen(leashed("http.server", ["0"]), stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
threading.Event().wait()
"""


def test_a_child_of_a_bench_that_is_killed_goes_too():
    environ = {**os.environ, **bench_environ()}
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as holder:
        assert holder.stdout is not None
        child = psutil.Process(int(holder.stdout.readline()))
        assert child.is_running()
        holder.send_signal(signal.SIGKILL)
    gone, _ = psutil.wait_procs([child], 60)
    assert gone == [child]
