"""Measure what one device that floods its broker costs the gateway: processor, memory, and the others' values.

`python -m bench --only flood`. A street of lamps and plugs reports as usual; a publisher in a process of its own sends
one plug's state at QoS 0, at several rates. What a device may publish at once (2,000 messages) is used up by the second
of them; the last is beyond the rate that gets a device muted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.board import read_status
from bench.processes import Child, bench_environ, pause, read_json, watch
from lentera_gateway.link.key import make_key

LAMPS, PLUGS = 12, 4
EVERY_S = 10.0
RATES_PER_S = (0, 100, 1000, 5000)
"""At the second a device's burst lasts for 25 s: nearly all are taken. From the third on most are thrown away."""
SECONDS = 20
_TICK_S = 0.01
_FLOODER = "plug-01"
_SETTLE_S = 3.0


def flood(host: str, port: int, per_s: float) -> None:
    """Publish the flooding plug's state for ever, so many times a second."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="flood")
    client.connect(host, port)
    client.loop_start()
    topic, number = f"zigbee2mqtt/{_FLOODER}", 0

    def publish(count: int) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            client.publish(topic, json.dumps({"power": number % 3000, "voltage": 229, "state": "ON", "energy": 61.2}))

    began_s, sent = time.monotonic(), 0
    while True:
        owed = int((time.monotonic() - began_s) * per_s) - sent
        publish(owed)
        sent += owed
        pause(_TICK_S)


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Run a street and a gateway, and flood them at each rate in turn."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        run_dir = folder / "run"
        role = [sys.executable, "-m", "lentera.demo.child", str(os.getpid())]
        plan = {"meters": 1, "lamps": LAMPS, "plugs": PLUGS, "lamp_every_s": EVERY_S, "plug_every_s": EVERY_S}
        plan["quantities"] = {"meter-cabinet": ["frequency"]}  # the serial line is not what is measured
        street_of = [*role, "street", str(run_dir), json.dumps(plan), "mosquitto", "ws://127.0.0.1:9/v1/link"]
        street = stack.enter_context(Child([*street_of, str(run_dir / "key.pem")], folder, "street"))
        street.wait_for((run_dir / "street.json").exists)
        make_key(run_dir / "key.pem")
        info = read_json(run_dir / "street.json")
        gateway = stack.enter_context(Child([*role, "gateway", info["config"]], run_dir, "gateway"))
        gateway.wait_for(lambda: bool((read_status(run_dir) or {}).get("ready")))
        (run_dir / "energise").touch()
        rows = [_at_rate(stack, folder, gateway, info, rate, seconds) for rate in RATES_PER_S]
    return {
        "load": f"{LAMPS} lamps and {PLUGS} plugs each {EVERY_S:g} s, {seconds:g} s at each rate",
        **{f"at {row['rate']} messages/s": row["text"] for row in rows},
    }


def _at_rate(
    stack: ExitStack, folder: Path, gateway: Child, info: dict[str, Any], rate: int, seconds: float
) -> dict[str, Any]:
    flooder = None
    if rate:
        command = [sys.executable, "-m", "bench.mqtt_flood", info["broker_host"], str(info["broker_port"]), str(rate)]
        flooder = stack.enter_context(Child(command, folder, "flooder", bench_environ()))
    pause(_SETTLE_S)
    before = _driver(Path(info["run_dir"]))
    span = watch([gateway], seconds, f"flood {rate}")
    after = _driver(Path(info["run_dir"]))
    if flooder is not None:
        flooder.stop()
    muted = _of(after, "mutes") - _of(before, "mutes") or (after["devices"].get(_FLOODER) or {}).get("muted")
    thrown = (_of(after, "dropped") - _of(before, "dropped")) / span.took_s
    received = (after["messages"] - before["messages"]) / span.took_s
    text = (
        f"{100 * span.cpu_s['gateway'] / span.took_s:.1f} % of a core, {span.rss_mb['gateway']:.1f} MB; "
        f"{received:.0f} messages/s received, {thrown:.0f} thrown away, {'muted' if muted else 'not muted'}"
    )
    return {"rate": rate, "text": text}


def _of(driver: dict[str, Any], key: str) -> int:
    return driver["devices"].get(_FLOODER, {}).get(key, 0)


def _driver(run_dir: Path) -> dict[str, Any]:
    return read_status(run_dir)["buses"]["lamps"]["driver"]


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
