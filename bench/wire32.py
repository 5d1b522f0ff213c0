"""Measure how much of a serial line a reader uses: 32 meters of 30 float32 values at 9600 8N1, and with 4 of them dead.

`python -m bench --only wire32`. Ours is the real gateway process (its journal on, no cloud) with a schedule that fills
the line; the others poll as fast as they can: Telegraf its Modbus input with one request a meter, ThingsBoard IoT
Gateway its Modbus connector. The share is the time that the completed transactions must take at least (characters of
question and reply, two silences of 3.5 characters, the meter's turnaround) of the time that passed. With dead meters
the share says little; what counts is how much longer the others wait between two answers. Ours may even wait less then:
for what the first time-outs cost it is behind its schedule, and it catches up in the time that the dead leave over.
A reader that asks before the silence is over (3.5 characters that end the frame before) can pass the limit; how often
it does is shown, and a real meter may not hear it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bench.board import gateway_config, start_gateway
from bench.line_meters import Timing, Transaction, read_log
from bench.load import write_profile
from bench.peers import telegraf, thingsboard
from bench.peers.thingsboard_platform import Platform
from bench.processes import Child, Span, bench_environ, pause, read_json, spread, watch

METERS = 32
VALUES = 30
BAUD = 9600
TURNAROUND_MS = 20.0
DEAD = (5, 13, 21, 29)
SECONDS = 60
WARM_UP_S = 15
EVERY_S = 5.35
"""Our interval: the gateway refuses a plan that a line cannot keep, and this one needs 99 % of it."""
READERS = ("lentera", "telegraf", "thingsboard")


def within(transactions: Sequence[Transaction], begin_s: float, end_s: float) -> list[Transaction]:
    """Those that ended between two instants."""
    return [one for one in transactions if begin_s <= one.answered_s < end_s]


def share(transactions: Sequence[Transaction], took_s: float, timing: Timing) -> float:
    """The part of the time that the transactions need at least."""
    return sum(timing.least_s(one.characters) for one in transactions) / took_s


def each_waits_s(transactions: Sequence[Transaction], living: int, took_s: float) -> float:
    """The mean time between two answers of a living unit; raises ValueError where nobody answered.

    Over all of them and the whole span: means of each unit alone would leave out those that were hardly ever asked.
    """
    if not transactions:
        raise ValueError("no unit answered")
    return living * took_s / len(transactions)


def figures(log: Path, span: Span, living: int = METERS) -> dict[str, Any]:
    """What a reader made of the line in a span, with so many living units."""
    timing = Timing(BAUD, TURNAROUND_MS / 1000)
    collisions, everything = read_log(log)
    done = within(everything, span.begin_s, span.end_s)
    early = sum(one.silence_s < 0.95 * timing.silence_s for one in done)
    found: dict[str, Any] = {
        "transactions_per_s": round(len(done) / span.took_s, 3),
        "share_of_the_limit_percent": round(100 * share(done, span.took_s, timing), 1),
        "share_of_thirds_percent": spread(
            100 * share(within(done, third.begin_s, third.end_s), third.took_s, timing) for third in span.thirds
        ),
        "units_answered": len({one.unit for one in done}),
        "asked_before_the_silence_was_over": early,
        "collisions": collisions,
        "cpu_percent": round(100 * sum(span.cpu_s.values()) / span.took_s, 1),
    }
    with suppress(ValueError):
        found["each_waits_s"] = round(each_waits_s(done, living, span.took_s), 3)
    return found


def _start_ours(stack: ExitStack, folder: Path, port: str) -> Child:
    profile = write_profile(folder, VALUES, TURNAROUND_MS)
    buses = [{"id": "line", "driver": "modbus", "transport": "rtu", "port": port, "baud": BAUD}]
    devices = [
        {"id": f"meter-{unit}", "profile": profile, "bus": "line", "unit": unit, "every_s": EVERY_S}
        for unit in range(1, METERS + 1)
    ]
    return start_gateway(stack, folder, gateway_config("http://127.0.0.1:9", "economy", buses, devices), None)


def _start_telegraf(stack: ExitStack, folder: Path, port: str) -> Child:
    config = folder / "telegraf.conf"
    parts = telegraf.agent("50ms", folder / "buffer"), telegraf.file_output(folder / "out")
    config.write_text("".join(parts) + telegraf.serial_meters(Path(port), range(1, METERS + 1), VALUES, BAUD))
    return stack.enter_context(Child(telegraf.command(config), folder, "telegraf"))


def _start_thingsboard(stack: ExitStack, folder: Path, port: str) -> Child:
    platform = stack.enter_context(Platform())
    home = folder / "tb"
    thingsboard.write_config(
        home, thingsboard.serial_meters(Path(port), range(1, METERS + 1), VALUES, 1.0), platform.port
    )
    return stack.enter_context(Child(thingsboard.command(), home, "thingsboard", thingsboard.environ(home)))


_START: dict[str, Callable[[ExitStack, Path, str], Child]] = {
    "lentera": _start_ours,
    "telegraf": _start_telegraf,
    "thingsboard": _start_thingsboard,
}


def run(reader: str, dead: Sequence[int], seconds: float) -> dict[str, Any]:
    """Let a reader poll a line, and return its figures."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        log, port_file, options = folder / "transactions", folder / "port", folder / "line.json"
        settings = {
            "meters": METERS,
            "values": VALUES,
            "baud": BAUD,
            "turnaround_ms": TURNAROUND_MS,
            "dead": list(dead),
        }
        options.write_text(json.dumps(settings | {"port_file": str(port_file), "log": str(log)}))
        command = [sys.executable, "-m", "bench.line_meters", str(options)]
        line = stack.enter_context(Child(command, folder, "line", bench_environ()))
        line.wait_for(port_file.exists)
        child = _START[reader](stack, folder, read_json(port_file))
        pause(WARM_UP_S)
        span = watch([child], seconds, f"wire32: {reader}, {len(dead)} dead")
        line.stop()
        return figures(log, span, METERS - len(dead))


def slow_down_percent(healthy: dict[str, Any], wounded: dict[str, Any]) -> float | None:
    """How much longer a living meter waits for its next poll than on the healthy line; None where one never came."""
    before, after = healthy.get("each_waits_s"), wounded.get("each_waits_s")
    return round(100 * (after / before - 1), 1) if before and after else None


def measure(seconds: float = SECONDS, readers: Sequence[str] = READERS) -> dict[str, Any]:
    """Run each reader on a healthy line and on one with dead meters."""
    missing = {"lentera": None, "telegraf": telegraf.missing(), "thingsboard": thingsboard.missing()}
    found: dict[str, Any] = {
        "load": f"{METERS} meters x {VALUES} float32, {BAUD} 8N1, turnaround {TURNAROUND_MS:g} ms, {seconds:g} s"
    }
    for reader in readers:
        if (why := missing[reader]) is not None:
            found[reader] = {"not_measured": why}
            continue
        healthy, wounded = run(reader, (), seconds), run(reader, DEAD, seconds)
        found[reader] = healthy
        found[f"{reader}, {len(DEAD)} dead"] = wounded | {"slow_down_percent": slow_down_percent(healthy, wounded)}
    return found


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS, sys.argv[2:] or READERS)))
