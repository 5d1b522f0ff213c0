"""Run the street, dim a lamp each second: nothing is missing and nothing doubled, on both stores."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Demo, processes_of, report_of, running_demo
from tests.services.servers import InfluxInfo

KEYS = {"seconds", "store", "gateways", "meters", "luminaires", "readings", "commands"}


def assert_whole(report: dict[str, Any], demo: Demo) -> None:
    """Nothing missing, doubled or failed, and enough was done for that to mean something."""
    assert set(report) == KEYS
    readings, commands = report["readings"], report["commands"]
    assert readings["missing"] == 0, f"{report}\n{demo.log()}"
    assert readings["duplicated"] == 0, f"{report}\n{demo.log()}"
    assert readings["produced"] == readings["stored"]
    assert readings["produced"] > 100 * report["seconds"] / 10
    assert commands["failed"] == 0, f"{report}\n{demo.log()}"
    assert commands["sent"] == commands["succeeded"] >= report["seconds"] - 2
    assert 0 < commands["p50_ms"] <= commands["p99_ms"]
    assert report["gateways"] >= 1
    assert report["meters"] >= 2
    assert report["luminaires"] >= 4
    assert demo.process.returncode == 0
    assert processes_of(demo.run_dir) == []


def test_nothing_is_missing_or_doubled_in_sqlite(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--seconds", "10", "--json") as demo:
        report = report_of(demo)
        assert_whole(report, demo)
        assert report["store"] == "sqlite"
        assert report["commands"]["p50_ms"] < 1000


def test_nothing_is_missing_or_doubled_in_influxdb(tmp_path: Path, influxdb: InfluxInfo) -> None:
    arguments = ["--store", "influxdb", "--influx-url", influxdb.url, "--influx-token", influxdb.token]
    with running_demo(tmp_path, "--seconds", "10", "--json", *arguments, "--influx-org", influxdb.org) as demo:
        report = report_of(demo)
        assert_whole(report, demo)
        assert report["store"] == "influxdb"


@pytest.mark.slow
def test_nothing_is_missing_or_doubled_when_the_cloud_is_killed_and_comes_back(tmp_path: Path) -> None:
    # More lamps than commands: while the cloud is away no lamp is asked twice, so no command supersedes another.
    with running_demo(tmp_path, "--seconds", "15", "--json", "--lamps", "30") as demo:
        demo.ready()
        killed = demo.pid("cloud")
        os.kill(killed, signal.SIGKILL)
        report = report_of(demo)
        assert "the cloud ended with code -9; starting it again" in demo.errors.read_text()
        assert_whole(report, demo)
