"""Measure what the simulator costs: a street of 100 Modbus TCP meters read each second and 200 MQTT lamps at 60 s.

`python -m bench --only sim_cost`. The street is a process of its own, as `lentera sim street` starts it, its serial
line and its ledger with it; its broker is a process beside and is counted apart. A light reader of its own process
(bench/light_reader.py) asks for every register of each TCP meter in the requests that a gateway would plan.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from bench.processes import Alone, Child, Span, bench_environ, pause, read_json, spread, watch
from lentera_drivers.modbus.blocks import tcp_cost
from lentera_drivers.modbus.plan import plan_reads
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_sim.ledger import read_ledger

TCP_METERS = 100
LAMPS = 200
EVERY_S = 1.0
LAMP_EVERY_S = 60.0
SECONDS = 60
WARM_UP_S = 8
CORE_PERCENT_AIM = 25.0
RSS_MB_AIM = 150.0
_SERIAL_METERS = 2
"""A street's first two meters hang on its serial line."""
_PROFILE = "siemens_pac3200"


def requests() -> list[tuple[int, int, int]]:
    """Function code, address and count of each request that carries a TCP meter's registers."""
    profile = load_profile(_PROFILE)
    assert isinstance(profile, MeterProfile)
    blocks = plan_reads(profile.registers, profile, tcp_cost())
    return [(block.function_code, block.address, block.count) for block in blocks]


def counted(ledger: Path, begin_ms: int, end_ms: int) -> Mapping[str, int]:
    """Values that meters and lamps were answered for within a span of wall time, by the simulator's own ledger."""
    found = {"meters": 0, "lamps": 0}
    for entry in read_ledger(ledger):
        if entry.kind == "answered" and begin_ms <= entry.at_ms < end_ms:
            found["lamps" if entry.device.startswith("lamp-") else "meters"] += len(entry.values)
    return found


class _Street:
    """The simulator's process, its broker's, and the ledger that it keeps."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        run_dir = folder / "run"
        plan = {"meters": _SERIAL_METERS + TCP_METERS, "lamps": LAMPS, "lamp_every_s": LAMP_EVERY_S}
        role = [sys.executable, "-m", "lentera.demo.child", str(os.getpid()), "street", str(run_dir)]
        command = [*role, json.dumps(plan), "auto", "ws://127.0.0.1:9/v1/link", "key.pem"]
        self.child = stack.enter_context(Child(command, folder, "street"))
        self.child.wait_for((run_dir / "street.json").exists)
        (run_dir / "energise").touch()
        self.info: dict[str, Any] = read_json(run_dir / "street.json")
        self.ledger = Path(self.info["ledger"])
        (broker,) = psutil.Process(self.child.pid).children()
        self.parts = [Alone("simulator", self.child.pid), Alone("broker", broker.pid)]

    def ports(self) -> list[int]:
        """Where the TCP meters listen."""
        return list(self.info["tcp_ports"].values())


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Run the street with its reader and return what it costs."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        street = _Street(stack, folder)
        log, options = folder / "reader.log.json", folder / "reader.json"
        settings = {"ports": street.ports(), "requests": requests(), "every_s": EVERY_S, "log": str(log)}
        options.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "bench.light_reader", str(options)]
        reader = stack.enter_context(Child(command, folder, "reader", bench_environ()))
        pause(WARM_UP_S)
        begin_ms = time.time_ns() // 1_000_000
        span = watch([*street.parts, reader], seconds, "sim_cost")
        end_ms = time.time_ns() // 1_000_000
        reader.stop()
        street.child.stop()
        return figures(span, json.loads(log.read_text()), counted(street.ledger, begin_ms, end_ms))


def figures(span: Span, read: Mapping[str, Any], values: Mapping[str, int]) -> dict[str, Any]:
    """The figures of a span; `read` are the reader's since its start, `values` by the simulator's ledger."""
    core_percent = {who: round(100 * cpu_s / span.took_s, 1) for who, cpu_s in span.cpu_s.items()}
    return {
        "load": f"{TCP_METERS} Modbus TCP meters each {EVERY_S:g} s, {LAMPS} MQTT lamps each {LAMP_EVERY_S:g} s, "
        f"{span.took_s:.0f} s",
        "simulator_core_percent": core_percent["simulator"],
        "simulator_core_percent_of_thirds": spread(
            (100 * third.cpu_s["simulator"] / third.took_s for third in span.thirds), 1
        ),
        "simulator_rss_mb": round(span.rss_mb["simulator"], 1),
        "aim": f"under {CORE_PERCENT_AIM:g} % of a core and {RSS_MB_AIM:g} MB",
        "met": core_percent["simulator"] < CORE_PERCENT_AIM and span.rss_mb["simulator"] < RSS_MB_AIM,
        "meter_values_per_s": round(values["meters"] / span.took_s, 1),
        "lamp_values_per_s": round(values["lamps"] / span.took_s, 1),
        "broker_core_percent": core_percent["broker"],
        "reader_core_percent": core_percent["reader"],
        **{f"reader_{name}": number for name, number in read.items()},
    }


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)))
