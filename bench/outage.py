"""Measure what an outage and a healthy link write to the card; Telegraf and ThingsBoard IoT Gateway in the same run.

`python -m bench --only outage`. The *board*'s hundred Modbus TCP meters, 40 float32 values each second: 97 of a hundred
of its values. Each reader keeps its buffer on an ext4 file system of its own (`bench/card.py`), and what the kernel
counts as written to that device, its own journal and tables included, is divided by the values that the meters were
asked for between the same two instants. In the outage nobody listens where the reader would deliver; Telegraf has its
disk buffer, ThingsBoard IoT Gateway its SQLite storage. Programs, logs and our tmpfs tier lie elsewhere, in memory.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.board import gateway_config, needs_influx, read_status, start_cloud, start_gateway
from bench.card import Card, files_bytes
from bench.card import missing as no_card
from bench.load import write_profile
from bench.peers import telegraf, thingsboard
from bench.peers.thingsboard_platform import Platform
from bench.processes import Child, Span, pause, watch
from bench.tcp100 import EVERY_S, METERS, VALUES, MeterProcess
from lentera_sim.ports import hold_port, port_of
from tests.services.servers import Influx, InfluxInfo

SECONDS = 120
WARM_UP_S = 25
"""Long enough that what is written from then on is steady: past the power-loss budget and the peers' first flush."""
_DAY_S = 86_400
READERS = ("lentera", "lentera_healthy", "telegraf", "thingsboard")


def _measured(card: Card, children: list[Child], meters: MeterProcess, seconds: float, name: str) -> dict[str, Any]:
    """Watch a reader in its steady state, stop it, and return what it wrote and keeps."""
    pause(WARM_UP_S)
    before = card.written_bytes()
    span = watch([*children, meters.child], seconds, f"outage: {name}")
    written = card.written_bytes() - before
    for child in children:
        child.stop()
    kept = files_bytes(card.folder)
    asked = meters.questions()
    return figures(span, written, kept, [at_s for times in asked.values() for at_s in times])


def figures(span: Span, written: int, kept: int, instants: list[float]) -> dict[str, Any]:
    """The figures of one reader: what the device took within the span, and what lies on it at the end."""
    values = VALUES * sum(span.begin_s <= at_s < span.end_s for at_s in instants)
    return {
        "values": values,
        "device_bytes_a_value": round(written / values, 2) if values else None,
        "megabytes_a_day": round(written / span.took_s * _DAY_S / 1e6, 1),
        "kept_bytes_a_value": round(kept / (VALUES * len(instants)), 2) if instants else None,
    }


def _ours(stack: ExitStack, card: Card, seconds: float, healthy: bool) -> dict[str, Any]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lentera-bench-", dir=card.folder.parent)))
    meters = MeterProcess(stack, folder, "meters")
    profile = write_profile(folder, VALUES, 0)
    buses, devices = meters.as_configured(profile)
    cloud = None
    url = f"http://127.0.0.1:{port_of(stack.enter_context(hold_port()))}"
    if healthy:
        server = Influx()
        server.start()
        stack.callback(server.close)
        cloud = start_cloud(stack, folder, server)
        url = cloud.url
    config = gateway_config(url, "economy", buses, devices)
    config["journal"]["card_dir"] = str(card.folder / "journal")
    gateway = start_gateway(stack, folder, config, cloud)
    found = _measured(card, [gateway], meters, seconds, "lentera, healthy link" if healthy else "lentera")
    status = read_status(folder)["journal"]
    return found | {"sealed_bytes_a_value": round(status["bytes_a_value"], 2), "card_error": status["card_error"]}


def _outage(stack: ExitStack, card: Card, seconds: float) -> dict[str, Any]:
    return _ours(stack, card, seconds, healthy=False)


def _healthy(stack: ExitStack, card: Card, seconds: float) -> dict[str, Any]:
    return _ours(stack, card, seconds, healthy=True)


def _telegraf(stack: ExitStack, card: Card, seconds: float) -> dict[str, Any]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lentera-bench-", dir=card.folder.parent)))
    meters = MeterProcess(stack, folder, "meters")
    nobody = InfluxInfo(f"http://127.0.0.1:{port_of(stack.enter_context(hold_port()))}", "none", "none")
    config = folder / "telegraf.conf"
    config.write_text(
        telegraf.agent(f"{EVERY_S:g}s", card.folder / "buffer")
        + telegraf.influx_output(nobody, "none")
        + telegraf.tcp_meters(meters.ports, VALUES)
    )
    child = stack.enter_context(Child(telegraf.command(config), folder, "telegraf"))
    return _measured(card, [child], meters, seconds, "telegraf")


def _thingsboard(stack: ExitStack, card: Card, seconds: float) -> dict[str, Any]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lentera-bench-", dir=card.folder.parent)))
    meters = MeterProcess(stack, folder, "meters")
    home = folder / "tb"
    home.mkdir()
    (card.folder / "data").mkdir()
    (home / "data").symlink_to(card.folder / "data")
    with Platform() as platform:  # one that never reached its platform stores nothing: the outage begins afterwards
        thingsboard.write_config(home, thingsboard.tcp_meters(meters.ports, VALUES, EVERY_S), platform.port)
        child = stack.enter_context(Child(thingsboard.command(), home, "thingsboard", thingsboard.environ(home)))
        child.wait_for(lambda: platform.values > 0, what="not delivering")
    return _measured(card, [child], meters, seconds, "thingsboard")


_WORK: Mapping[str, Callable[[ExitStack, Card, float], dict[str, Any]]] = {
    "lentera": _outage,
    "lentera_healthy": _healthy,
    "telegraf": _telegraf,
    "thingsboard": _thingsboard,
}


def measure(seconds: float = SECONDS, who: tuple[str, ...] = READERS) -> dict[str, Any]:
    """Run the readers one after the other, each with a card of its own."""
    found: dict[str, Any] = {
        "load": f"{METERS} Modbus TCP meters x {VALUES} float32 each {EVERY_S:g} s, {seconds:g} s of steady state"
    }
    reasons = {
        "lentera_healthy": needs_influx(),
        "telegraf": telegraf.missing(),
        "thingsboard": thingsboard.missing(),
    }
    for name in who:
        if (why := no_card() or reasons.get(name)) is not None:
            found[name] = {"not_measured": why}
            continue
        with Card() as card, ExitStack() as stack:
            found[name] = _WORK[name](stack, card, seconds)
    return found


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS, tuple(sys.argv[2:]) or READERS)))
