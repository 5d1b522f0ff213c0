"""Measure the demo from outside: how soon it reads, how much it moves, what it costs, how fast a lamp obeys.

`python -m bench.demo_bench [SECONDS]`. It runs `lentera demo --seconds` and watches its processes with psutil;
CPU shares are of one core, while the street is lit and a lamp is dimmed each second; memory is the largest RSS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from lentera.client import Client
from lentera.demo.launch import STATUS_FILE
from lentera.errors import FrontDoorError
from lentera.session import Session, read_session

SECONDS = 30
START_LIMIT_S = 120


def measure(seconds: int = SECONDS, *arguments: str) -> dict[str, Any]:
    """Run the demo once for `seconds` and return its figures. Raises RuntimeError if it fails."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as folder:
        run_dir, session_file = Path(folder) / "run", Path(folder) / "session.json"
        environ = {**os.environ, "LENTERA_SESSION_FILE": str(session_file)}
        command = [sys.executable, "-m", "lentera", "demo", "--seconds", str(seconds), "--json", "--dir", str(run_dir)]
        began = time.monotonic()
        said = Path(folder) / "said"
        with said.open("w") as sink:
            demo = subprocess.Popen(
                [*command, "--keep", *arguments], stdout=subprocess.PIPE, stderr=sink, text=True, env=environ
            )
        session = wait_for_session(demo, session_file)
        lit_s = time.monotonic() - began
        first_s = first_reading(session, began)
        costs = _costs(demo, run_dir, seconds)
        journal = json.loads((run_dir / STATUS_FILE).read_text())["journal"]
        out, _ = demo.communicate(timeout=seconds + 60)
        report = json.loads(out) if out.strip() else {}
        if demo.returncode != 0:
            raise RuntimeError(f"the demo ended with code {demo.returncode}: {report}\n{said.read_text()}")
        return _figures(report, lit_s, first_s, costs) | {
            "journal_bytes_a_value": round(journal["bytes_a_value"], 2),
            "journal_written_bytes_a_value": round(journal["written_bytes"] / max(1, journal["values_total"]), 2),
        }


def wait_for_session(demo: subprocess.Popen[Any], session_file: Path, limit_s: float = START_LIMIT_S) -> Session:
    """Wait until the demo has started and left its session file. Raises RuntimeError after `limit_s`."""
    pause = threading.Event()
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and demo.poll() is None:
        if session := read_session(session_file):
            return session
        pause.wait(0.02)
    demo.kill()
    raise RuntimeError(f"the demo did not start within {limit_s:g} s")


def first_reading(session: Session, began: float, limit_s: float = START_LIMIT_S) -> float:
    """Seconds from the start of the command until the first reading is visible through the API.

    Raises RuntimeError if none is within `limit_s`.
    """
    pause = threading.Event()
    with Client(session.url, session.token) as client:
        while time.monotonic() - began < limit_s:
            try:
                if any(device.last_reading_at for device in client.devices()):
                    return time.monotonic() - began
            except FrontDoorError:
                pass
            pause.wait(0.05)
    raise RuntimeError("no reading became visible")


def _costs(demo: subprocess.Popen[str], run_dir: Path, seconds: int) -> dict[str, dict[str, float]]:
    """CPU share and largest resident memory of each part (its children included) while the street runs."""
    pids = {"demo": demo.pid, **json.loads((run_dir / "demo.json").read_text())["pids"]}
    trees = {name: _tree(pid, alone=name == "demo") for name, pid in pids.items()}
    before = {name: sum(map(_cpu_s, tree)) for name, tree in trees.items()}
    began = time.monotonic()
    rss = dict.fromkeys(trees, 0.0)
    pause = threading.Event()
    # Stop looking a little before the parts stop, so that every process is still there for the last look.
    while time.monotonic() - began < seconds - 3:
        pause.wait(0.5)
        for name, tree in trees.items():
            rss[name] = max(rss[name], sum(map(_rss_mb, tree)))
    took_s = time.monotonic() - began
    return {
        name: {
            "cpu_percent": round(100 * (sum(map(_cpu_s, tree)) - before[name]) / took_s, 1),
            "rss_mb": round(rss[name], 1),
        }
        for name, tree in trees.items()
    }


def _tree(pid: int, *, alone: bool) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process] if alone else [process, *process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _rss_mb(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _figures(
    report: dict[str, Any], lit_s: float, first_s: float, costs: dict[str, dict[str, float]]
) -> dict[str, Any]:
    return {
        "load": f"demo street: {report['meters']} meters, {report['luminaires']} lamps, {report['store']}",
        "start_to_lit_s": round(lit_s, 1),
        "start_to_first_reading_s": round(first_s, 1),
        "values_per_s": round(report["readings"]["produced"] / report["seconds"], 1),
        "cpu_percent_of_a_core": {name: cost["cpu_percent"] for name, cost in costs.items()},
        "rss_mb": {name: cost["rss_mb"] for name, cost in costs.items()},
        "dim_to_confirmed_p50_ms": report["commands"]["p50_ms"],
        "dim_to_confirmed_p99_ms": report["commands"]["p99_ms"],
        "commands": report["commands"]["sent"],
        "missing": report["readings"]["missing"],
        "duplicated": report["readings"]["duplicated"],
    }


def table(figures: Any) -> str:
    """The figures as lines that line up."""
    flat = {
        f"{name} ({part})" if isinstance(value, dict) else name: number
        for name, value in figures.items()
        for part, number in (value.items() if isinstance(value, dict) else [("", value)])
    }
    width = max(map(len, flat))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in flat.items())


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)))
