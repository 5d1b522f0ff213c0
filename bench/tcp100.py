"""Measure a hundred Modbus TCP meters, 40 float32 values each second, from wire to InfluxDB; peers in the same run.

`python -m bench --only tcp100`. The meters are one process that reckons its values anew for each question and writes
down who asked when; ours is the real gateway with its journal, linked to the real cloud on a real InfluxDB 2, Telegraf
has its Modbus input, its disk buffer and its InfluxDB output on the same InfluxDB, ThingsBoard IoT Gateway its Modbus
connector, its SQLite storage and a platform that takes everything (bench/peers/thingsboard_platform.py): once with all
values of a meter in one range, its cheapest way, and once with a tag a value, as its documentation shows.

One after the other; CPU seconds are read in /proc between two instants of steady state, and values are those that the
meters were asked for between the same instants, over the whole time and from the least to the most of its thirds.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.board import (
    gateway_config,
    make_bucket,
    needs_influx,
    our_bucket,
    read_status,
    start_cloud,
    start_gateway,
    stored_values,
)
from bench.load import write_profile
from bench.peers import telegraf, thingsboard
from bench.peers.thingsboard_platform import Platform
from bench.processes import Child, Span, bench_environ, pause, read_json, spread, watch
from bench.tcp_meters import read_log
from tests.services.servers import Influx, Mosquitto

METERS = 100
VALUES = 40
EVERY_S = 1.0
SECONDS = 60
WARM_UP_S = 12
READERS = ("lentera", "telegraf", "thingsboard", "thingsboard_tags")
_BUCKET = "telegraf"


class MeterProcess:
    """The process of the meters, and what it wrote down when it has ended."""

    def __init__(self, stack: ExitStack, folder: Path, name: str) -> None:
        self.folder = folder
        self._log = folder / f"{name}.questions"
        options = folder / f"{name}.json"
        ports_file = folder / f"{name}.ports"
        settings = {"meters": METERS, "values": VALUES, "ports_file": str(ports_file), "log": str(self._log)}
        options.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "bench.tcp_meters", str(options)]
        self.child = stack.enter_context(Child(command, folder, name, bench_environ()))
        self.child.wait_for(ports_file.exists)
        self.ports: list[int] = read_json(ports_file)

    def as_configured(self, profile: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The buses and devices of a gateway's configuration that reads all of them, each on a bus of its own."""
        buses: list[dict[str, Any]] = [
            {"id": f"lan-{n}", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "tcp_port": port}
            for n, port in enumerate(self.ports)
        ]
        devices: list[dict[str, Any]] = [
            {"id": f"meter-{n}", "profile": profile, "bus": f"lan-{n}", "unit": 1, "every_s": EVERY_S}
            for n in range(METERS)
        ]
        return buses, devices

    def questions(self, begin_s: float = 0.0, end_s: float = float("inf")) -> dict[int, list[float]]:
        """Stop the meters and return what they were asked between two instants."""
        self.child.stop(signal.SIGTERM)
        return read_log(self._log, begin_s, end_s)


def missed(
    asked: Mapping[int, Sequence[float]], meters: int, every_s: float, span_s: float, questions_a_poll: int = 1
) -> int:
    """How many polls a reader owes: whole intervals of the span without all their questions, over all meters."""
    due = int(span_s / every_s)
    return sum(max(0, due - len(asked.get(meter, ())) // questions_a_poll) for meter in range(meters))


def figures(
    span: Span, who: str, meters: MeterProcess, stored: int | None, values_a_question: int = VALUES
) -> dict[str, Any]:
    """The figures of one reader; the meters are stopped. `stored` is how many values it brought into InfluxDB."""
    asked = meters.questions(span.begin_s, span.end_s)
    answered = values_a_question * sum(map(len, meters.questions().values()))
    instants = [at_s for times in asked.values() for at_s in times]
    costs = (
        per_million(third.cpu_s[who], values_a_question * sum(third.begin_s <= at_s < third.end_s for at_s in instants))
        for third in span.thirds
    )
    return {
        "polls": len(instants) * values_a_question // VALUES,
        "missed_polls": missed(asked, METERS, EVERY_S, span.took_s, VALUES // values_a_question),
        "cpu_s_per_million_values": per_million(span.cpu_s[who], len(instants) * values_a_question),
        "cpu_s_per_million_of_thirds": spread(costs),
        "share_of_a_core_percent": round(100 * span.cpu_s[who] / span.took_s, 1),
        "rss_mb": round(span.rss_mb[who], 1),
        "values_answered": answered,
        **({} if stored is None else {"values_in_influx": stored}),
    }


def per_million(cpu_s: float, values: int) -> float | None:
    """CPU seconds for each million of values; None where there are none."""
    return round(cpu_s * 1e6 / values, 2) if values else None


def ours(influx: Influx, seconds: float, mode: str = "economy") -> dict[str, Any]:
    """The real gateway and cloud."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        meters = MeterProcess(stack, folder, "meters")
        profile = write_profile(folder, VALUES, 0)
        cloud = start_cloud(stack, folder, influx)
        buses, devices = meters.as_configured(profile)
        before = stored_values(influx, our_bucket(), ["quality"]) if mode != "economy" else 0
        gateway = start_gateway(stack, folder, gateway_config(cloud.url, mode, buses, devices), cloud)
        pause(WARM_UP_S)
        span = watch([gateway, cloud.child, meters.child], seconds, f"tcp100: lentera, {mode}")
        failures = sum(bus["failures"] for bus in read_status(folder)["buses"].values())
        gateway.stop()  # what it still holds is delivered before it ends
        stored = stored_values(influx, our_bucket(), ["quality"]) - before
        found = figures(span, "gateway", meters, stored) | {"failed_polls": failures}
        found["cloud_cpu_s_per_million_values"] = per_million(span.cpu_s["cloud"], found["polls"] * VALUES)
        found["cloud_rss_mb"] = round(span.rss_mb["cloud"], 1)
        return found


def of_telegraf(influx: Influx, seconds: float) -> dict[str, Any]:
    """Telegraf."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        meters = MeterProcess(stack, folder, "meters")
        make_bucket(influx, _BUCKET)
        config = folder / "telegraf.conf"
        config.write_text(
            telegraf.agent(f"{EVERY_S:g}s", folder / "buffer")
            + telegraf.influx_output(influx.info, _BUCKET)
            + telegraf.tcp_meters(meters.ports, VALUES)
        )
        child = stack.enter_context(Child(telegraf.command(config), folder, "telegraf"))
        pause(WARM_UP_S)
        span = watch([child, meters.child], seconds, "tcp100: telegraf")
        child.stop()
        return figures(span, "telegraf", meters, stored_values(influx, _BUCKET))


def of_thingsboard(seconds: float, *, named: bool = False) -> dict[str, Any]:
    """ThingsBoard IoT Gateway: all values of a meter in one range, or `named`, a tag a value."""
    name_of_bar = f"tcp100: thingsboard, {'a tag a value' if named else 'a range a meter'}"
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        meters = MeterProcess(stack, folder, "meters")
        platform = stack.enter_context(Platform())
        home = folder / "tb"
        thingsboard.write_config(
            home, thingsboard.tcp_meters(meters.ports, VALUES, EVERY_S, named=named), platform.port
        )
        child = stack.enter_context(Child(thingsboard.command(), home, "thingsboard", thingsboard.environ(home)))
        pause(WARM_UP_S)
        span = watch([child, meters.child], seconds, name_of_bar)
        child.stop()
        found = figures(span, "thingsboard", meters, None, 1 if named else VALUES)
        return found | {"values_delivered": platform.values}


def measure(seconds: float = SECONDS, who: Sequence[str] = READERS) -> dict[str, Any]:
    """Run the readers one after the other."""
    found: dict[str, Any] = {"load": f"{METERS} Modbus TCP meters x {VALUES} float32 each {EVERY_S:g} s, {seconds:g} s"}
    reasons = {
        "lentera": needs_influx(),
        "telegraf": telegraf.missing() or needs_influx(),
    }
    reasons["thingsboard"] = reasons["thingsboard_tags"] = thingsboard.missing() or (
        None if Mosquitto.program() else "Mosquitto is not installed: tests/services/install brings it"
    )
    for name in who:
        if (why := reasons[name]) is not None:
            found[name] = {"not_measured": why}
        elif name.startswith("thingsboard"):
            found[name] = of_thingsboard(seconds, named=name == "thingsboard_tags")
        else:
            found[name] = _with_influx(ours if name == "lentera" else of_telegraf, seconds)
    return found | against(found)


def _with_influx(work: Callable[[Influx, float], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Measure on a fresh InfluxDB, so that no reader inherits another's data."""
    server = Influx()
    server.start()
    try:
        return work(server, seconds)
    finally:
        server.close()


def against(found: Mapping[str, Any]) -> dict[str, Any]:
    """Our CPU seconds as a part of each peer's, where both were measured."""
    name = "cpu_s_per_million_values"
    costs = {who: found.get(who, {}).get(name) for who in READERS}
    own = costs.pop("lentera")
    return {f"ours_against_{who}": round(own / cost, 3) for who, cost in costs.items() if own and cost}


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS, sys.argv[2:] or READERS)))
